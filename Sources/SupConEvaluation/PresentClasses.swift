import SupConTensor

/// The present classes are those that have training rows, by ascending label; others are never
/// guessed.
///
/// Internally a class is known by its index among them, so that the work depends on the number of
/// classes, not on the largest label.
struct PresentClasses: Sendable {
    /// The labels of the classes, ascending; any integers.
    let classes: [Int64]
    /// The index in `classes` of each row's class.
    let rowClasses: [Int32]
    private let indices: [Int64: Int32]

    /// Collects the classes of fewer than 2³¹ labels. Errors: memory.
    init(_ labels: UnsafeBufferPointer<Int64>, context: ExecutionContext) throws(SupConError) {
        classes = try differentLabels(labels, context: context)
        let indices = Dictionary(uniqueKeysWithValues: zip(classes, Int32(0)...))
        rowClasses = labels.map { indices[$0] ?? 0 }
        self.indices = indices
    }

    var count: Int { classes.count }

    /// Returns the index of a label; nil if the class has no training rows.
    func index(of label: Int64) -> Int? { indices[label].map { Int($0) } }
}

/// Returns the distinct labels, ascending. Errors: memory.
func differentLabels(_ labels: UnsafeBufferPointer<Int64>, context: ExecutionContext)
    throws(SupConError) -> [Int64]
{
    // A set while it grows, and the lists made from it.
    try context.checkMemory(labels.count * 64, for: "finding the classes of \(labels.count) labels")
    return Set(labels).sorted()
}

/// The guesses for a number of rows, and the number of those that are correct.
struct Guesses {
    var predictions: [Int64]
    /// The numbers of rows whose class is the first guess, and is among the first five.
    var first = 0
    var firstFive = 0

    /// Gathers the results of `guess(row)` for rows that are processed in parallel: the index of
    /// the first guess, and the number of classes that rank before the truth.
    init(
        rows: Int, classes: PresentClasses,
        _ fill: (UnsafeMutablePointer<Guess>) throws(SupConError) -> Void
    ) throws(SupConError) {
        let buffer = try AlignedBuffer(Guess.self, count: rows)
        let guesses = buffer.values(of: Guess.self)
        try fill(guesses)
        predictions = (0..<rows).map { classes.classes[Int(guesses[$0].index)] }
        for row in 0..<rows {
            if guesses[row].before == 0 { first += 1 }
            if guesses[row].before < 5 { firstFive += 1 }
        }
    }
}

struct Guess {
    var index: Int32
    /// The number of classes that rank before the truth; Int32.max if the truth is not among the
    /// classes.
    var before: Int32

    /// Makes the guess of a row from its scores: the first of the largest, and the number of
    /// classes that rank before the truth, which have higher scores, or equal scores and a lower
    /// index.
    init(scores: UnsafePointer<Float>, count: Int, truth: Int?) {
        var best = 0
        for c in 1..<max(count, 1) where scores[c] > scores[best] { best = c }
        index = Int32(best)
        before = .max
        guard let truth else { return }
        let own = scores[truth]
        var ahead = 0
        for c in 0..<truth { ahead &+= scores[c] >= own ? 1 : 0 }
        for c in (truth + 1)..<max(count, truth + 1) { ahead &+= scores[c] > own ? 1 : 0 }
        before = Int32(ahead)
    }

    init(index: Int, before: Int) {
        (self.index, self.before) = (Int32(index), Int32(clamping: before))
    }
}
