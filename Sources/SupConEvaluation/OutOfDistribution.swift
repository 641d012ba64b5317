import CKernels
import SupConTensor

/// Scores how strange each query is: the distance |q − x| to its k-th nearest training row, after
/// normalization, 0 to 2 (Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors",
/// arXiv:2204.06507, §3: the larger, the more likely out of distribution).
///
/// - Parameters:
///   - train: the training rows [trainCount, dimension].
///   - queries: [queryCount, dimension]; nil: each training row is compared with the others.
///   - k: the rank of the neighbor; 0: 50, or the farthest if there are fewer rows.
///   - scores: [queryCount] to fill ([trainCount] for nil).
/// Errors: argument (elements that are not finite, k), shape, memory.
package func outOfDistributionScores(
    train: UnsafePointer<Float>, trainCount: Int, queries: UnsafePointer<Float>?,
    queryCount: Int = 0, dimension: Int, k: Int = OutOfDistributionOptions().k,
    into scores: UnsafeMutablePointer<Float>, context: ExecutionContext = .default
) throws(SupConError) {
    let rows = try CheckedRows(
        train, count: trainCount, dimension: dimension, name: "training row", context: context)
    let asking =
        try queries.map { (queries) throws(SupConError) in
            try CheckedRows(
                queries, count: queryCount, dimension: dimension, name: "query row",
                context: context)
        } ?? rows
    let leavesOneOut = queries == nil, most = leavesOneOut ? trainCount - 1 : trainCount
    let k = k == 0 ? min(50, max(most, 1)) : k
    try checkNeighbors(k, of: trainCount, leavesOneOut: leavesOneOut, name: "training row")
    let gallery = try Gallery(rows, context: context)
    nonisolated(unsafe) let scores = scores
    try gallery.search(
        asking, most: k, leavesOneOut: leavesOneOut,
        for: "finding the \(k) nearest of \(trainCount) rows", context: context, wanted: { _ in k }
    ) {
        query, nearest, _ in
        guard let last = nearest.last else { return }
        // Computed from the difference, since 2 − 2 cos would lose small distances to rounding.
        let (q, x, scale) = (
            asking.rows + query * dimension, gallery.row(Int(last.index)),
            asking.inverseLength(query)
        )
        var square = 0.0
        for i in 0..<dimension {
            let difference = Double(q[i]) * scale - Double(x[i])
            square += difference * difference
        }
        scores[query] = Float(square.squareRoot())
    }
}

/// A detection result states how well scores separate two data sets.
public struct Detection: Sendable {
    /// The probability that a row from outside scores higher than one from inside, where equal
    /// scores count half. 1: all do; 0.5: chance.
    public let auroc: Double
    /// The false positive rate: the fraction of the rows from outside that are accepted when 95 %
    /// of those inside are.
    public let fpr95: Double
    /// The threshold up to which rows are then accepted.
    public let threshold: Double
}

/// Computes AUROC and FPR95 of scores that are larger outside. Errors: argument (NaN), shape (no
/// scores), memory.
package func detection(inside: UnsafeBufferPointer<Float>, outside: UnsafeBufferPointer<Float>)
    throws(SupConError) -> Detection
{
    for (scores, name) in [(inside, "inside"), (outside, "outside")] {
        try require(
            (1..<1 << 31).contains(scores.count), .shape,
            "there are \(scores.count) scores \(name); expected 1 to 2³¹ − 1")
        if let bad = scores.firstIndex(where: { $0.isNaN }) {
            throw SupConError(.argument, "score \(bad) \(name) is NaN; expected a number")
        }
    }
    try ExecutionContext.default.checkMemory(
        (inside.count + outside.count) * 8,
        for: "sorting \(inside.count + outside.count) scores")
    let (own, others) = (inside.sorted(), outside.sorted())
    // With both sorted: counts, for each score from outside, the lower and the equal ones inside.
    var (lower, upTo, wins) = (0, 0, 0.0)
    for score in others {
        while lower < own.count && own[lower] < score { lower += 1 }
        upTo = max(upTo, lower)
        while upTo < own.count && own[upTo] <= score { upTo += 1 }
        wins += Double(lower) + Double(upTo - lower) / 2
    }
    let threshold = own[(own.count * 95 + 99) / 100 - 1]
    return Detection(
        auroc: wins / Double(own.count) / Double(others.count),
        fpr95: Double(others.count { $0 <= threshold }) / Double(others.count),
        threshold: Double(threshold))
}
