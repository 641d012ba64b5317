import SupConTensor
import Testing

/// Expects an error of `kind` whose sentence holds every one of `words`.
package func expectError(
    _ kind: SupConError.Kind, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("no error; expected \(kind)", sourceLocation: sourceLocation)
    } catch let error as SupConError {
        #expect(error.kind == kind, "\(error)", sourceLocation: sourceLocation)
        for word in words {
            #expect(
                error.message.contains(word), "\"\(error)\" lacks \"\(word)\"",
                sourceLocation: sourceLocation)
        }
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
}
