import SupConTensor

/// Lets the readers of one call hold one large decoded image among them at a time, within the
/// memory limit of the call's context. Small images pass at once, any number of them.
package final class DecodeGate: Sendable {
    let context: ExecutionContext
    private let turn = WorkCondition()
    // Read and written with the lock held.
    nonisolated(unsafe) private var isTaken = false

    package init(_ context: ExecutionContext) { self.context = context }

    /// Checks that `bytes` may be taken, and waits for the turn if they are many and the caller
    /// does not have it yet. Returns whether the caller has the turn now, and so has to `leave`.
    /// Errors: memory.
    func enter(_ bytes: Int, hasTurn: Bool, for what: @autoclosure () -> String)
        throws(SupConError) -> Bool
    {
        if bytes <= context.largeByteCount || hasTurn {
            try context.checkOften(bytes, for: what())
            return hasTurn
        }
        turn.withLock {
            while isTaken { turn.waitUntilDone() }
            isTaken = true
        }
        do throws(SupConError) {
            // With the turn: the image before has been given back.
            try context.checkMemory(bytes, for: what())
        } catch {
            leave()
            throw error
        }
        return true
    }

    func leave() {
        turn.withLock { isTaken = false }
        turn.announceDone()
    }
}
