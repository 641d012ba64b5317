import SupConTensor

/// The classes that have training rows, by ascending label; the others are never guessed.
///
/// A class's place among them stands for it inside: the work depends on the classes there are, not
/// on the largest label.
struct PresentClasses: Sendable {
    /// Their labels, ascending: any integers.
    let classes: [Int64]
    /// Each row's place in `classes`.
    let rowPlaces: [Int32]
    private let places: [Int64: Int32]

    /// labels: fewer than 2³¹. Errors: memory.
    init(_ labels: UnsafeBufferPointer<Int64>, context: ExecutionContext) throws(SupConError) {
        classes = try differentLabels(labels, context: context)
        let places = Dictionary(uniqueKeysWithValues: zip(classes, Int32(0)...))
        rowPlaces = labels.map { places[$0] ?? 0 }
        self.places = places
    }

    var count: Int { classes.count }

    /// nil: the class has no training rows.
    func place(of label: Int64) -> Int? { places[label].map { Int($0) } }
}

/// The labels that occur, ascending. Errors: memory.
func differentLabels(_ labels: UnsafeBufferPointer<Int64>, context: ExecutionContext)
    throws(SupConError) -> [Int64]
{
    // A set while it grows, and the lists made of it.
    try context.checkMemory(labels.count * 64, for: "finding the classes of \(labels.count) labels")
    return Set(labels).sorted()
}

/// What was guessed for each row, and how many guesses hold.
struct Guesses {
    var predictions: [Int64]
    /// Rows whose class is the first guess, or among the first five.
    var first = 0
    var firstFive = 0

    /// Gathers `guess(row)`s that a loop over rows in parallel leaves behind: the place of the
    /// first guess, and how many places come before the truth.
    init(
        rows: Int, classes: PresentClasses,
        _ fill: (UnsafeMutablePointer<Guess>) throws(SupConError) -> Void
    ) throws(SupConError) {
        let buffer = try AlignedBuffer(Guess.self, count: rows)
        let guesses = buffer.values(of: Guess.self)
        try fill(guesses)
        predictions = (0..<rows).map { classes.classes[Int(guesses[$0].place)] }
        for row in 0..<rows {
            if guesses[row].before == 0 { first += 1 }
            if guesses[row].before < 5 { firstFive += 1 }
        }
    }
}

struct Guess {
    var place: Int32
    /// Places guessed before the truth's; Int32.max if the truth is not among the classes.
    var before: Int32

    /// The first of the largest scores, and how many come before the truth: higher ones, and equal
    /// ones of lower number.
    init(scores: UnsafePointer<Float>, count: Int, truth: Int?) {
        var best = 0
        for c in 1..<max(count, 1) where scores[c] > scores[best] { best = c }
        place = Int32(best)
        before = .max
        guard let truth else { return }
        let own = scores[truth]
        var ahead = 0
        for c in 0..<truth { ahead &+= scores[c] >= own ? 1 : 0 }
        for c in (truth + 1)..<max(count, truth + 1) { ahead &+= scores[c] > own ? 1 : 0 }
        before = Int32(ahead)
    }

    init(place: Int, before: Int) {
        (self.place, self.before) = (Int32(place), Int32(clamping: before))
    }
}
