/// An error has a kind, and a message that names the value that was wrong and what was expected.
public struct SupConError: Error, CustomStringConvertible, Sendable {
    /// The kinds of failure; the raw values are those of `supcon_status`.
    public enum Kind: Int32, Sendable, CaseIterable {
        case argument = 1, shape, type, io, format, memory, canceled, unsupported, state, fork,
            `internal`
    }

    /// The kind of the error, which is a status in C.
    public let kind: Kind
    /// The message: what was wrong, with its value, and what was expected.
    public let message: String
    /// The rank at which it occurred, where all ranks of a run end with it; 0 where all have found
    /// it alike; nil: no other process knows of it.
    public let rank: Int?

    /// Makes an error with a message.
    public init(_ kind: Kind, _ message: String, rank: Int? = nil) {
        (self.kind, self.message, self.rank) = (kind, message, rank)
    }

    /// The message.
    public var description: String { message }
}

/// Throws an error of `kind` unless `condition` holds. The message is evaluated only then.
@inlinable
package func require(
    _ condition: Bool, _ kind: SupConError.Kind, _ message: @autoclosure () -> String
) throws(SupConError) {
    if !condition { throw SupConError(kind, message()) }
}

/// A NaN in a message is "nan"; Swift would also print its payload and sign.
extension DefaultStringInterpolation {
    package mutating func appendInterpolation(_ value: Float) {
        appendLiteral(value.isNaN ? "nan" : value.description)
    }
    package mutating func appendInterpolation(_ value: Double) {
        appendLiteral(value.isNaN ? "nan" : value.description)
    }
}
