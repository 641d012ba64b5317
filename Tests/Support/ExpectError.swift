import SupConTensor
import Testing

/// Checks that `body` throws an error of `kind` whose message contains every one of `words`.
package func expectError<R, Failure: Error>(
    _ kind: SupConError.Kind, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws(Failure) -> R
) {
    do {
        _ = try body()
        Issue.record("no error; expected \(kind)", sourceLocation: sourceLocation)
    } catch {
        guard let error = error as? SupConError else {
            Issue.record("\(error)", sourceLocation: sourceLocation)
            return
        }
        #expect(error.kind == kind, "\(error)", sourceLocation: sourceLocation)
        for word in words where !word.isEmpty {
            #expect(
                error.message.contains(word), "\"\(error)\" lacks \"\(word)\"",
                sourceLocation: sourceLocation)
        }
    }
}
