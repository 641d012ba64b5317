import SupConTensor

/// An l2 choice finds the l2 of a softmax regression where none is given: 5 over the number of
/// rows, or 0.05, 0.5 or 50 over it where cross-validation over five folds shows that to be better.
///
/// l2 = c / n weighs the squares by c against the sum of the losses of n rows, so that a c that was
/// chosen on a part of the rows serves for all. Better is a c whose fits predict more held-out rows
/// than those of c = 5, by more than one standard error of the difference (the root of the number
/// of rows that one of them alone predicts): what few rows tell is mostly chance. Where there are
/// many rows, fewer folds suffice. docs/accuracy.md has the accuracies and the time.
struct L2Choice {
    /// The candidates times the number of rows. A fit with a large l2 is short, and each begins
    /// where the one before ended.
    static let candidates = [50.0, 5, 0.5, 0.05]
    /// The l2 without a choice times the number of rows.
    static let usual = 5.0
    /// The smallest number of rows in the folds.
    static let fewest = 100
    /// The number of rows that judge, if there are as many, which takes less than all folds of many
    /// rows.
    static let enough = 2000
    /// The largest number of iterations for each candidate.
    static let iterations = 50

    private let folds: Folds
    private let used: Int

    /// Prepares a choice for rows with labels from 0 to classes − 1. The last rows are copies of
    /// those that `copies` names, and do not judge. Returns nil if fewer than `fewest` rows judge.
    /// Errors: memory.
    init?(
        labels: [Int32], classes: Int, weights: [Float]?, copies: [Int] = [],
        context: ExecutionContext
    ) throws(SupConError) {
        folds = try Folds(
            labels: labels, classes: classes, weights: weights, copies: copies, context: context)
        let judging = folds.judging
        if judging < Self.fewest { return nil }
        used = min(Folds.count, (Self.enough * Folds.count + judging - 1) / judging)
    }

    /// The largest number of steps of L-BFGS.
    var steps: Int { used * Self.candidates.count * Self.iterations }

    /// Returns the best candidate for rows [labels.count, dimension] that are multiplied by
    /// `factor`. `stop` is called after each iteration. Errors: memory, canceled.
    func best(
        _ rows: UnsafePointer<Float>, labels: [Int32], weights: [Float]?, dimension: Int,
        classes: Int, factor: Double, context: ExecutionContext, watch: CancelWatch,
        stop: (Int) -> Bool
    ) throws(SupConError) -> Double {
        var search = LBFGS()
        (search.iterations, search.rounding) = (Self.iterations, 3e-8)
        (search.gradientTolerance, search.valueTolerance) = (1e-5, 1e-4)
        // By candidate: the weight of the rows gained against the usual one, and its variance.
        var gains = [Double](repeating: 0, count: Self.candidates.count), variances = gains
        for fold in 0..<used {
            let (fitted, held) = folds.divided(by: fold)
            let known = try Part(fitted, rows, labels, weights, dimension, context)
            let judging = try Part(held, rows, labels, weights, dimension, context)
            let objective = try SoftmaxObjective(
                rows: known.rows.floats, labels: known.labels,
                parts: try SoftmaxRegression.parts(known.weights, count: fitted.count),
                dimension: dimension, classes: classes, factor: factor, l2: 0, context: context,
                watch: watch)
            let x = try AlignedBuffer(Double.self, count: objective.variables)
            var hits: [[Bool]] = []
            for candidate in Self.candidates {
                objective.l2 = candidate / Double(fitted.count)
                _ = try objective.minimize(x, by: search, context: context, stop: stop)
                let scores = LinearScores(x, classes: classes, dimension: dimension, factor: factor)
                hits.append(try judging.hits(scores, context))
            }
            let usual = Self.candidates.firstIndex(of: Self.usual) ?? 0
            for candidate in hits.indices {
                for row in held.indices where hits[candidate][row] != hits[usual][row] {
                    let weight = judging.weights.map { Double($0[row]) } ?? 1
                    gains[candidate] += hits[candidate][row] ? weight : -weight
                    variances[candidate] += weight * weight
                }
            }
        }
        let better = gains.indices.filter { gains[$0] > variances[$0].squareRoot() }
        return better.max { gains[$0] < gains[$1] }.map { Self.candidates[$0] } ?? Self.usual
    }
}

/// A copy of some rows, with their labels and weights.
private struct Part {
    let rows: AlignedBuffer  // [labels.count, dimension]
    let labels: [Int32]
    let weights: [Float]?
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
        self.weights = weights.map { weights in indices.map { weights[$0] } }
        self.dimension = dimension
    }

    /// Returns for each row whether the scores predict it correctly. Errors: memory.
    func hits(_ scores: LinearScores, _ context: ExecutionContext) throws(SupConError) -> [Bool] {
        let (classes, tileRows) = (scores.classes, 64)
        let tiles = try Tiles(
            count: labels.count, tileRows: tileRows, scratchBytes: tileRows * classes * 4,
            for: "scores of \(classes) classes", context: context)
        let memory = try AlignedBuffer(Bool.self, count: labels.count)
        let isHit = memory.values(of: Bool.self)
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
        return labels.indices.map { isHit[$0] }
    }
}
