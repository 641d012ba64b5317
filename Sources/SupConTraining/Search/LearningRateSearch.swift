import SupConModel
import SupConTensor
import SupConVision

/// A learning-rate search finds the learning rate of a run by short runs, its trials, on a part of
/// the run's training images.
///
/// Each trial trains a copy of the model on the same images in the same order, for a twentieth of
/// the run's steps, within 20 to about 60. The rates are a decade apart: that of the options and
/// those beside it, further to a side for as long as that is better, and last half a decade to
/// either side of the best, eight in all at most. A trial is judged by a fifth of these images, on
/// which it has not trained: by the nearest neighbors of their embeddings (of their projections, if
/// all four stages are frozen), or by the classifier where the objective trains one. Without
/// labels, or with fewer than 20 images to judge by, the loss of the last epoch decides. Of the
/// rates that are not clearly worse than the best, by more than twice the standard error of the
/// difference, the one nearest to that of the options is chosen. Equal arguments give the same
/// rate, unless time runs out first.
public struct LearningRateSearch: Sendable {
    /// The chosen rate.
    public let learningRate: Double
    /// The trials in the order of their rates.
    public let trials: [LearningRateTrial]

    /// Searches. It blocks until then; `ExecutionContext.cancel` ends it.
    ///
    /// - Parameters:
    ///   - model: the model that the run would begin with. It stays as it is, and may embed
    ///     meanwhile.
    ///   - dataset: the images of the run. Those that it would hold out for validation are not
    ///     looked at, nor, of joined images, those of other ranks.
    ///   - options: those of the run. `learningRate` is the first rate that is tried. The options
    ///     of a whole run's course (the schedule and its warm-up, image sizes, unfreezing,
    ///     validation, checkpoints) do not matter here.
    ///   - search: the limits of the search.
    ///   - context: the threads and the memory of the trials.
    ///   - collectives: the processes that will train together, all of which call this: rank 0
    ///     tries rates, and the others wait for its choice. nil: this process alone.
    ///   - heard: called after each trial on this thread, at every rank; false ends the search.
    ///
    /// Errors: those of `Trainer.init`; canceled; state, if every trial diverged or time ran out
    /// before one came to its end.
    public init(
        _ model: Model, _ dataset: Dataset, _ options: TrainOptions = TrainOptions(),
        _ search: SearchOptions = SearchOptions(), context: ExecutionContext = .default,
        collectives: (any Collectives)? = nil,
        heard: @escaping (LearningRateTrial) -> Bool = { _ in true }
    ) throws(SupConError) {
        try self.init(collectives, heard: heard) {
            (Trainer.Arguments(model, dataset, options, context), search)
        }
    }

    /// Searches with the arguments that `arguments` returns. If it throws, the searches of the
    /// other ranks fail with its error. Errors: those of the other initializer, and of `arguments`.
    package init(
        _ collectives: (any Collectives)?, heard: @escaping (LearningRateTrial) -> Bool,
        _ arguments: () throws(SupConError) -> (Trainer.Arguments, SearchOptions)
    ) throws(SupConError) {
        let (given, search) = try Self.agreed(collectives, arguments)
        var trials: [LearningRateTrial] = []
        let shared = try SharedSearch(
            try Ranks(collectives, sumsInBackground: false), given.context.watch()
        ) { trial in
            trials.append(trial)
            return heard(trial)
        }
        learningRate = try shared.lead { () throws(SupConError) in
            try Self.sweep(given, search, shared)
        }
        self.trials = trials.sorted { $0.learningRate < $1.learningRate }
    }

    /// Plans the run at every rank, by which the ranks compare their options and data, and hear of
    /// one that cannot begin, before they wait for rank 0. Returns the arguments, with the options
    /// that depend on the data set resolved. Errors: those of `Trainer.init`.
    private static func agreed(
        _ collectives: (any Collectives)?,
        _ arguments: () throws(SupConError) -> (Trainer.Arguments, SearchOptions)
    ) throws(SupConError) -> (Trainer.Arguments, SearchOptions) {
        var found: (given: Trainer.Arguments, search: SearchOptions)?
        let trainer = try Trainer(collectives) { () throws(SupConError) in
            let (given, search) = try arguments()
            try search.validateRanges()
            found = (given, search)
            var run = given
            run.model = try given.model.copy(context: given.context)
            // The rate is not known yet, and min_lr must not be above it.
            if given.options.learningRate > 0 {
                run.options.learningRate = max(given.options.learningRate, given.options.minLr)
            }
            (run.options.checkpointFolder, run.options.resume) = (nil, false)
            run.isQuiet = true
            return run
        }
        guard var found else { throw SupConError(.internal, "a search has no arguments") }
        let middle = found.given.options.learningRate
        found.given.options = trainer.options
        found.given.options.learningRate = middle
        return found
    }

    /// Tries rates at this rank, and returns the chosen one. Errors: those of a trial, canceled;
    /// state, if none came to its end.
    private static func sweep(
        _ given: Trainer.Arguments, _ search: SearchOptions, _ shared: SharedSearch
    ) throws(SupConError) -> Double {
        let clock = ContinuousClock()
        let begun = clock.now
        func seconds(since start: ContinuousClock.Instant) -> Double {
            (clock.now - start) / .seconds(1)
        }
        let middle = given.options.learningRate
        let trials = try TrialRuns(
            given.model, given.dataset, given.options, context: given.context)
        var sweep = RateSweep()
        try sweep.run(around: middle) { (rate) throws(SupConError) in
            let start = clock.now
            let (outcome, accuracy) = try trials.run(rate) {
                shared.goesOn() && seconds(since: begun) < search.seconds
            }
            try shared.check()
            guard outcome != .stopped else { return outcome }
            var trial = LearningRateTrial(learningRate: rate, accuracy: accuracy)
            if case .judged(let scores) = outcome { trial.score = RateSweep.mean(scores) }
            (trial.seconds, trial.steps, trial.judges) = (
                seconds(since: start), trials.steps, trials.judgeCount
            )
            try shared.tell(trial)
            return outcome
        }
        guard let rate = sweep.chosen(around: middle) else {
            throw SupConError(
                .state,
                """
                no learning rate was found: none of \(sweep.tried.count) trials of \(trials.steps) \
                steps came to its end within \(short(search.seconds)) seconds without diverging; \
                expected a learning_rate, or more seconds
                """
            )
        }
        return rate
    }
}
