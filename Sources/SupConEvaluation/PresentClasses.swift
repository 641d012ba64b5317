import SupConTensor

/// The classes that have training rows, in order; the others are never guessed.
///
/// A class's place among them stands for it inside: the work depends on the classes there are, not
/// on the largest label.
struct PresentClasses: Sendable {
    /// Class numbers, ascending.
    let classes: [Int64]
    /// Each row's place in `classes`.
    let rowPlaces: [Int32]
    private let places: [Int32]  // by class number; −1: absent

    /// labels: checked, 0 to mostClasses − 1.
    init(_ labels: UnsafeBufferPointer<Int64>) {
        var places = [Int32](repeating: -1, count: Int(labels.max() ?? -1) + 1)
        for label in labels { places[Int(label)] = 0 }
        var classes: [Int64] = []
        for number in places.indices where places[number] == 0 {
            places[number] = Int32(classes.count)
            classes.append(Int64(number))
        }
        (self.classes, self.places) = (classes, places)
        rowPlaces = labels.map { places[Int($0)] }
    }

    var count: Int { classes.count }

    /// nil: the class has no training rows.
    func place(of label: Int64) -> Int? {
        label >= 0 && label < places.count && places[Int(label)] >= 0
            ? Int(places[Int(label)]) : nil
    }
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
