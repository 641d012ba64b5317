import CKernels
import SupConTensor

/// The softmax objective is that of softmax regression, with its gradient: f(W, b) = Σ p −log
/// softmax(z)[label] + l2 Σ W² with z = factor · W x + b, where p is a row's fraction of all
/// weights, 1/n by default:
///
///     dz = p (softmax(z) − one-hot),   dW = factor · Σ dz xᵀ + 2 l2 W,   db = Σ dz
///
/// Logits are kept transposed, [classes, rows of a tile], so that the softmax runs down the classes
/// with rows in the vectors' lanes, and both matrix products are thin ones with the rows along
/// their long side. Rows are cut into slices by the problem's size alone; each slice sums its
/// gradient on its own, and the slices are added in order: the same numbers for any number of
/// threads.
final class SoftmaxObjective {
    /// The number of variables: W, then b.
    let variables: Int
    private let rows: UnsafePointer<Float>
    private let labels: [Int32]
    /// The weights of the rows, which sum to 1.
    private let parts: [Float]
    private let dimension: Int
    private let classes: Int
    private let factor: Double
    /// The weight of the squares; it may change between two minimizations.
    var l2: Double
    private let watch: CancelWatch
    private let threads: Int
    private let slices: Int
    private let tileRows: Int
    private let tiles: Tiles
    private let scaledWeight: AlignedBuffer  // f32 [classes, dimension]: factor · W
    private let bias: AlignedBuffer  // f32 [classes]
    private let weightSums: AlignedBuffer  // f32 [slices, classes, dimension]
    private let biasSums: AlignedBuffer  // f64 [slices, classes]
    private let losses: AlignedBuffer  // f64 [slices]

    /// Makes the objective of rows [labels.count, dimension], which are finite and remain the
    /// caller's; `parts` are their weights [labels.count]. Errors: memory.
    init(
        rows: UnsafePointer<Float>, labels: [Int32], parts: [Float], dimension: Int, classes: Int,
        factor: Double, l2: Double, context: ExecutionContext, watch: CancelWatch
    ) throws(SupConError) {
        (self.parts, self.watch) = (parts, watch)
        (self.rows, self.labels, self.dimension, self.classes) = (rows, labels, dimension, classes)
        (self.factor, self.l2, threads) = (factor, l2, context.threads)
        let what = "softmax regression of \(classes) classes on dimension \(dimension)"
        let (weights, overflow) = classes.multipliedReportingOverflow(by: dimension)
        try require(
            !overflow && weights < 1 << 48, .memory, "\(what) needs more memory than there can be")
        variables = weights + classes
        // 48 slices keep many threads busy. There are fewer if their sums would take more than half
        // a gigabyte.
        slices = max(1, min(48, (labels.count + 255) / 256, max(4, (1 << 27) / weights)))
        // A tile has enough rows for an efficient product, and, if the number of classes allows,
        // logits that stay in the second-level cache.
        tileRows = min(
            max((1 << 18) / classes / 64 * 64, 256), 1024, (labels.count + slices - 1) / slices)
        try context.checkMemory((slices + 1) * variables * 4 + slices * classes * 8, for: what)
        scaledWeight = try AlignedBuffer(Float.self, count: weights)
        bias = try AlignedBuffer(Float.self, count: classes)
        weightSums = try AlignedBuffer(Float.self, count: slices * weights)
        biasSums = try AlignedBuffer(Double.self, count: slices * classes)
        losses = try AlignedBuffer(Double.self, count: slices)
        tiles = try Tiles(
            count: slices, tileRows: 1, scratchBytes: classes * tileRows * 4, for: what,
            context: context)
    }

