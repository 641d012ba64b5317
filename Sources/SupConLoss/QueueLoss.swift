import CKernels
import SupConTensor

/// A queue loss is the contrastive loss of queries against rows through which no gradient flows:
/// keys of the same images, and a queue of earlier keys (He et al., "Momentum Contrast",
/// arXiv:1911.05722; with labels the "memory variant" of Khosla et al., arXiv:2004.11362, where
/// entries of the queue with the same label are positives).
///
/// Each query is an anchor. Its own keys and all rows with its label are its positives; all keys
/// and the queue are its contrasts. The formulas and options are those of `ContrastiveOptions`. It
/// shares the streamed kernel of `ContrastiveLoss`, and computes the gradient of the queries alone.
/// An evaluation allocates nothing. A loss serves one thread at a time.
package final class QueueLoss {
    package let options: ContrastiveOptions
    package let queries: Int
    package let keysPerQuery: Int
    package let queueCapacity: Int
    package let dimension: Int
    /// The bytes of the workspaces.
    package let memoryByteCount: Int

    /// The queue consists of earlier keys, which follow the keys of the batch.
    package struct Queue {
        /// The current number of entries, at most the capacity.
        package var count: Int
        /// The labels [count]; nil: entries are never positives (SimCLR).
        package var labels: UnsafePointer<Int64>?
        /// Whether entries with a query's label are its positives; otherwise the query ignores
        /// them.
        package var arePositives: Bool

        package init(count: Int, labels: UnsafePointer<Int64>?, arePositives: Bool) {
            (self.count, self.labels, self.arePositives) = (count, labels, arePositives)
        }
    }

    private let context: ExecutionContext
    private var weights: PairWeights
    private let squares: Buffer<Double>
    private let sweep: TileSweep

    /// Makes the loss. `options.anchors` and `.normalize` do not apply: every query is an anchor,
    /// and rows have length 1. Errors: argument, shape, memory.
    package init(
        _ options: ContrastiveOptions, queries: Int, keysPerQuery: Int, queueCapacity: Int,
        dimension: Int, context: ExecutionContext
    ) throws(SupConError) {
        try options.validate()
        try require(
            queries >= 1 && keysPerQuery >= 1 && dimension >= 1 && queueCapacity >= 0, .shape,
            """
            there are \(queries) queries of dimension \(dimension) with \(keysPerQuery) keys \
            each and a queue of \(queueCapacity); expected at least one of each, and a queue \
            of 0 or more
            """
        )
        let (keys, tooMany) = queries.multipliedReportingOverflow(by: keysPerQuery)
        let (rows, tooManyRows) = keys.addingReportingOverflow(queueCapacity)
        let (values, tooLarge) = rows.multipliedReportingOverflow(by: dimension)
        try require(
            !tooMany && !tooManyRows && !tooLarge && rows <= Int(Int32.max)
                && values <= Int.max / 64, .shape,
            """
            \(queries) queries with \(keysPerQuery) keys each and a queue of \(queueCapacity) \
            are too many; expected at most \(Int32.max) rows
            """
        )
        let layout = PairLayout(
            samples: queries, views: keysPerQuery, selfStride: 0, extra: queueCapacity)
        let sizes = TileSweep.Sizes(
            contrasts: rows, anchors: queries, dimension: dimension, threads: context.threads)
        guard let weightBytes = PairWeights.byteCount(layout, positivesCap: options.positivesCap),
            weightBytes < Int.max / 4
        else {
            throw SupConError(
                .memory,
                """
                positives_cap is \(options.positivesCap): the choice for \(queries) queries \
                is larger than memory
                """
            )
        }
        memoryByteCount = rows * 8 + weightBytes + sizes.byteCount
        try context.checkMemory(
            memoryByteCount, for: "the loss of \(queries) queries against \(rows) keys")
        try MatrixProduct.prepare()
        (
            self.options, self.queries, self.keysPerQuery, self.queueCapacity, self.dimension,
            self.context
        ) =
            (options, queries, keysPerQuery, queueCapacity, dimension, context)
        weights = try PairWeights(layout, positivesCap: options.positivesCap, seed: options.seed)
        squares = try Buffer(rows)
        sweep = try TileSweep(sizes, kind: options.kind, alpha: 1 / options.temperature)
    }

    /// Evaluates the loss.
    /// - Parameters:
    ///   - rows: the queries [queries, dimension].
    ///   - contrasts: [queries·keysPerQuery + queue.count, dimension]: the keys, query by query,
    ///     then the queue.
    ///   - positives: `views` or `labels` [queries]; a mask is an error.
    ///   - gradient: receives that of the reduced loss, [queries, dimension].
    ///   - sampleWeights: [queries], as for `ContrastiveLoss.evaluate`.
    ///   - draw: seeds the choice of positives if they are capped.
    ///   - watch: as for `ContrastiveLoss.evaluate`.
    /// Errors: argument (rows that are not finite, or too long for the temperature; a mask), shape
    /// (queue), canceled.
    package func evaluate(
        queries rows: UnsafePointer<Float>, contrasts: UnsafePointer<Float>, queue: Queue,
        positives: Positives, perAnchor: UnsafeMutablePointer<Float>?,
        gradient: UnsafeMutablePointer<Float>?, sampleWeights: UnsafePointer<Float>? = nil,
        draw: Int = 0, watch: CancelWatch? = nil
    ) throws(SupConError) -> ContrastiveResult {
        try require(
            (0...queueCapacity).contains(queue.count), .shape,
            "the queue has \(queue.count) entries; expected 0 to \(queueCapacity)")
        if case .mask = positives {
            throw SupConError(
                .argument, "a mask says nothing of a queue's entries; expected labels, or neither")
        }
        let watch = watch ?? context.watch()
        let bySample = if case .views = positives { true } else { false }
        let keys = queries * keysPerQuery
        // By Cauchy-Schwarz, similarities are at most the product of the largest lengths.
        let product =
            (try longest(rows, queries, "query")
            * max(
                try longest(contrasts, keys, "key"),
                try longest(contrasts + keys * dimension, queue.count, "queue entry"))).squareRoot()
        try require(
            product / min(Double(options.temperature), 1) <= 1e37, .argument,
            """
            queries times keys come to \(product), at temperature \(options.temperature) too \
            much for f32; expected up to 1e37: normalize the rows
            """
        )
        let extra = ExtraContrasts(
            count: queue.count, labels: bySample ? nil : queue.labels,
            arePositives: queue.arePositives && !bySample && queue.labels != nil)
        try weights.prepare(positives, extra: extra, draw: draw, threads: context.threads)
        let result = MatrixProduct.withOneThreadPerCall {
            compute(
                TileSweep.Problem(
                    anchors: rows, anchorStride: 1, contrasts: contrasts, weights: weights,
                    both: false, watch: watch), sampleWeights, perAnchor, gradient)
        }
        try watch.check()
        return result
    }

    private func compute(
        _ problem: TileSweep.Problem, _ sampleWeights: UnsafePointer<Float>?,
        _ perAnchor: UnsafeMutablePointer<Float>?, _ gradient: UnsafeMutablePointer<Float>?
    ) -> ContrastiveResult {
        let scale = Double(options.scale)
        sweep.gatherSums(problem)
        let (sum, without) = sweep.terms.close(
            weights, kind: options.kind,
            importance: { query in sampleWeights.map { Double($0[query]) } ?? 1 },
            each: { query, loss in perAnchor?[query] = Float(scale * loss) })
        let reduction = options.reduction.factor(anchors: queries, without: without)
        if let gradient {
            sweep.gatherGradient(problem, into: nil)
            gradient.update(from: sweep.anchorGradient.start, count: queries * dimension)
            // The tiles give the gradient of the mean over all anchors with respect to s.
            let factor = scale * reduction * Double(queries) / Double(options.temperature)
            for row in 0..<queries {
                let own = gradient + row * dimension
                sc_scale_f32(own, factor, own, Int64(dimension))
            }
        }
        return ContrastiveResult(
            loss: scale * reduction * sum, anchors: queries, anchorsWithoutPositive: without)
    }

    /// Returns the largest squared length. Errors: argument (an element that is not finite).
    private func longest(_ rows: UnsafePointer<Float>, _ count: Int, _ name: String)
        throws(SupConError) -> Double
    {
        let (dimension, squares) = (self.dimension, squares.start)
        Parallel.ranges(count, grain: max(16384 / dimension, 1), threads: context.threads) {
            range in
            sc_row_squares(
                rows + range.lowerBound * dimension, Int64(range.count), Int64(dimension),
                squares + range.lowerBound)
        }
        var most = 0.0
        for row in 0..<count {
            try require(
                squares[row].isFinite, .argument, "\(name) \(row) has a value that is not finite")
            most = max(most, squares[row])
        }
        return most
    }
}
