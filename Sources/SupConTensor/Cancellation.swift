import Synchronization

/// A cancellation counts how often the calls of a context have been asked to stop.
final class Cancellation: Sendable {
    private let count = Atomic<Int>(0)

    func cancel() { count.wrappingAdd(1, ordering: .relaxed) }
    func watch() -> CancelWatch { CancelWatch(self, since: count.load(ordering: .relaxed)) }
    fileprivate func isBeyond(_ former: Int) -> Bool { count.load(ordering: .relaxed) != former }
}

/// A cancel watch tells a call, on any of its threads, whether it has been asked to stop since it
/// began.
package struct CancelWatch: Sendable {
    private let cancellation: Cancellation
    private let since: Int

    fileprivate init(_ cancellation: Cancellation, since: Int) {
        (self.cancellation, self.since) = (cancellation, since)
    }

    package var isCanceled: Bool { cancellation.isBeyond(since) }

    /// Throws if the call was canceled. Errors: canceled.
    package func check() throws(SupConError) {
        try require(!isCanceled, .canceled, "the call was stopped by a cancel of its context")
    }
}