    /// Moves x, W [classes, dimension], then b [classes], to a minimum. `stop` is called after each
    /// iteration; if it returns true, this ends with an error. Errors: memory, canceled.
    func minimize(
        _ x: AlignedBuffer, by search: LBFGS, context: ExecutionContext, stop: (Int) -> Bool
    ) throws(SupConError) -> LBFGS.Result {
        try context.checkMemory(
            try LBFGS.workspace(count: variables, history: search.history) * 8,
            for: "L-BFGS over \(variables) weights")
        let result: LBFGS.Result
        do throws(SupConError) {
            result = try search.minimize(
                x.values(of: Double.self), count: variables, stop: { stop($0) || watch.isCanceled }
            ) { evaluate($0, gradient: $1) }
        } catch {
            try watch.check()  // a canceled evaluation leaves any numbers
            throw error
        }
        try watch.check()
        return result
    }

    /// Evaluates the objective at x: W [classes, dimension], then b [classes]. The gradient has the
    /// same layout. Once its context cancels, it returns at once, with any numbers.
    func evaluate(_ x: UnsafePointer<Double>, gradient: UnsafeMutablePointer<Double>) -> Double {
        let (classes, slices, factor, l2) = (classes, slices, factor, l2)
        let weights = classes * dimension
        let (weight, bias, weightSums) = (
            scaledWeight.floats, self.bias.floats, self.weightSums.floats
        )
        let (biasSums, losses) = (
            self.biasSums.values(of: Double.self), self.losses.values(of: Double.self)
        )
        for i in 0..<weights { weight[i] = Float(factor * x[i]) }
        for c in 0..<classes { bias[c] = Float(x[weights + c]) }
        labels.withUnsafeBufferPointer { labels in
            parts.withUnsafeBufferPointer { parts in
                guard let labels = labels.baseAddress, let parts = parts.baseAddress else { return }
                tiles.run { slice, _, scratch in
                    losses[slice] = evaluate(
                        slice: slice, labels: labels, parts: parts,
                        logits: scratch.assumingMemoryBound(to: Float.self),
                        weightSum: weightSums + slice * weights,
                        biasSum: biasSums + slice * classes)
                }
            }
        }
        Parallel.ranges(weights, grain: 16_384, threads: threads) { range in
            let first = gradient + range.lowerBound, n = Int64(range.count)
            for i in range { gradient[i] = 2 * l2 * x[i] }
            for slice in 0..<slices {
                sc_add_scaled_f32_to_f64(
                    weightSums + slice * weights + range.lowerBound, factor, first, n)
            }
        }
        for c in 0..<classes {
            gradient[weights + c] = 0
            for slice in 0..<slices { gradient[weights + c] += biasSums[slice * classes + c] }
        }
        var loss = 0.0
        for slice in 0..<slices { loss += losses[slice] }
        return loss + l2 * sc_dot_f64(x, x, Int64(weights))
    }

    /// Returns the sum of the losses of a slice's rows, and writes their gradients to weightSum
    /// [classes, dimension] and biasSum [classes].
    private func evaluate(
        slice: Int, labels: UnsafePointer<Int32>, parts: UnsafePointer<Float>,
        logits: UnsafeMutablePointer<Float>,
        weightSum: UnsafeMutablePointer<Float>,
        biasSum: UnsafeMutablePointer<Double>
    ) -> Double {
        let count = self.labels.count, (weight, bias) = (scaledWeight.floats, self.bias.floats)
        let range = Parallel.range(slice, of: slices, count: count)
        let pieces = (range.count + tileRows - 1) / tileRows
        biasSum.update(repeating: 0, count: classes)
        var loss = 0.0
        for piece in 0..<pieces {
            if watch.isCanceled { break }
            let part = Parallel.range(piece, of: pieces, count: range.count)
            let start = range.lowerBound + part.lowerBound, n = part.count
            let x = rows + start * dimension
            MatrixProduct.multiply(
                transposeB: true, m: classes, n: n, k: dimension, a: weight, lda: dimension, b: x,
                ldb: dimension, c: logits, ldc: n)
            loss += sc_softmax_residual(
                logits, Int64(n), Int64(n), Int64(classes), bias, labels + start,
                parts + start, biasSum)
            MatrixProduct.multiply(
                m: classes, n: dimension, k: n, a: logits, lda: n, b: x, ldb: dimension,
                beta: piece == 0 ? 0 : 1, c: weightSum, ldc: dimension)
        }
        return loss
    }
}
