import SupConTensor

/// A batch part is this rank's contiguous part of each batch. Parts are as equal as possible, in
/// whole chunks where the batch is chunked. Where each rank has images of its own, the part of a
/// rank is in proportion to their number.
struct BatchPart {
    let ranks: Ranks
    /// The samples of each rank, by rank.
    let all: [Range<Int>]
    let batchSize: Int
    /// The parts within which MixUp and CutMix pair images: all of the batch, unless each rank has
    /// images of its own.
    let paired: [Range<Int>]
    private let isContrastive: Bool
    private let sampleRows: RankRows

    /// Divides the batch among the ranks. `images` are the numbers of images that the ranks have of
    /// their own; nil: every rank has all images. Errors: argument (a rank would get nothing, or a
    /// part that synchronized batch norm cannot use), memory.
    init(_ options: TrainOptions, _ ranks: Ranks, images: [Int]? = nil) throws(SupConError) {
        (self.ranks, batchSize, isContrastive) = (
            ranks, options.batchSize, options.objective.isContrastive
        )
        let unit = options.chunkSize > 0 ? options.chunkSize : 1
        if let images {
            let whole = Self.multiple(unit, max(options.imagesPerClass, 1))
            all = try Self.shares(options.batchSize, unit: whole, images: images)
            paired = all
        } else {
            all = ranks.parts(batchSize, unit: unit)
            paired = [0..<batchSize]
        }
        sampleRows = try RankRows(ranks, parts: all, rowByteCount: MemoryLayout<Int>.stride)
        guard !ranks.isAlone else { return }
        let chunks = unit > 1 ? " in chunks of \(unit)" : ""
        try require(
            batchSize / unit >= ranks.world, .argument,
            """
            batch_size is \(batchSize)\(chunks), which \(ranks.world) ranks share; expected at \
            least \(ranks.world * unit), so that none is left without images
            """
        )
        try require(
            !options.syncBatchNorm || options.chunkSize == 0 || all[0].count == all.last?.count,
            .argument,
            """
            batch_size is \(batchSize)\(chunks) at \(ranks.world) ranks, which would have \
            unequal numbers of chunks; expected a multiple of \(ranks.world * unit) with \
            sync_batch_norm, whose statistics are those of one chunk of every rank
            """
        )
    }

    /// Divides a batch in proportion to the images of each rank, in multiples of `unit`, which
    /// divides it. Errors: argument (a rank would get nothing).
    private static func shares(_ batch: Int, unit: Int, images: [Int]) throws(SupConError)
        -> [Range<Int>]
    {
        let (units, total) = (batch / unit, max(images.reduce(0, +), 1))
        var (shares, before): ([Range<Int>], Int) = ([], 0)
        for (rank, count) in images.enumerated() {
            before += count
            let exact = Double(units) * Double(before) / Double(total)
            let end = Int(exact.rounded()) * unit
            let share = (shares.last?.upperBound ?? 0)..<end
            try require(
                !share.isEmpty, .argument,
                """
                rank \(rank) has \(count) of \(total) images to train on, which is none of a \
                batch of \(batch)\(unit > 1 ? " in pieces of \(unit)" : ""); expected a larger \
                batch, or parts of more equal size
                """
            )
            shares.append(share)
        }
        return shares
    }

    /// Returns the least common multiple of two numbers above 0.
    private static func multiple(_ a: Int, _ b: Int) -> Int {
        var (x, y) = (a, b)
        while y > 0 { (x, y) = (y, x % y) }
        return a / x * b
    }

    /// This rank's samples.
    var own: Range<Int> { all[ranks.rank] }
    /// The fraction of the batch that this rank holds.
    var fraction: Double { Double(own.count) / Double(batchSize) }
    /// Returns the rows of each rank, given `rows` rows per sample.
    func rows(perSample rows: Int) -> [Range<Int>] {
        all.map { ($0.lowerBound * rows)..<($0.upperBound * rows) }
    }

