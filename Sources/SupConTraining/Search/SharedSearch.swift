import SupConTensor

/// A shared search is the part of a search in which rank 0 tries rates and the other ranks wait.
/// Rank 0 leads them from word to word, so that they hear of each trial, do not time out, and all
/// end where one is canceled.
final class SharedSearch {
    /// The seconds between two words to ranks that wait.
    private static let interval = Duration.seconds(1)

    private enum Word: Int {
        case waiting = 0
        case trial, end
    }

    private let ranks: Ranks
    private let watch: CancelWatch
    /// Hears of a trial, and returns whether the search goes on.
    private let heard: (LearningRateTrial) -> Bool
    /// A word and the trial, as numbers.
    private let message: AlignedBuffer
    private static let messageCount = 7
    private let clock = ContinuousClock()
    private var lastWord: ContinuousClock.Instant
    /// The error that a word ended with, of which all ranks know.
    private var failure: SupConError?

    /// Errors: memory.
    init(_ ranks: Ranks, _ watch: CancelWatch, _ heard: @escaping (LearningRateTrial) -> Bool)
        throws(SupConError)
    {
        (self.ranks, self.watch, self.heard) = (ranks, watch, heard)
        message = try AlignedBuffer(Double.self, count: Self.messageCount)
        lastWord = clock.now
    }

    /// Returns at every rank the rate that `search` chooses at rank 0. Errors: those of `search`,
    /// and canceled, at every rank.
    func lead(_ search: () throws(SupConError) -> Double) throws(SupConError) -> Double {
        guard ranks.isFirst else {
            while true {
                let (word, trial) = try say(.waiting)
                if word == .end { return trial.learningRate }
            }
        }
        do throws(SupConError) {
            let rate = try search()
            try say(.end, LearningRateTrial(learningRate: rate))
            return rate
        } catch {
            if failure == nil { try say(.end, error: error) }
            throw error
        }
    }

    /// Tells all ranks of a trial. Errors: canceled, io.
    func tell(_ trial: LearningRateTrial) throws(SupConError) { try say(.trial, trial) }

    /// Keeps the other ranks waiting. Returns false if the search is to end, and `check` then
    /// throws.
    func goesOn() -> Bool {
        guard !ranks.isAlone else { return !watch.isCanceled }
        guard failure == nil else { return false }
        if clock.now - lastWord < Self.interval { return true }
        do throws(SupConError) {
            try say(.waiting)
            return true
        } catch {
            return false
        }
    }

    /// Throws if the search has been canceled, or has failed at a rank.
    func check() throws(SupConError) {
        if let failure { throw failure }
        if ranks.isAlone { try watch.check() }
    }

    /// Exchanges a word, which is rank 0's. Errors: canceled (at one of the ranks), `error`, io.
    @discardableResult
    private func say(
        _ word: Word, _ trial: LearningRateTrial = LearningRateTrial(), error: SupConError? = nil
    ) throws(SupConError) -> (Word, LearningRateTrial) {
        let numbers = message.values(of: Double.self)
        let own = [
            Double(word.rawValue), trial.learningRate, trial.score, trial.accuracy, trial.seconds,
            Double(trial.steps), Double(trial.judges),
        ]
        if ranks.isFirst { numbers.update(from: own, count: own.count) }
        do throws(SupConError) {
            try ranks.broadcast(message.pointer, byteCount: Self.messageCount * 8)
            return try ranks.together { () throws(SupConError) in
                if let error { throw error }
                let word = Word(rawValue: try ranks.whole(numbers[0], in: 0...2)) ?? .end
                let trial = LearningRateTrial(
                    learningRate: numbers[1], score: numbers[2], accuracy: numbers[3],
                    seconds: numbers[4], steps: try ranks.whole(numbers[5], in: 0...Int(Int32.max)),
                    judges: try ranks.whole(numbers[6], in: 0...Int(Int32.max)))
                if word != .end { try watch.check() }
                try require(
                    word != .trial || heard(trial), .canceled,
                    "the search was stopped after the learning rate \(short(trial.learningRate))")
                lastWord = clock.now
                return (word, trial)
            }
        } catch let thrown {
            failure = thrown
            throw thrown
        }
    }
}
