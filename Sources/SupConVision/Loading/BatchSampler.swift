import SupConTensor

/// A batch sampler decides which images make up the batches of an epoch. It is stateless: an
/// epoch's batches are a function of the seed and the epoch's number, so that a resumed run sees
/// the same batches as an uninterrupted one.
///
/// By default it shuffles: every image occurs at most once, and the last, smaller batch is left
/// out. With `imagesPerClass` = M there are as many batches, each of batchSize / M different
/// classes with M images each, class by class. Classes occur equally often, whatever their sizes,
/// and so do a class's images (all of them before any repeats). A class of fewer than M images
/// repeats them within a batch; the `Loader` augments each repetition differently.
package struct BatchSampler: Sendable {
    package let batchSize: Int
    /// The number of batches per epoch.
    package let batchCount: Int
    package let imagesPerClass: Int
    private let count: Int
    private let seed: UInt64
    /// The images of each class that has any; empty for the default shuffle.
    private let members: [[Int]]

    /// Makes a sampler. Errors: argument (batch size, divisibility), state (no labels, too few
    /// images or classes), memory.
    package init(
        _ dataset: Dataset, batchSize: Int, imagesPerClass: Int = 0, seed: UInt64,
        context: ExecutionContext = .default
    ) throws(SupConError) {
        try require(batchSize > 0, .argument, "batch_size is \(batchSize); expected 1 or more")
        try require(
            imagesPerClass >= 0 && batchSize % max(imagesPerClass, 1) == 0, .argument,
            """
            images_per_class is \(imagesPerClass); expected a divisor of batch_size, \
            \(batchSize), or 0 for a plain shuffle
            """
        )
        try require(
            dataset.count >= batchSize, .state,
            "there are \(dataset.count) images; expected at least one batch of \(batchSize)")
        try Dataset.checkListMemory(
            dataset.count, for: "shuffling \(dataset.count) images in every epoch",
            context: context)
        var members: [[Int]] = []
        if imagesPerClass > 0 {
            guard let found = dataset.classMembers() else {
                throw SupConError(
                    .state,
                    """
                    the images have no labels, which batches of \(imagesPerClass) images per \
                    class need
                    """
                )
            }
            members = found.map(\.images)
            let wanted = batchSize / imagesPerClass
            try require(
                members.count >= wanted, .state,
                """
                there are \(members.count) classes with images; a batch of \(batchSize) with \
                \(imagesPerClass) images per class takes \(wanted)
                """
            )
        }
        (self.batchSize, self.imagesPerClass, self.members, self.seed) = (
            batchSize, imagesPerClass, members, seed
        )
        count = dataset.count
        batchCount = count / batchSize
    }

    /// Returns the batches of an epoch, as indices into the data set.
    package func batches(epoch: Int) -> [[Int]] {
        if members.isEmpty {
            var stream = Philox(seed: seed, purpose: .shuffle, epoch: epoch)
            let order = stream.permutation(count)
            return (0..<batchCount).map { Array(order[($0 * batchSize)..<(($0 + 1) * batchSize)]) }
        }
        var classes = Deck(members.count, Philox(seed: seed, purpose: .sampler, epoch: epoch))
        var images = members.enumerated().map {
            Deck(
                $0.element.count,
                Philox(seed: seed, purpose: .sampler, epoch: epoch, sample: $0.offset + 1))
        }
        return (0..<batchCount).map { _ in
            classes.take(batchSize / imagesPerClass).flatMap { member in
                images[member].take(imagesPerClass).map { members[member][$0] }
            }
        }
    }

    /// A deck deals the numbers below `count` in random order, and reshuffles when all are dealt.
    private struct Deck {
        private var order: [Int]
        private var next: Int
        private var stream: Philox

        init(_ count: Int, _ stream: Philox) {
            order = Array(0..<count)
            next = count
            self.stream = stream
        }

        /// Deals `wanted` numbers, all different if there are as many.
        mutating func take(_ wanted: Int) -> [Int] {
            var taken: [Int] = []
            taken.reserveCapacity(wanted)
            while taken.count < wanted {
                if next == order.count {
                    let shuffled = stream.permutation(order.count)
                    // Numbers that are already in this hand go to the end.
                    let held = Set(taken)
                    order =
                        taken.isEmpty
                        ? shuffled
                        : shuffled.filter { !held.contains($0) }
                            + shuffled.filter { held.contains($0) }
                    next = 0
                }
                let last = min(next + wanted - taken.count, order.count)
                taken += order[next..<last]
                next = last
            }
            return taken
        }
    }
}
