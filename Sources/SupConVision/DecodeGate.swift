import SupConTensor

/// A decode gate lets the readers of one call hold a single large decoded image among them at a
/// time, within the memory limit of the call's context, and tells them when to stop. Small images
/// pass at once, in any number.
package final class DecodeGate: Sendable {
    let context: ExecutionContext
    let watch: CancelWatch
    private let turn = WorkCondition()
    // Guarded by the lock.
    nonisolated(unsafe) private var isTaken = false

    /// Makes the gate of a call that begins now.
    package init(_ context: ExecutionContext) {
        (self.context, watch) = (context, context.watch())
    }

    /// Checks that `bytes` may be taken. If they are many and the caller does not hold the turn
    /// yet, waits for it. Returns whether the caller now holds the turn, and so must `leave`.
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
            // A caller that holds the turn has released its previous image.
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
