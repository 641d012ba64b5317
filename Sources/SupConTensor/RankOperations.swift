import Synchronization

/// Rank operations call the host's collectives, and none after one has failed.
final class RankOperations: @unchecked Sendable {
    // They are called by one thread at a time.
    private let collectives: any Collectives
    private let failure = Mutex<SupConError?>(nil)

    init(_ collectives: any Collectives) { self.collectives = collectives }

    var hasFailed: Bool { failure.withLock { $0 != nil } }

    /// Throws if an operation has failed before. Errors: that operation's.
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
