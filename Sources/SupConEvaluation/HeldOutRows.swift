import SupConTensor

/// Held-out rows judge fits on other rows of the same data: a fifth of each class, drawn at random.
///
/// Of more than `most` rows a random part of each class serves, in proportion to its size. Rows of
/// weight 0 take no part. Each class that takes part keeps at least one row to fit on. The draw has
/// a fixed seed, so equal labels and weights give equal parts.
struct HeldOutRows {
    /// The largest number of rows that take part.
    static let most = 10_000

    /// The indices of the rows to fit on and of those to judge by, ascending.
    private(set) var fitted: [Int] = []
    private(set) var heldOut: [Int] = []

    /// Draws rows whose labels are 0 to classes − 1. Errors: memory.
    init(labels: [Int32], classes: Int, weights: [Float]?, context: ExecutionContext)
        throws(SupConError)
    {
        try context.checkMemory(
            labels.count * 16 + classes * 32, for: "holding out some of \(labels.count) rows")
        var members = [[Int]](repeating: [], count: classes)
        for (row, label) in labels.enumerated() where weights.map({ $0[row] > 0 }) ?? true {
            members[Int(label)].append(row)
        }
        let count = members.reduce(0) { $0 + $1.count }
        let part = min(count, Self.most)
        // Numbers are rounded on the way from class to class, so that they add up to the whole.
        var passed = 0
        func taken(_ passed: Int) -> Int { count == 0 ? 0 : passed * part / count }
        func held(_ passed: Int) -> Int { (taken(passed) + 2) / 5 }
        for (label, rows) in members.enumerated() where !rows.isEmpty {
            let end = passed + rows.count
            let own = taken(end) - taken(passed)
            let judging = min(held(end) - held(passed), max(own - 1, 0))
            passed = end
            var random = Philox(seed: 0, purpose: .split, sample: label)
            let order = random.permutation(rows.count)
            heldOut += order[..<judging].map { rows[$0] }
            fitted += order[judging..<own].map { rows[$0] }
        }
        fitted.sort()
        heldOut.sort()
    }
}
