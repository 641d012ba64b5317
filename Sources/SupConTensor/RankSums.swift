/// Rank sums are sums over the ranks that a background thread computes one after the other while
/// the caller continues. If the host's functions must be called on its own threads, or no thread
/// can be started, the sums run in `wait` instead.
///
/// In both cases they precede every later operation, in the order in which they began: all ranks
/// call the same operations in the same order, whether or not each has such a thread.
final class RankSums {
    private let queue: Queue
    /// The thread that computes the sums; nil: `wait` computes them.
    private let thread: BackgroundThread?

    /// Starts the thread if `inBackground`.
    init(_ operations: RankOperations, inBackground: Bool) {
        let queue = Queue(operations)
        self.queue = queue
        thread = inBackground ? try? BackgroundThread("gradient") { queue.work() } : nil
    }

    deinit {
        guard let thread, thread.exists else { return }
        queue.stop()
        thread.join()
    }

    /// Begins to replace `values` [count] by their sums over the ranks. Nothing else may use them
    /// or `rounded` (see `Ranks.beginSum`) until `wait` has returned.
    func begin(_ values: UnsafeMutablePointer<Float>, count: Int, rounded: RoundedSum?) {
        queue.append(Sum(values: values, count: count, rounded: rounded))
    }

    /// Waits until all sums that have begun are done.
    func wait() { queue.finish(takesSums: thread?.exists != true) }

    private struct Sum {
        var values: UnsafeMutablePointer<Float>
        var count: Int
        var rounded: RoundedSum?
    }

    /// The state that the thread and its user share.
    private final class Queue: @unchecked Sendable {
        private let operations: RankOperations
        private let condition = WorkCondition()
        // The lock guards the following.
        private var sums: [Sum] = []
        /// The number of sums that are done.
        private var done = 0
        private var isStopping = false

        init(_ operations: RankOperations) {
            self.operations = operations
            sums.reserveCapacity(64)
        }

        func append(_ sum: Sum) {
            condition.withLock {
                sums.append(sum)
                condition.announceWork()
            }
        }

        func finish(takesSums: Bool) {
            while takesSums, let next = next(waits: false) { take(next) }
            condition.withLock {
                while done < sums.count { condition.waitUntilDone() }
                sums.removeAll(keepingCapacity: true)
                done = 0
            }
        }

        func stop() {
            condition.withLock {
                isStopping = true
                condition.announceWork()
            }
        }

        /// Computes sums until the queue is stopped and empty.
        func work() { while let next = next(waits: true) { take(next) } }

        private func next(waits: Bool) -> Sum? {
            condition.withLock {
                while waits, !isStopping, done == sums.count { condition.waitForWork() }
                return done < sums.count ? sums[done] : nil
            }
        }

        private func take(_ sum: Sum) {
            operations.attempt { (collectives) throws(SupConError) in
                if let rounded = sum.rounded {
                    try rounded.run(sum.values, count: sum.count, over: collectives)
                } else {
                    try collectives.allReduceSum(sum.values, count: sum.count)
                }
            }
            condition.withLock {
                done += 1
                condition.announceDone()
            }
        }
    }
}
