import SupConModel
import SupConTensor
import SupConVision
import Synchronization

/// A trainer runs one training of a model on a data set. Everything is planned when it is made, and
/// it can run once. It is used by one thread at a time; `cancel` may be called from any thread.
public final class Trainer: @unchecked Sendable {
    private let plan: RunPlan
    private let ranks: Ranks
    private var hasRun = false
    /// The current run; nil outside `run`.
    private var active: TrainingRun?
    private let isCanceled = Atomic<Bool>(false)

    /// Checks the options and the memory, and plans the run; nothing is trained yet. If a
    /// classifier is to be trained and the model has none, it gets one with the data set's classes.
    ///
    /// `collectives` connects the processes that train together, each of which makes and runs a
    /// trainer of the same model, data and options; nil: this process trains alone. The batch is
    /// shared among them. Only rank 0 keeps checkpoints, writes to the log and calls the callback.
    /// A failure on one rank ends the run on all of them, with an error that names the rank.
    ///
    /// Errors: argument, shape (channels, classes), state (no labels, too few images, model in use,
    /// a checkpoint of another run), memory, unsupported, io (of the checkpoint folder and its
    /// files; of the collectives) and format.
    public convenience init(
        _ model: Model, _ dataset: Dataset, _ options: TrainOptions = TrainOptions(),
        context: ExecutionContext = .default, collectives: (any Collectives)? = nil
    ) throws(SupConError) {
        try self.init(collectives) { Arguments(model, dataset, options, context) }
    }

    /// The arguments of a trainer.
    package struct Arguments {
        var model: Model
        var dataset: Dataset
        var options: TrainOptions
        var context: ExecutionContext
        /// Whether the run writes nothing to the log: a trial of a search.
        var isQuiet = false

        package init(
            _ model: Model, _ dataset: Dataset, _ options: TrainOptions, _ context: ExecutionContext
        ) {
            (self.model, self.dataset, self.options, self.context) = (
                model, dataset, options, context
            )
        }
    }

    /// Makes a trainer of the arguments that `arguments` returns. If it throws, the trainers of the
    /// other ranks fail with its error. Errors: those of the other initializer, and of `arguments`.
    package init(
        _ collectives: (any Collectives)?, _ arguments: () throws(SupConError) -> Arguments
    ) throws(SupConError) {
        let ranks = try Ranks(collectives)
        self.ranks = ranks
        try ranks.barrier()
        let given: Arguments
        (given, plan) = try ranks.together { () throws(SupConError) in
            let given = try arguments()
            return (
                given,
                try RunPlan(
                    given.model, given.dataset, given.options, ranks: ranks,
                    isQuiet: given.isQuiet, context: given.context)
            )
        }
        try RankAgreement.check(plan)
        if plan.writesLog { StartWarnings.write(given.dataset, given.options) }
    }

    /// The number of batches in an epoch.
    public var stepsPerEpoch: Int { plan.stepsPerEpoch }

    /// The number of images per step, over all ranks: `batchSize` of the options, or its default
    /// for these images.
    public var batchSize: Int { plan.options.batchSize }

    /// The options, with those that depend on the data set resolved.
    var options: TrainOptions { plan.options }

    /// The memory that a training step takes, in bytes: activations, gradients and workspaces.
    public var memoryByteCount: Int { plan.step.memoryByteCount }

    /// Asks the run to stop after the current step. It may be called from any thread or a signal
    /// handler.
    public func cancel() { isCanceled.store(true, ordering: .relaxed) }

    /// Trains the model. `callback` is called with every event on this thread, on rank 0, and
    /// returns false to stop. Errors: canceled, state (collapse, divergence, run before, model in
    /// use), memory, io, format.
    public func run(_ callback: ((TrainEvent) -> Bool)? = nil) throws(SupConError) {
        var hasMet = false
        do throws(SupConError) {
            try require(
                !hasRun, .state,
                "this trainer has run; make another one, with resume to go on from its checkpoint")
            hasRun = true
            // A checkpoint may bring another encoder than the model's.
            let last = plan.phases.phase(epoch: plan.options.epochs)
            let isFrozen = last.frozenStages == 4 && !plan.options.resume
            let keepsEncoder = plan.options.objective == .linear || isFrozen
            try plan.model.exclusive(keepsEncoder: keepsEncoder) { () throws(SupConError) in
                hasMet = true
                try runExclusively(callback)
            }
        } catch {
            let reason = error
            // The sums that have begun refer to the step's memory.
            ranks.waitForSums()
            // The other ranks are waiting for this one at the next exchange.
            throw hasMet ? ranks.shared(reason) : ranks.fail(reason)
        }
    }

    private func runExclusively(_ callback: ((TrainEvent) -> Bool)?) throws(SupConError) {
        try ranks.together { () throws(SupConError) in
            try require(
                plan.model.network === plan.network, .state,
                "the model's classifier was replaced after this trainer was made; make another one")
        }
        let reporter = Reporter(
            ranks.isFirst ? callback : nil, options: plan.options, steps: plan.stepsPerEpoch)
        let watch = plan.context.watch()
        let run = TrainingRun(
            plan, reporter,
            isCanceled: { self.isCanceled.load(ordering: .relaxed) || watch.isCanceled })
        active = run
        defer { active = nil }
        try run.run()
    }

    /// Multiplies the learning rate of all later steps by `factor`, which checkpoints keep. Call it
    /// from the callback of `run`. Errors: argument, state (no current run), io (of the
    /// checkpoint).
    public func scaleRate(by factor: Double) throws(SupConError) {
        try running("the learning rate is scaled").scaleRate(by: factor)
    }

    /// Saves the model in its current state: the average of the weights, if one is kept. Call it
    /// from the callback of `run`. Errors: argument, io, state (no current run).
    public func save(_ path: RawPath) throws(SupConError) {
        try running("a model in training is saved").save(path)
    }

    /// Keeps the current model as the result of the run, however it ends. Call it from the callback
    /// of `run`. Errors: memory, state (no current run).
    package func keep() throws(SupConError) {
        try running("a model in training is kept").keepModel()
    }

    private func running(_ what: String) throws(SupConError) -> TrainingRun {
        guard let active else {
            throw SupConError(
                .state, "the trainer is not running; \(what) from the callback of a run")
        }
        return active
    }
}

extension RunPlan {
    /// The settings that a checkpoint's run and this one must share.
    var runDescription: [(key: String, value: String)] {
        var options = options
        // A run may continue with another number of ranks.
        (options.views, options.chunkSize) = (
            options.effectiveViews,
            options.chunkSize > 0 ? options.chunkSize : options.batchSize
        )
        return RunFingerprint.entries(options) + [
            ("training images", "\(training.count)"),
            (
                "fingerprint of labels and targets",
                String(
                    training.labelFingerprint(withTargets: options.positives != .classes), radix: 16
                )
            ),
            ("int8 of the frozen stages", phases.quantization == nil ? "off" : "on"),
        ]
    }
}
