import CKernels
import SupConTensor
import Synchronization

/// A contrastive loss computes loss and gradient of samples·views embeddings, for the whole
/// contrastive family, without ever storing the matrix of their similarities.
///
/// Tiles of 256 × 256 similarities are computed (by a matrix product), reduced to sums per anchor,
/// and discarded. They are then recomputed, turned into the gradient with respect to s, and
/// multiplied with the features:
///
///     ∂L/∂z_i = 1/τ Σ_j (G_ij + G_ji) z_j,   G_ij = ∂L/∂s_ij
///
/// where z_i has two roles: it is an anchor, and other anchors are contrasted with it.
///
/// If all views are anchors and positives are mutual, s_ij serves both ends, and only half of the
/// tiles are computed. Features too long for that (exp would need a maximum to stay in range),
/// masks, `Anchors.first` and a cap on the positives take the general path, with a running maximum
/// per anchor that excludes the anchor itself. Both paths give the same results on any number of
/// threads.
///
/// Ranks that all have the features may share the work where tiles serve both ends: each computes
/// some of the tiles, and the sums and the gradient are added up.
///
/// Workspaces are made for one size and reused, so that an evaluation allocates nothing. A loss
/// serves one thread at a time.
package final class ContrastiveLoss {
    package let options: ContrastiveOptions
    package let samples: Int
    package let views: Int
    package let dimension: Int
    /// The bytes of the workspaces.
    package let memoryByteCount: Int

    private let context: ExecutionContext
    private let layout: PairLayout
    private let squares: Buffer<Double>
    private let unit: Buffer<Float>
    private var weights: PairWeights
    private let sweep: TileSweep
    /// The ranks that share the work; nil: it is not shared.
    private let ranks: Ranks?
    private let sumsOfRanks: Buffer<Float>

    /// The largest |s| for which exp s, its sums and their quotients stay well inside f32.
    private static let unshiftedBound = 40.0
    /// The largest product of rows, or similarity, for which their differences are f32 numbers.
    private static let largestSimilarity = 1e37

    /// Allocates the workspaces of a loss.
    /// - Parameters:
    ///   - samples, views, dimension: the shape of the features, [samples, views, dimension].
    ///   - ranks: the ranks that share the work; all of them evaluate, with the same features and
    ///     options.
    /// Errors: argument, shape, memory.
    package init(
        _ options: ContrastiveOptions, samples: Int, views: Int, dimension: Int,
        context: ExecutionContext, ranks: Ranks? = nil
    ) throws(SupConError) {
        try options.validate()
        try require(
            samples >= 1 && views >= 1 && dimension >= 1, .shape,
            """
            features are [\(samples), \(views), \(dimension)]; expected at least one sample, \
            view and dimension
            """
        )
        let (rows, tooMany) = samples.multipliedReportingOverflow(by: views)
        let (values, tooLarge) = rows.multipliedReportingOverflow(by: dimension)
        try require(
            !tooMany && !tooLarge && rows <= Int(Int32.max) && values <= Int.max / 64, .shape,
            """
            features are [\(samples), \(views), \(dimension)]; expected at most \(Int32.max) \
            rows, in memory that can be addressed
            """
        )
        layout = PairLayout(
            samples: samples, views: views, selfStride: options.anchors == .all ? 1 : views)
        let sizes = TileSweep.Sizes(
            contrasts: rows, anchors: layout.anchors, dimension: dimension, threads: context.threads
        )
        guard let weightBytes = PairWeights.byteCount(layout, positivesCap: options.positivesCap),
            weightBytes < Int.max / 4
        else {
            throw SupConError(
                .memory,
                """
                positives_cap is \(options.positivesCap): the choice for \(layout.anchors) \
                anchors is larger than memory
                """
            )
        }
        memoryByteCount =
            rows * 8 + (options.normalize ? values * 4 : 0) + weightBytes + sizes.byteCount
        try context.checkMemory(
            memoryByteCount, for: "the loss of \(rows) embeddings of \(dimension) numbers")
        try MatrixProduct.prepare()
        (self.options, self.samples, self.views, self.dimension, self.context) = (
            options, samples, views, dimension, context
        )
        let isShared = ranks?.isAlone == false && options.kind != Int32(SC_LOSS_OUT_ONE)
        self.ranks = isShared ? ranks : nil
        sumsOfRanks = try Buffer(isShared ? 2 * layout.anchors : 0)
        squares = try Buffer(rows)
        unit = try Buffer(options.normalize ? values : 0)
        weights = try PairWeights(layout, positivesCap: options.positivesCap, seed: options.seed)
        sweep = try TileSweep(sizes, kind: options.kind, alpha: 1 / options.temperature)
    }

    /// Evaluates the loss and, if `gradient` is given, its gradient. Nothing is written if it
    /// throws, unless it was canceled.
    /// - Parameters:
    ///   - features: [samples, views, dimension]: view v of sample s is row s·views + v.
    ///   - perAnchor: receives the losses of [samples·views] or (anchors `first`) [samples]
    ///     anchors, times the scale, whatever the reduction; 0 without a positive.
    ///   - gradient: receives the gradient of the reduced loss with respect to the features as
    ///     passed; laid out like these, and not overlapping them.
    ///   - sampleWeights: [samples], 0 or more: the factor of the losses of a sample's anchors. A
    ///     mean is still taken over anchors, not over weights. nil: 1.
    ///   - draw: seeds the choice among positives beyond the cap; each value gives another
    ///     choice.
    ///   - watch: begun by the caller, so that a cancel before this counts; nil: it begins here.
    /// Errors: argument (features that are not finite, or too long for the temperature; a mask
    /// entry below 0 or not finite), canceled, io (of the ranks).
    package func evaluate(
        features: UnsafePointer<Float>, positives: Positives,
        perAnchor: UnsafeMutablePointer<Float>?, gradient: UnsafeMutablePointer<Float>?,
        sampleWeights: UnsafePointer<Float>? = nil, draw: Int = 0, watch: CancelWatch? = nil
    ) throws(SupConError) -> ContrastiveResult {
        let watch = watch ?? context.watch()
        let longest = try measureRows(features)
        if !options.normalize { Self.warnOfLength(longest.squareRoot()) }
        try weights.prepare(positives, draw: draw, threads: context.threads)
        if options.normalize { scaleRows(features) }
        let both =
            options.anchors == .all && weights.mask == nil && weights.choice == nil
            && longest / Double(options.temperature) <= Self.unshiftedBound
        let ranks = both ? ranks : nil
        // Ranks that share the work must stay in step.
        if ranks == nil { try watch.check() }
        let result = try MatrixProduct.withOneThreadPerCall { () throws(SupConError) in
            let rows = options.normalize ? UnsafePointer(unit.start) : features
            let problem = TileSweep.Problem(
                anchors: rows, anchorStride: layout.selfStride, contrasts: rows, weights: weights,
                both: both, ranks: ranks, watch: watch)
            return try compute(problem, sampleWeights, perAnchor, gradient)
        }
        try watch.check()
        return result
    }

    private func compute(
        _ problem: TileSweep.Problem, _ sampleWeights: UnsafePointer<Float>?,
        _ perAnchor: UnsafeMutablePointer<Float>?, _ gradient: UnsafeMutablePointer<Float>?
    ) throws(SupConError) -> ContrastiveResult {
        let (anchors, scale) = (sweep.terms.count, Double(options.scale))
        sweep.gatherSums(problem)
        if let ranks = problem.ranks { try sweep.terms.add(over: ranks, sumsOfRanks.start) }
        let anchorsPerSample = anchors / samples
        let (sum, without) = sweep.terms.close(
            weights, kind: options.kind,
            importance: { anchor in sampleWeights.map { Double($0[anchor / anchorsPerSample]) } ?? 1
            },
            each: { anchor, loss in perAnchor?[anchor] = Float(scale * loss) })
        let factor = options.reduction.factor(anchors: anchors, without: without)
        if let gradient {
            sweep.gatherGradient(problem, into: gradient)
            if let ranks = problem.ranks {
                try ranks.sum(gradient, count: samples * views * dimension)
            }
            // The tiles give the gradient of the mean over all anchors with respect to s.
            finish(
                gradient, problem,
                factor: scale * factor * Double(anchors) / Double(options.temperature))
        }
        return ContrastiveResult(
            loss: scale * factor * sum, anchors: anchors, anchorsWithoutPositive: without)
    }

    private static let hasWarned = Mutex(false)

    /// Warns, once in a process, that rows do not have length 1 as expected.
    private static func warnOfLength(_ longest: Double) {
        guard abs(longest - 1) > 0.01 else { return }
        let isFirst = hasWarned.withLock { hasWarned in
            defer { hasWarned = true }
            return !hasWarned
        }
        guard isFirst else { return }
        Log.write(
            .warning,
            """
            the longest row of the features has length \(Float(longest)); expected rows of length \
            1, \
            or the option normalize (this is said once)
            """
        )
    }

    /// Computes the squared lengths of the rows. Returns the largest that the loss will use.
    private func measureRows(_ features: UnsafePointer<Float>) throws(SupConError) -> Double {
        let (rows, dimension, squares) = (samples * views, self.dimension, squares.start)
        Parallel.ranges(rows, grain: max(16384 / dimension, 1), threads: context.threads) { range in
            sc_row_squares(
                features + range.lowerBound * dimension, Int64(range.count), Int64(dimension),
                squares + range.lowerBound)
        }
        var (longest, longestRow) = (0.0, 0)
        for row in 0..<rows {
            try require(
                squares[row].isFinite, .argument,
                """
                row \(row) of the features (sample \(row / views), view \(row % views)) has a \
                value that is not finite
                """
            )
            if squares[row] > longest { (longest, longestRow) = (squares[row], row) }
        }
        if options.normalize { return 1 }
        try require(
            longest / min(Double(options.temperature), 1) <= Self.largestSimilarity, .argument,
            """
            row \(longestRow) of the features has length \(longest.squareRoot()), at temperature \
            \(options.temperature) too much for f32; expected length² and length²/temperature \
            up to 1e37: normalize the rows
            """
        )
        return longest
    }

    private func scaleRows(_ features: UnsafePointer<Float>) {
        let (dimension, unit) = (self.dimension, unit.start)
        Parallel.ranges(samples * views, grain: max(16384 / dimension, 1), threads: context.threads)
        { range in
            for row in range {
                sc_scale_f32(
                    features + row * dimension,
                    L2Normalize.factor(length: squares.start[row].squareRoot()),
                    unit + row * dimension, Int64(dimension))
            }
        }
    }

    /// Computes gradient ← factor · (contrasts' + anchors' gradient), and differentiates through
    /// the normalization if there is one.
    private func finish(
        _ gradient: UnsafeMutablePointer<Float>, _ problem: TileSweep.Problem, factor: Double
    ) {
        let (dimension, unit) = (self.dimension, unit.start)
        let (anchorGradient, layout) = (problem.both ? nil : sweep.anchorGradient.start, layout)
        Parallel.ranges(samples * views, grain: max(16384 / dimension, 1), threads: context.threads)
        { range in
            for row in range {
                let more =
                    row % layout.selfStride == 0
                    ? anchorGradient.map { $0 + row / layout.selfStride * dimension } : nil
                let row = (index: row, gradient: gradient + row * dimension)
                if options.normalize {
                    L2Normalize.finishGradient(
                        row.gradient, adding: more, z: unit + row.index * dimension,
                        dimension: dimension, length: squares.start[row.index].squareRoot(),
                        factor: factor)
                } else {
                    sc_l2_gradient(row.gradient, more, nil, Int64(dimension), factor)
                }
            }
        }
    }
}
