/// What went wrong, in a form that any door can translate: a kind, and a sentence that names the
/// value and what was expected.
public struct SupConError: Error, CustomStringConvertible, Sendable {
    /// The kinds of failure; the raw values are those of `supcon_status`.
    public enum Kind: Int32, Sendable, CaseIterable {
        case argument = 1, shape, type, io, format, memory, canceled, unsupported, state, fork,
            `internal`
    }

    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { message }
}

/// Throws an error of `kind` unless `condition` holds; the sentence is only made when it does not.
@inlinable
public func require(
    _ condition: Bool, _ kind: SupConError.Kind, _ message: @autoclosure () -> String
) throws(SupConError) {
    if !condition { throw SupConError(kind, message()) }
}
