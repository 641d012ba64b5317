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
///
/// Of a joined data set each batch has, in the order of the ranks, images of each rank's own, which
/// are sampled so by themselves: a class may then come from several ranks. The smallest part in
/// proportion to its share of a batch limits the number of batches.
package struct BatchSampler: Sendable {
    package let batchSize: Int
    /// The number of batches per epoch.
    package let batchCount: Int
    package let imagesPerClass: Int
    private let count: Int
    private let seed: UInt64
    /// The images of each class that has any; empty for the default shuffle.
    private let members: [[Int]]
    /// The stream of random numbers, one for each rank of a joined data set.
    private let stream: Int
    /// The images of each rank of a joined data set, and their sampler; empty for one that is not.
    private let parts: [Part]

    private struct Part {
        var images: [Int]
        var sampler: BatchSampler
    }

    /// Makes a sampler. `shares` are the places of each rank in a batch, in order, which only a
    /// joined data set needs. Errors: argument (batch size, divisibility), state (no labels, too
    /// few images or classes), memory.
    package init(
        _ dataset: Dataset, batchSize: Int, imagesPerClass: Int = 0, seed: UInt64,
        shares: [Range<Int>] = [], context: ExecutionContext = .default
    ) throws(SupConError) {
        guard let owners = dataset.owners else {
            try self.init(
                dataset, batchSize: batchSize, imagesPerClass: imagesPerClass, seed: seed,
                stream: 0, context: context)
            return
        }
        try Dataset.checkListMemory(
            dataset.count, for: "dividing \(dataset.count) images among ranks", context: context)
        var images = [[Int]](repeating: [], count: shares.count)
        for (image, owner) in owners.enumerated() where owner < shares.count {
            images[owner].append(image)
        }
        var parts: [Part] = []
        for (rank, share) in shares.enumerated() {
            do throws(SupConError) {
                let own = images[rank]
                parts.append(
                    Part(
                        images: own,
                        sampler: try BatchSampler(
                            dataset.part(own), batchSize: share.count,
                            imagesPerClass: imagesPerClass, seed: seed, stream: rank,
                            context: context)))
            } catch {
                throw SupConError(error.kind, "the part of rank \(rank): \(error.message)")
            }
        }
        self.init(
            batchSize: batchSize, batchCount: parts.map(\.sampler.batchCount).min() ?? 0,
            imagesPerClass: imagesPerClass, count: dataset.count, seed: seed, members: [],
            stream: 0, parts: parts)
    }

    private init(
        batchSize: Int, batchCount: Int, imagesPerClass: Int, count: Int, seed: UInt64,
        members: [[Int]], stream: Int, parts: [Part]
    ) {
        (self.batchSize, self.batchCount, self.imagesPerClass) = (
            batchSize, batchCount, imagesPerClass
        )
        (self.count, self.seed, self.members, self.stream, self.parts) = (
            count, seed, members, stream, parts
        )
    }

    /// Makes a sampler of all images alike.
    private init(
        _ dataset: Dataset, batchSize: Int, imagesPerClass: Int, seed: UInt64, stream: Int,
        context: ExecutionContext
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
        self.init(
            batchSize: batchSize, batchCount: dataset.count / batchSize,
            imagesPerClass: imagesPerClass, count: dataset.count, seed: seed, members: members,
            stream: stream, parts: [])
    }

    /// Returns the batches of an epoch, as indices into the data set.
    package func batches(epoch: Int) -> [[Int]] {
        if !parts.isEmpty {
            let batches = parts.map { $0.sampler.batches(epoch: epoch) }
            return (0..<batchCount).map { number in
                zip(parts, batches).flatMap { part, batches in
                    batches[number].map { part.images[$0] }
                }
            }
        }
        if members.isEmpty {
            var stream = Philox(seed: seed, purpose: .shuffle, epoch: epoch, view: stream)
            let order = stream.permutation(count)
            return (0..<batchCount).map { Array(order[($0 * batchSize)..<(($0 + 1) * batchSize)]) }
        }
        var classes = Deck(
            members.count, Philox(seed: seed, purpose: .sampler, epoch: epoch, view: stream))
        var images = members.enumerated().map {
            Deck(
                $0.element.count,
                Philox(
                    seed: seed, purpose: .sampler, epoch: epoch, sample: $0.offset + 1, view: stream
                ))
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
