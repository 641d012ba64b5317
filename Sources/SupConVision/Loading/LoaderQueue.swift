import SupConTensor

/// A loader queue is shared by a loader's threads and its user: the batches requested, the
/// assignment of work, and the memory of the results.
final class LoaderQueue: @unchecked Sendable {
    /// A task is to make the views of some images of one batch.
    struct Task {
        /// The data set that holds the pixels: the loader's, or the batch that a callback has
        /// filled.
        var dataset: Dataset
        var isMaterialized: Bool
        var batch: Int
        var indices: [Int]
        var repetitions: [UInt32]
        var samples: Range<Int>
        var epoch: Int
    }

    /// The state of one buffer, which serves batch after batch.
    private struct Slot {
        var finished = 0
        var materialized: Dataset?
        /// The images that have replaced others.
        var replaced: [(sample: Int, index: Int)] = []
        var failure: (sample: Int, error: SupConError)?
    }

    let dataset: Dataset
    let slotCount: Int
    private let grain: Int
    private let context: ExecutionContext
    private let condition = WorkCondition()
    // The lock guards all of the following.
    private var slots: [Slot]
    private var batches: [[Int]] = []
    private var repetitions: [[UInt32]] = []
    private var epoch = 0
    /// The number of the current batch: earlier ones have been used, and the next `slotCount` from
    /// here have free slots.
    private var current = 0
    /// The position of the next task.
    private var (nextBatch, nextSample) = (0, 0)
    /// The number of batches whose pixels are available.
    private var reachable = 0
    private var active = 0
    private var isStopping = false
    private var failure: SupConError?

    init(
        _ dataset: Dataset, slots: Int, grain: Int, context: ExecutionContext = .default
    ) {
        (self.dataset, slotCount, self.grain, self.context) = (dataset, slots, grain, context)
        self.slots = Array(repeating: Slot(), count: slots)
    }

    // MARK: The user's side

    /// Forgets earlier requests once no thread works on them any more, and requests these batches.
    func begin(epoch: Int, batches: [[Int]], repetitions: [[UInt32]], from first: Int) {
        condition.withLock {
            // No task is assigned meanwhile.
            reachable = 0
            while active > 0 { condition.waitUntilDone() }
            (self.batches, self.repetitions, self.epoch) = (batches, repetitions, epoch)
            (current, nextBatch, nextSample, failure) = (first, first, 0, nil)
            for i in 0..<slotCount { slots[i] = Slot() }
            reachable = dataset.needsCallingThread ? first : batches.count
            condition.announceWork()
        }
    }

    /// Releases the batches before `batch`. Errors: state (no more batches, or an earlier error).
    func release(before batch: Int) throws(SupConError) {
        try condition.withLock { () throws(SupConError) in
            if let failure { throw failure }
            try require(
                batch < batches.count, .state,
                batches.isEmpty
                    ? "no epoch has begun"
                    : "all \(batches.count) batches have been taken; begin another epoch")
            while current < batch {
                slots[current % slotCount] = Slot()
                current += 1
            }
            condition.announceWork()
        }
    }

    /// Fetches the pixels of a callback's data set up to and including `batch`, on the calling
    /// thread. Errors: those of the callback.
    func fetch(upTo batch: Int) throws(SupConError) {
        while let indices = condition.withLock({
            reachable <= batch && reachable < batches.count ? batches[reachable] : nil
        }) {
            do throws(SupConError) {
                let images = try dataset.materialize(indices, context: context)
                condition.withLock {
                    slots[reachable % slotCount].materialized = images
                    reachable += 1
                    condition.announceWork()
                }
            } catch {
                condition.withLock { failure = error }
                throw error
            }
        }
    }

    /// Waits until `batch` is ready, and returns the indices of its images. Errors: those of its
    /// first bad image.
    func wait(for batch: Int) throws(SupConError) -> [Int] {
        try condition.withLock { () throws(SupConError) in
            let (slot, count) = (batch % slotCount, batches[batch].count)
            while slots[slot].finished < count { condition.waitUntilDone() }
            if let bad = slots[slot].failure {
                failure = bad.error
                throw bad.error
            }
            var indices = batches[batch]
            for (sample, index) in slots[slot].replaced { indices[sample] = index }
            return indices
        }
    }

    func stop() {
        condition.withLock {
            isStopping = true
            condition.announceWork()
        }
    }

    // MARK: The threads' side

    /// Waits for a task; nil: there will be none.
    func take() -> Task? {
        condition.withLock {
            while !isStopping && !hasWork { condition.waitForWork() }
            if isStopping { return nil }
            let (batch, first) = (nextBatch, nextSample)
            let indices = batches[batch]
            let last = min(first + grain, indices.count)
            (nextBatch, nextSample) = last == indices.count ? (batch + 1, 0) : (batch, last)
            active += 1
            let materialized = slots[batch % slotCount].materialized
            return Task(
                dataset: materialized ?? dataset, isMaterialized: materialized != nil, batch: batch,
                indices: indices, repetitions: repetitions[batch],
                samples: first..<last, epoch: epoch)
        }
    }

    private var hasWork: Bool { nextBatch < min(reachable, current + slotCount) && failure == nil }

    /// Marks a task as done. Of several errors in a batch that of the first image counts, whichever
    /// thread finishes first.
    func finish(
        _ task: Task, _ replaced: [(sample: Int, index: Int)],
        _ error: (sample: Int, error: SupConError)?
    ) {
        condition.withLock {
            let slot = task.batch % slotCount
            slots[slot].replaced += replaced
            slots[slot].finished += task.samples.count
            if let error, error.sample < slots[slot].failure?.sample ?? .max {
                slots[slot].failure = error
            }
            active -= 1
            if active == 0 || slots[slot].finished == task.indices.count {
                condition.announceDone()
            }
        }
    }
}