    /// Runs `load` on every rank. It loads images and returns the indices of their samples, this
    /// rank's part first. Returns what `load` returned, and the samples of the whole batch: those
    /// of `planned`, unless unreadable files were replaced on some rank. Errors: those of `load`,
    /// io.
    func load<R>(
        _ planned: [Int], _ load: () throws(SupConError) -> (loaded: R, samples: [Int])
    ) throws(SupConError) -> (loaded: R, samples: [Int]) {
        let (own, reports) = try ranks.together(load) {
            [$0.samples.prefix(self.own.count).elementsEqual(planned[self.own]) ? 0 : 1]
        }
        if ranks.isAlone { return own }
        guard reports.contains(where: { $0[0] != 0 }) else { return (own.loaded, planned) }
        var samples = planned
        samples.replaceSubrange(self.own, with: own.samples.prefix(self.own.count))
        try samples.withUnsafeMutableBufferPointer { (all) throws(SupConError) in
            if let start = all.baseAddress { try sampleRows.gather(start) }
        }
        return (own.loaded, samples)
    }

    /// Evaluates the losses on every rank, which may share the work of the contrastive loss, and
    /// merges the outcomes: a contrastive loss already covers the batch, while a classifier's loss
    /// is a mean over the part. Errors: those of `evaluate`, io.
    func merge(_ evaluate: () throws(SupConError) -> StepOutcome) throws(SupConError)
        -> StepOutcome
    {
        var (outcome, reports) = try ranks.together(evaluate) {
            [$0.loss, Double($0.classified), Double($0.correct)]
        }
        guard !ranks.isAlone else { return outcome }
        if isContrastive {
            // All ranks use rank 0's value, so that they judge it alike.
            outcome.loss = reports.allSatisfy { $0[0].isFinite } ? reports[0][0] : .nan
        } else {
            outcome.loss = zip(reports, all).reduce(0) {
                $0 + $1.0[0] * Double($1.1.count) / Double(batchSize)
            }
        }
        (outcome.classified, outcome.correct) = (0, 0)
        for report in reports {
            outcome.classified += try ranks.whole(report[1], in: 0...1 << 40)
            outcome.correct += try ranks.whole(report[2], in: 0...1 << 40)
        }
        return outcome
    }
}

/// Batch projections hold the embeddings z of the rows of all ranks, and the gradient of the loss
/// with respect to them.
final class BatchProjections {
    /// The embeddings [rows, dimension].
    let z: UnsafeMutablePointer<Float>
    let gradient: UnsafeMutablePointer<Float>
    private let memory: (z: AlignedBuffer, gradient: AlignedBuffer)
    private let rows: RankRows
    /// The elements of z that belong to this rank's rows.
    let own: Range<Int>

    /// Makes buffers for `views` rows of each sample. Errors: memory.
    init(_ part: BatchPart, views: Int, dimension: Int) throws(SupConError) {
        let count = part.batchSize.multipliedReportingOverflow(by: views * dimension)
        try require(
            !count.overflow, .memory,
            "\(part.batchSize) images of \(views) views are more than memory")
        memory = (
            try AlignedBuffer(Float.self, count: count.partialValue),
            try AlignedBuffer(Float.self, count: count.partialValue)
        )
        (z, gradient) = (memory.z.floats, memory.gradient.floats)
        rows = try RankRows(
            part.ranks, parts: part.rows(perSample: views), rowByteCount: dimension * 4)
        own = part.rows(perSample: views * dimension)[part.ranks.rank]
    }

    var memoryByteCount: Int { memory.z.byteCount + memory.gradient.byteCount + rows.byteCount }

    /// Fills z with the rows of the other ranks; this rank's rows are already in place. Errors: io.
    func gather() throws(SupConError) { try rows.gather(z) }

    /// Fills z with the rows of all ranks; `projection` holds those of this rank. Errors: io.
    func gather(_ projection: UnsafePointer<Float>) throws(SupConError) {
        (z + own.lowerBound).update(from: projection, count: own.count)
        try gather()
    }

    /// Copies this rank's rows of the gradient to `target`.
    func scatter(into target: UnsafeMutablePointer<Float>) {
        target.update(from: gradient + own.lowerBound, count: own.count)
    }
}
