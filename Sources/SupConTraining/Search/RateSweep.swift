import Glibc

/// A rate sweep tries learning rates by short runs, and chooses one of them.
///
/// It tries `middle` and the rates a decade to either side of it, goes on to a side for as long as
/// that is better, and last tries half a decade to either side of the best. Of the rates that are
/// not clearly worse than the best, by more than twice the standard error of the difference, it
/// chooses the one nearest to `middle`.
struct RateSweep {
    /// The rates a decade apart, at most; two more follow between them.
    static let mostDecades = 6

    /// The outcome of a short run.
    enum Outcome: Equatable {
        /// The scores by each image that judges, or by the loss alone; more is better, and all are
        /// finite.
        case judged([Double])
        case diverged
        /// The run did not come to its end, and no other shall begin.
        case stopped
    }

    /// The rates that were tried, ascending, with their scores; nil: diverged.
    private(set) var tried: [(rate: Double, scores: [Double]?)] = []

    /// Tries rates by `run` until the best is between two others, or time is over. Errors: those of
    /// `run`.
    mutating func run<Failure: Error>(
        around middle: Double, _ run: (Double) throws(Failure) -> Outcome
    ) throws(Failure) {
        var goesOn = true
        for rate in [middle, middle / 10, middle * 10] where goesOn {
            goesOn = try attempt(rate, run)
        }
        while goesOn, tried.count < Self.mostDecades, let least = tried.first, let most = tried.last
        {
            if best == nil || best?.rate == least.rate {
                goesOn = try attempt(least.rate / 10, run)
            } else if best?.rate == most.rate {
                goesOn = try attempt(most.rate * 10, run)
            } else {
                break
            }
        }
        guard goesOn, let center = best?.rate else { return }
        for rate in [center / 10.0.squareRoot(), center * 10.0.squareRoot()] where goesOn {
            goesOn = try attempt(rate, run)
        }
    }

    /// Tries a rate, unless it has been tried. Returns whether to go on.
    private mutating func attempt<Failure: Error>(
        _ rate: Double, _ run: (Double) throws(Failure) -> Outcome
    ) throws(Failure) -> Bool {
        let rate = Self.rounded(rate)
        guard !tried.contains(where: { $0.rate == rate }) else { return true }
        var scores: [Double]?
        switch try run(rate) {
        case .stopped: return false
        case .diverged: break
        case .judged(let found): scores = found
        }
        tried.insert((rate, scores), at: tried.firstIndex { $0.rate > rate } ?? tried.count)
        return true
    }

    /// The rate with the highest mean score; the lowest of equals; nil: all have diverged.
    private var best: (rate: Double, scores: [Double])? {
        tried.compactMap { one in one.scores.map { (rate: one.rate, scores: $0) } }
            .max { Self.mean($0.scores) < Self.mean($1.scores) }
    }

    /// Returns the rate nearest to `middle` among those that are not clearly worse than the best;
    /// nil if no run came to its end.
    func chosen(around middle: Double) -> Double? {
        guard let best else { return nil }
        return tried.filter { $0.scores.map { !Self.isClearly(best.scores, above: $0) } ?? false }
            .map(\.rate).min { abs(log($0 / middle)) < abs(log($1 / middle)) }
    }

    /// Whether the mean of `scores` is above that of `others`, of the same images, by more than
    /// twice the standard error of the difference.
    private static func isClearly(_ scores: [Double], above others: [Double]) -> Bool {
        // An image that became unreadable between two runs has no partner.
        guard scores.count == others.count else { return mean(scores) > mean(others) }
        let differences = zip(scores, others).map { $0 - $1 }
        let mean = mean(differences)
        let variance = Self.mean(differences.map { ($0 - mean) * ($0 - mean) })
        return mean > 2 * (variance / Double(differences.count)).squareRoot()
    }

    static func mean(_ values: [Double]) -> Double {
        values.reduce(0, +) / Double(max(values.count, 1))
    }

    /// Returns a rate rounded to two significant digits, as the nearest number to its decimal form.
    private static func rounded(_ rate: Double) -> Double {
        let exponent = Int(log10(rate).rounded(.down)) - 1
        let digits = Int((rate / pow(10, Double(exponent))).rounded())
        return Double("\(digits)e\(exponent)") ?? rate
    }
}
