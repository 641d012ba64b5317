import CKernels
import Glibc
import SupConTensor

/// A loaded batch holds views that are ready for the network: view v of sample s is row s · views +
/// v of [samples · views, height, width, channels], normalized f32.
package struct LoadedBatch {
    /// The pixels, valid until the loader's next `next()` or `begin`, and while the loader lives.
    package let pixels: UnsafePointer<Float>
    /// The indices of the images in the data set given to the loader.
    package let indices: [Int]

    package init(pixels: UnsafePointer<Float>, indices: [Int]) {
        (self.pixels, self.indices) = (pixels, indices)
    }
}

/// A loader makes views ahead of the training step that uses them, on its own threads, which have
/// the lowest priority and use the time that the step's threads leave, in memory allocated once.
///
/// Its output does not depend on the threads: the sample number is the index in the data set, as in
/// `augment`. An image that occurs twice in an epoch (of a class smaller than `imagesPerClass`)
/// gets new views the second time: repetition r has the views r · views + v. JPEGs are decoded only
/// as large as the crops need. In a data set that skips unreadable files, a file that becomes
/// unreadable is replaced by another image of its class, and so is its index in the batch. A loader
/// is used by one thread; a callback's data set is called on that thread, within `next()`, one
/// batch ahead.
package final class Loader {
    package let batchSize: Int
    package let views: Int
    private let queue: LoaderQueue
    private let replacements: Replacements
    private let memory: [AlignedBuffer]
    private var threads: [BackgroundThread] = []
    private var (position, end) = (0, 0)

    /// Returns the bytes that a loader takes for batches; nil if the number overflows.
    package static func memoryByteCount(
        batchSize: Int, views: Int, height: Int, width: Int, channels: Int
    ) -> Int? {
        var bytes = MemoryLayout<Float>.stride
        for factor in [batchSize, views, height, width, channels, 3] {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: factor)
            if overflow { return nil }
            bytes = product
        }
        // One batch in use and two ahead, or, if batches are large, one ahead.
        return bytes > 1 << 30 ? bytes / 3 * 2 : bytes
    }

    /// Allocates the memory of the batches, and starts the threads.
    /// - Parameters:
    ///   - second: the augmentation of the views after an image's first; nil: that of the first.
    ///   - mean, std: one per channel.
    ///   - threads: 1 to 1024.
    ///   - resizing: the way in which views of the kind `none` are brought to their size.
    ///   - context: its memory limit applies to the images that are decoded.
    /// Errors: argument, shape, memory.
    package init(
        _ dataset: Dataset, _ options: AugmentationOptions, second: AugmentationOptions? = nil,
        views: Int, height: Int, width: Int, mean: [Float], std: [Float], seed: UInt64,
        threads: Int, batchSize: Int, resizing: Resizing = .squash,
        context: ExecutionContext = .default
    ) throws(SupConError) {
        let augmentation = try Augmentation(
            options, height: height, width: width, channels: dataset.channels,
            resizing: resizing)
        let other = try second.map { (second) throws(SupConError) in
            try Augmentation(
                second, height: height, width: width, channels: dataset.channels,
                resizing: resizing)
        }
        let normalization = try Normalization(mean: mean, std: std)
        try require(
            mean.count == dataset.channels, .shape,
            """
            there are \(mean.count) means; expected one for each of the images' \
            \(dataset.channels) channels
            """
        )
        try require((1...255).contains(views), .argument, "views is \(views); expected 1 to 255")
        try require(batchSize > 0, .argument, "batch_size is \(batchSize); expected 1 or more")
        try require(
            (1...1024).contains(threads), .argument,
            "loader threads is \(threads); expected 1 to 1024")
        guard
            let bytes = Self.memoryByteCount(
                batchSize: batchSize, views: views, height: height, width: width,
                channels: dataset.channels)
        else {
            throw SupConError(
                .memory,
                """
                batches of \(batchSize) images with \(views) views of \(height)×\(width) are \
                larger than memory
                """
            )
        }
        try context.checkMemory(
            bytes,
            for:
                """
                a loader of batches of \(batchSize) images with \(views) views of \
                \(height)×\(width)
                """
        )
        let perSlot = batchSize * views * height * width * dataset.channels  // counted above
        let slots = bytes / (perSlot * 4)
        var memory: [AlignedBuffer] = []
        for _ in 0..<slots { memory.append(try AlignedBuffer(Float.self, count: perSlot)) }
        (self.memory, self.batchSize, self.views) = (memory, batchSize, views)
        queue = LoaderQueue(
            dataset, slots: slots, grain: max(1, min(16, batchSize / (threads * 4))),
            context: context)
        replacements = Replacements(dataset, seed: seed)
        let plan = LoaderWorker.Plan(
            augmentation: augmentation, second: other ?? augmentation, normalization: normalization,
            views: views, seed: seed, slots: memory.map(\.floats),
            gate: DecodeGate(context), replacements: replacements)
        // If one fails to start, deinit ends those before it.
        let queue = queue
        for _ in 0..<threads {
            self.threads.append(
                try BackgroundThread("loader") {
                    sc_lower_thread_priority()
                    LoaderWorker(plan, queue).run()
                })
        }
    }

    /// Ends the threads, at the latest when each has finished its current images.
    deinit {
        guard threads.allSatisfy(\.exists) else { return }  // in a forked child there are none
        queue.stop()
        for thread in threads { thread.join() }
    }

    /// Chunks describe how a batch larger than the loader's batch size is delivered.
    package struct Chunks: Sendable, Equatable {
        /// The number of images of a chunk; the last may have fewer.
        package var size: Int
        /// The number of times that the batch's chunks are delivered, in order, with the same views
        /// each time.
        package var passes: Int

        package init(size: Int, passes: Int) { (self.size, self.passes) = (size, passes) }
    }

    /// Starts on these batches of an epoch, from number `first` on, and forgets those requested
    /// before. All of the epoch's batches must be passed, since repetitions are counted. `chunks`
    /// makes `next` return chunks of the batches, pass after pass. `sources` selects the images of
    /// batch n to deliver, in order; nil: all. Errors: argument (an index out of range, a batch too
    /// large), fork.
    package func begin(
        epoch: Int, batches: [[Int]], from first: Int = 0, chunks: Chunks? = nil,
        sources: ((_ batch: Int) -> [Int])? = nil
    ) throws(SupConError) {
        try checkProcess()
        try require(
            epoch >= 0 && epoch < 1 << 32, .argument, "epoch is \(epoch); expected 0 to 2³² - 1")
        try require(
            (0...batches.count).contains(first), .argument,
            "first batch is \(first); expected 0 to \(batches.count)")
        let isChunked = chunks != nil
        let chunks = chunks ?? Chunks(size: batchSize, passes: 1)
        try require(
            (1...batchSize).contains(chunks.size) && chunks.passes >= 1, .argument,
            """
            chunks have \(chunks.size) images and come \(chunks.passes) times; expected 1 to \
            \(batchSize), the loader's batch size, and once or more
            """
        )
        var turns = [UInt32](repeating: 0, count: queue.dataset.count)
        var (pieces, repetitions): ([[Int]], [[UInt32]]) = ([], [])
        var firstPiece = 0
        for (number, batch) in batches.enumerated() {
            try require(
                batch.count > 0 && (isChunked || batch.count <= batchSize), .argument,
                """
                batch \(number) has \(batch.count) images; expected 1 to \(batchSize), the \
                loader's batch size
                """
            )
            try queue.dataset.checkIndices(batch)
            let turn = batch.map { index in
                defer { turns[index] &+= 1 }
                return turns[index]
            }
            let taken = sources?(number) ?? Array(batch.indices)
            if let outside = taken.first(where: { !batch.indices.contains($0) }) {
                throw SupConError(
                    .argument,
                    """
                    source \(outside) is none of batch \(number); expected 0 to \(batch.count - 1)
                    """
                )
            }
            for _ in 0..<chunks.passes {
                for start in stride(from: 0, to: taken.count, by: chunks.size) {
                    let range = taken[start..<min(start + chunks.size, taken.count)]
                    pieces.append(range.map { batch[$0] })
                    repetitions.append(range.map { turn[$0] })
                }
            }
            if number + 1 == first { firstPiece = pieces.count }
        }
        queue.begin(epoch: epoch, batches: pieces, repetitions: repetitions, from: firstPiece)
        (position, end) = (firstPiece, pieces.count)
    }

    /// Returns the next batch, and waits until it is ready. Errors: io, format (an image that has
    /// become unreadable, if that is an error, or if those tried in its place are unreadable too),
    /// canceled (by a callback), memory: call `begin` again afterwards; state (no batch is left),
    /// fork.
    package func next() throws(SupConError) -> LoadedBatch {
        try checkProcess()
        let batch = position
        try queue.release(before: batch)
        if queue.dataset.needsCallingThread { try queue.fetch(upTo: batch + 1) }
        let indices = try queue.wait(for: batch)
        position += 1
        return LoadedBatch(
            pixels: UnsafePointer(memory[batch % memory.count].floats), indices: indices)
    }

    /// Returns the images that have become unreadable since the data set was made and have been
    /// replaced, as "path: reason", from number `first` on.
    package func unreadable(from first: Int = 0) -> [String] { replacements.reasons(from: first) }

    /// The number of batches that `next()` has not yet returned.
    package var remaining: Int { end - position }

    private func checkProcess() throws(SupConError) {
        try require(
            threads.allSatisfy(\.exists), .fork,
            "the loader was made before this process was forked off; its threads are gone")
    }
}
