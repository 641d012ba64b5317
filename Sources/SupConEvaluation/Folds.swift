import SupConTensor

/// Folds divide labeled rows into five equal parts at random, class by class, each of which judges
/// fits on the four others.
///
/// Of more than `most` rows a random part of each class serves, in proportion to its size. Rows of
/// weight 0 take no part, and a class's only row is in no fold: there is always a row of its class
/// to fit on. A copy is fitted on wherever its row is, and never judges; neither limit counts
/// it. The draw has a fixed seed, so equal labels and weights give equal folds.
struct Folds {
    static let count = 5
    /// The largest number of rows that take part.
    static let most = 10_000

    /// The indices of the rows that take part, ascending.
    let rows: [Int]
    /// The fold of each of them; nil: none, which is always fitted on.
    let folds: [Int?]
    /// The index of each row's copy; nil if it has none.
    private let copies: [Int?]
    /// The number of rows that are in a fold.
    var judging: Int { folds.count { $0 != nil } }

    /// Draws folds of rows whose labels are 0 to classes − 1; the last are copies of the rows that
    /// `copies` names. Errors: memory.
    init(
        labels: [Int32], classes: Int, weights: [Float]?, copies: [Int] = [],
        context: ExecutionContext
    ) throws(SupConError) {
        try context.checkMemory(
            labels.count * 24 + classes * 32, for: "dividing \(labels.count) rows into folds")
        var members = [[Int]](repeating: [], count: classes)
        let labels = labels.dropLast(copies.count)
        var copy = [Int?](repeating: nil, count: labels.count)
        for (index, row) in copies.enumerated() { copy[row] = labels.count + index }
        self.copies = copy
        for (row, label) in labels.enumerated() where weights.map({ $0[row] > 0 }) ?? true {
            members[Int(label)].append(row)
        }
        let all = members.reduce(0) { $0 + $1.count }
        let part = min(all, Self.most)
        var drawn: [(row: Int, fold: Int?)] = []
        // Numbers are rounded on the way from class to class, so that they add up to the whole.
        var passed = 0, next = 0
        for (label, rows) in members.enumerated() where !rows.isEmpty {
            let end = passed + rows.count
            let taken = end * part / all - passed * part / all
            passed = end
            var random = Philox(seed: 0, purpose: .split, sample: label)
            for index in random.permutation(rows.count).prefix(taken) {
                drawn.append((rows[index], taken > 1 ? next % Self.count : nil))
                next += taken > 1 ? 1 : 0
            }
        }
        drawn.sort { $0.row < $1.row }
        (rows, folds) = (drawn.map(\.row), drawn.map(\.fold))
    }

    /// Returns the rows to fit on, and those that judge, if `fold` judges.
    func divided(by fold: Int) -> (fitted: [Int], judging: [Int]) {
        (
            rows.indices.filter { folds[$0] != fold }.flatMap {
                [rows[$0], copies[rows[$0]]].compactMap(\.self)
            },
            rows.indices.filter { folds[$0] == fold }.map { rows[$0] }
        )
    }
}
