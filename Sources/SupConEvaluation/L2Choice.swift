import SupConTensor

/// An l2 choice finds the l2 of a softmax regression where none is given: of 0.5, 5 and 50 over the
/// number of rows the one whose fit on other rows predicts the held-out rows best, or among equals
/// 5 over the number of rows.
///
/// l2 = c / n weighs the squares by c against the sum of the losses of n rows, so that a c that was
/// chosen on a part of the rows serves for all. docs/accuracy.md has the accuracies and the time.
struct L2Choice {
    /// The candidates times the number of rows. A fit with a large l2 is short, and each begins
    /// where the one before ended.
    static let candidates = [50.0, 5, 0.5]
    /// The l2 without a choice, and among equals, times the number of rows.
    static let usual = 5.0
    /// The smallest number of held-out rows: each must count for few percent.
    static let fewest = 20
    /// The largest number of iterations for each candidate.
    static let iterations = 50
    static var steps: Int { candidates.count * iterations }

    private let held: HeldOutRows

    /// Prepares a choice for rows with labels from 0 to classes − 1; nil if there are too few.
    /// Errors: memory.
    init?(labels: [Int32], classes: Int, weights: [Float]?, context: ExecutionContext)
        throws(SupConError)
    {
        held = try HeldOutRows(labels: labels, classes: classes, weights: weights, context: context)
        if held.heldOut.count < Self.fewest { return nil }
    }

    /// Returns the best candidate for rows [labels.count, dimension] that are multiplied by
    /// `factor`. `stop` is called after each iteration. Errors: memory, canceled.
    func best(
        _ rows: UnsafePointer<Float>, labels: [Int32], weights: [Float]?, dimension: Int,
        classes: Int, factor: Double, context: ExecutionContext, watch: CancelWatch,
        stop: (Int) -> Bool
    ) throws(SupConError) -> Double {
        let known = try Part(held.fitted, rows, labels, weights, dimension, context)
        let judging = try Part(held.heldOut, rows, labels, weights, dimension, context)
        let objective = try SoftmaxObjective(
            rows: known.rows.floats, labels: known.labels, parts: known.parts, dimension: dimension,
            classes: classes, factor: factor, l2: 0, context: context, watch: watch)
        var search = LBFGS()
        (search.iterations, search.rounding) = (Self.iterations, 3e-8)
        (search.gradientTolerance, search.valueTolerance) = (1e-5, 1e-4)
        let x = try AlignedBuffer(Double.self, count: objective.variables)
        var best = Self.usual, most = -1.0
        for candidate in Self.candidates {
            objective.l2 = candidate / Double(held.fitted.count)
            _ = try objective.minimize(x, by: search, context: context, stop: stop)
            let scores = LinearScores(x, classes: classes, dimension: dimension, factor: factor)
            let right = try judging.right(scores, context)
            if right > most || right == most && candidate == Self.usual {
                (best, most) = (candidate, right)
            }
        }
        return best
    }
}

/// A copy of some rows, with their labels, and their weights as fractions of all.
private struct Part {
    let rows: AlignedBuffer  // [labels.count, dimension]
    let labels: [Int32]
    let parts: [Float]
    let dimension: Int

    init(
        _ indices: [Int], _ all: UnsafePointer<Float>, _ labels: [Int32], _ weights: [Float]?,
        _ dimension: Int, _ context: ExecutionContext
    ) throws(SupConError) {
        let count = indices.count * dimension
        try context.checkMemory(
            count * 4, for: "a copy of \(indices.count) rows of dimension \(dimension)")
        rows = try AlignedBuffer(Float.self, count: count)
        for (i, row) in indices.enumerated() {
            (rows.floats + i * dimension).update(from: all + row * dimension, count: dimension)
        }
        self.labels = indices.map { labels[$0] }
        self.dimension = dimension
        let own = weights.map { weights in indices.map { weights[$0] } }
        parts = try SoftmaxRegression.parts(own, count: indices.count)
    }

    /// Returns the weight of the rows that the scores predict correctly. Errors: memory.
    func right(_ scores: LinearScores, _ context: ExecutionContext) throws(SupConError) -> Double {
        let (classes, tileRows) = (scores.classes, 64)
        let tiles = try Tiles(
            count: labels.count, tileRows: tileRows, scratchBytes: tileRows * classes * 4,
            for: "scores of \(classes) classes", context: context)
        let hits = try AlignedBuffer(Bool.self, count: labels.count)
        let isHit = hits.values(of: Bool.self)
        tiles.run { _, range, scratch in
            let values = scratch.assumingMemoryBound(to: Float.self)
            scores.write(
                range.count, of: rows.floats + range.lowerBound * dimension, dimension: dimension,
                to: values)
            for (i, row) in range.enumerated() {
                let guess = Guess(scores: values + i * classes, count: classes, truth: nil)
                isHit[row] = guess.index == labels[row]
            }
        }
        return labels.indices.reduce(0.0) { $0 + (isHit[$1] ? Double(parts[$1]) : 0) }
    }
}
