import Synchronization

/// The host's operations, of which none follows one that has failed.
final class RankOperations: @unchecked Sendable {
    // One thread at a time calls them.
    private let collectives: any Collectives
    private let failure = Mutex<SupConError?>(nil)

    init(_ collectives: any Collectives) { self.collectives = collectives }

    var hasFailed: Bool { failure.withLock { $0 != nil } }

    /// Errors: what an operation failed with before.
    func check() throws(SupConError) {
        if let failure = failure.withLock({ $0 }) { throw failure }
    }

    /// Runs an operation, unless one has failed before. Returns whether it succeeded.
    @discardableResult
    func attempt(_ operation: (any Collectives) throws(SupConError) -> Void) -> Bool {
        guard !hasFailed else { return false }
        do throws(SupConError) {
            try operation(collectives)
            return true
        } catch {
            let reason = error
            failure.withLock { $0 = reason }
            return false
        }
    }
}
