import Glibc
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision
import Synchronization

/// A run: planned when it is made, run once. One thread; `cancel` from any.
public final class Trainer: @unchecked Sendable {
    private let model: Model
    private let network: Network
    private let options: TrainOptions
    private let context: ExecutionContext
    private let training: Dataset
    private let step: any TrainingStep
    private let sampler: BatchSampler
    private let rates: LearningRate
    private let validationAccuracy: ValidationAccuracy?
    private let average: WeightAverage?
    private let folder: CheckpointFolder?
    private var hasRun = false
    private let isCanceled = Atomic<Bool>(false)

    /// Batches per epoch.
    public let stepsPerEpoch: Int

    /// Checks the options and the memory and plans; trains nothing. Where a classifier is trained
    /// and the model has none, it gets one with the data set's classes. Errors: argument, shape
    /// (channels, classes), state (no labels, too few images, model in use, a checkpoint of another
    /// run), memory, unsupported, io and format (of the checkpoint folder and what is there to
    /// resume).
    public init(
        _ model: Model, _ dataset: Dataset, _ options: TrainOptions, context: ExecutionContext
    ) throws(SupConError) {
        try options.validate()
        let configuration = model.network.configuration
        try require(
            dataset.channels == configuration.channels, .shape,
            """
            the data set's images have \(dataset.channels) channels; expected \
            \(configuration.channels), as the model takes
            """
        )
        let trainsClassifier = options.jointClassifier || !options.objective.isContrastive
        try options.positives.check(dataset.targets)
        if trainsClassifier || (options.objective == .supcon && options.positives == .classes)
            || options.imagesPerClass > 0
        {
            try require(
                dataset.labels != nil, .state,
                """
                the data set has no labels, which \
                \(options.objective)\(options.jointClassifier ? " with joint_classifier" : "")\(options.imagesPerClass > 0 ? " with images_per_class" : "") \
                needs
                """
            )
        }
        var (training, validation): (Dataset, Dataset?) = (dataset, nil)
        if options.validationFraction > 0, dataset.labels != nil || options.positives != .classes {
            let parts = try dataset.split(fraction: options.validationFraction, seed: options.seed)
            training = parts.first
            validation = parts.second.count > 0 ? parts.second : nil
        }
        try require(
            validation != nil || (options.patience == 0 && !options.restoresBest), .state,
            """
            patience and restore_best need a validation split, but the data set has \
            \(dataset.labels == nil && options.positives == .classes ? "no labels" : "too few images") \
            for one
            """
        )
        try require(
            training.count >= options.batchSize, .state,
            """
            there are \(training.count) images to train \
            on\(validation.map { " (\($0.count) more are held out)" } ?? ""), fewer than one \
            batch of \(options.batchSize)
            """
        )
        (self.training, self.options, self.context, self.model) = (
            training, options, context, model
        )
        folder = try options.checkpointFolder.map { (path) throws(SupConError) in
            try CheckpointFolder(path)
        }
        stepsPerEpoch = training.count / options.batchSize
        sampler = try BatchSampler(
            training, batchSize: options.batchSize, imagesPerClass: options.imagesPerClass,
            seed: options.seed)
        let total = stepsPerEpoch.multipliedReportingOverflow(by: options.epochs)
        try require(
            !total.overflow, .argument,
            "epochs is \(options.epochs): \(stepsPerEpoch) steps each are more than can be counted")
        rates = LearningRate(options, stepsPerEpoch: stepsPerEpoch)
        (network, step, validationAccuracy) = try model.exclusive(keepsEncoder: true) {
            () throws(SupConError) in
            if trainsClassifier {
                if configuration.classes == 0 {
                    try require(
                        dataset.classes > 1, .state,
                        """
                        the data set has \(dataset.classes) class; expected 2 or more to \
                        train a classifier
                        """
                    )
                    try model.setClasses(
                        dataset.classes, names: try dataset.classNameList(), seed: options.seed)
                }
                try require(
                    dataset.classes <= model.network.configuration.classes, .shape,
                    """
                    the data set has \(dataset.classes) classes; the model's classifier has \
                    \(model.network.configuration.classes): give it a new one \
                    (resetClassifier, supcon_model_reset_classifier)
                    """
                )
            }
            let step = try Self.step(model, options, training, context: context)
            try context.checkLimit(
                step.memoryByteCount, for: "a training step of \(options.batchSize) images")
            // The frozen encoder's accuracy does not change.
            let validationAccuracy =
                try options.objective == .linear
                ? nil
                : validation.map { (part) throws(SupConError) in
                    try ValidationAccuracy(
                        model, options, training: training, validation: part, context: context)
                }
            return (model.network, step, validationAccuracy)
        }
        average =
            options.emaDecay > 0
            ? try WeightAverage(network.parameters, decay: options.emaDecay) : nil
        // Before hours have been spent, and again when it runs.
        _ = try findCheckpoint()
        Self.describe(dataset, options)
    }

    /// The step that the options ask for. Errors: argument, state, unsupported, memory.
    private static func step(
        _ model: Model, _ options: TrainOptions, _ training: Dataset, context: ExecutionContext
    ) throws(SupConError) -> any TrainingStep {
        let (labels, targets) = (training.labels, training.targets)
        if options.objective == .linear {
            return try ClassifierStep(model, options, labels: labels ?? [], context: context)
        }
        if options.queueMode != .off {
            return try QueueStep(model, options, labels: labels, context: context)
        }
        if options.chunkSize > 0 && options.chunkSize < options.batchSize {
            return try CachedGradientStep(
                model, options, labels: labels, targets: targets, context: context)
        }
        return try EncoderStep(model, options, labels: labels, targets: targets, context: context)
    }

    /// What a user may want to know before an hour has passed.
    private static func describe(_ dataset: Dataset, _ options: TrainOptions) {
        if options.positives.ofSets != nil, let targets = dataset.targets {
            let bare = (0..<targets.count).count { targets[$0].allSatisfy { $0 == 0 } }
            if bare > 0 {
                Log.write(
                    .warning,
                    """
                    \(bare) of \(targets.count) images have no label: their only positives \
                    are their own views
                    """
                )
            }
        }
        guard let labels = dataset.labels, options.objective == .supcon,
            options.positives == .classes
        else { return }
        var counts: [Int: Int] = [:]
        for label in labels { counts[label, default: 0] += 1 }
        if counts.count == 1 {
            Log.write(
                .warning,
                """
                all images are of one class: every view is a positive of every other, and the \
                loss can only pull them together
                """
            )
        }
        let single = counts.values.count { $0 == 1 }
        if single > 0 {
            Log.write(
                .warning,
                """
                \(single) of \(counts.count) classes have one image: its only positives are \
                its own views
                """
            )
        }
    }

    /// Bytes that one training step takes: activations, gradients and workspaces.
    public var memoryByteCount: Int { step.memoryByteCount }

    /// Asks the run to stop after the step at hand; from any thread or a signal handler.
    public func cancel() { isCanceled.store(true, ordering: .relaxed) }

    /// Trains. `callback` gets every event on this thread and returns false to stop; what it throws
    /// comes out. Errors: canceled, state (collapse, divergence, run before, model in use),
    /// memory, io, format.
    public func run(_ callback: ((TrainEvent) -> Bool)?) throws(SupConError) {
        try require(
            !hasRun, .state,
            "this trainer has run; make another one, with resume to go on from its checkpoint")
        hasRun = true
        try model.exclusive(keepsEncoder: options.objective == .linear) { () throws(SupConError) in
            try require(
                model.network === network, .state,
                "the model's classifier was replaced after this trainer was made; make another one")
            try runEpochs(Reporter(callback, options: options, steps: stepsPerEpoch))
        }
    }

    private func runEpochs(_ reporter: Reporter) throws(SupConError) {
        var progress = Checkpoint(run: runDescription)
        var best: Model.Snapshot?
        average?.begin()
        // However a run ends, the model is the average, unless it was put back to an earlier state.
        var isSettled = false
        defer { if !isSettled { average?.takeOver() } }
        var resumed = false
        if let found = try findCheckpoint(), let folder {
            resumed = true
            progress = try found.read(into: network.parameters, state)
            if options.restoresBest, progress.bestAccuracy >= 0 {
                best = try folder.readBest(model)
            }
            Log.write(.info, "goes on after epoch \(progress.epoch) of \(folder.last)")
        }
        step.begin(resumed: resumed)
        var health = Health(
            chance: step.chance, isContrastive: options.objective.isContrastive,
            chanceIsCollapse: options.positives == .classes)
        // The last state without NaN, to come back to.
        var sound = try model.snapshot()
        let loader = try Loader(
            training, options.augmentation, second: options.augmentationSecond,
            views: options.effectiveViews,
            height: model.imageHeight, width: model.imageWidth, mean: model.mean, std: model.std,
            seed: options.seed,
            threads: options.loaderThreads > 0 ? options.loaderThreads : context.threads,
            batchSize: step.chunks.size)
        reporter.begin(epochsDone: progress.epoch)
        while progress.epoch < options.epochs {
            let epoch = progress.epoch + 1
            try loader.begin(
                epoch: epoch, batches: sampler.batches(epoch: epoch), chunks: step.chunks)
            var sum = EpochSum()
            for number in 0..<stepsPerEpoch {
                let index = (epoch - 1) * stepsPerEpoch + number
                let rate = rates.rate(index)
                let outcome = try step.run(step: index, rate: rate) { () throws(SupConError) in
                    try loader.next()
                }
                sum.add(outcome)
                let place = "in epoch \(epoch), step \(number + 1)"
                if let finding = health.step(
                    loss: outcome.loss, spread: step.spread, rate: rate, place: place)
                {
                    if finding.weight == .fatal {
                        try model.restore(sound)
                        isSettled = true
                        throw SupConError(
                            .state,
                            finding.message
                                + " The model was put back to the end of epoch \(epoch - 1).")
                    }
                    try act(on: finding, epoch, number + 1, reporter)
                }
                average?.step(index + 1, threads: context.threads)
                guard
                    reporter.step(
                        epoch: epoch, step: number + 1, outcome, rate: rate,
                        images: options.batchSize), !isCanceled.load(ordering: .relaxed)
                else {
                    throw SupConError(
                        .canceled, "the run was stopped \(place); the model keeps what it learned")
                }
            }
            if let finding = health.epoch(
                loss: sum.meanLoss, isLast: epoch == options.epochs,
                place: "by the end of epoch \(epoch)")
            {
                try act(on: finding, epoch, stepsPerEpoch, reporter)
            }
            var accuracy = Double.nan
            if let validationAccuracy,
                epoch % options.validationEvery == 0 || epoch == options.epochs
            {
                try withAverage { () throws(SupConError) in
                    accuracy = try validationAccuracy.measure()
                    progress.validationsWithoutGain += 1
                    if accuracy > progress.bestAccuracy {
                        (progress.bestAccuracy, progress.validationsWithoutGain) = (accuracy, 0)
                        if options.restoresBest { best = try model.snapshot() }
                        if let folder { try model.saveWhileExclusive(folder.best) }
                    }
                }
            }
            progress.epoch = epoch
            if let folder { try progress.write(folder.last, network.parameters, state) }
            sound = try withAverage { () throws(SupConError) in try model.snapshot() }
            let goesOn = try reporter.epoch(
                epoch, sum, embeddings: step.embeddings,
                rate: rates.rate(epoch * stepsPerEpoch - 1), knnAccuracy: accuracy,
                context: context)
            guard goesOn, !isCanceled.load(ordering: .relaxed) else {
                throw SupConError(
                    .canceled,
                    "the run was stopped after epoch \(epoch); the model keeps what it learned")
            }
            if options.patience > 0, progress.validationsWithoutGain >= options.patience {
                Log.write(
                    .info,
                    """
                    stops after epoch \(epoch): kNN@1 has not risen above \
                    \(short(progress.bestAccuracy)) in \(options.patience) validations
                    """
                )
                break
            }
        }
        if let best {
            try model.restore(best)
            isSettled = true
        }
    }

    /// What a checkpoint keeps beside the parameters.
    private var state: [StateBuffer] { step.optimizer.state + step.state + (average?.state ?? []) }

    /// Runs `body` with the weights' average in the parameters' place, if there is one. Errors:
    /// `body`'s.
    private func withAverage<R>(_ body: () throws(SupConError) -> R) throws(SupConError) -> R {
        guard let average else { return try body() }
        return try average.whileStandingIn(body)
    }

    private func act(on finding: Health.Finding, _ epoch: Int, _ step: Int, _ reporter: Reporter)
        throws(SupConError)
    {
        try require(!options.stopsOnCollapse || finding.weight == .note, .state, finding.message)
        Log.write(.warning, finding.message)
        reporter.warn(finding.message, epoch: epoch, step: step)
    }

    /// The checkpoint to go on from, if that is wanted and there is one. Errors: io, format, state
    /// (of another run).
    private func findCheckpoint() throws(SupConError) -> Checkpoint.Found? {
        guard options.resume, let folder, folder.hasLast else { return nil }
        return try Checkpoint.find(folder.last, network.parameters, state, run: runDescription)
    }

    /// What a checkpoint's run and this one must share. Rates, epochs and what watches the run may
    /// differ.
    private var runDescription: [(key: String, value: String)] {
        [
            ("objective", "\(options.objective)"), ("batch_size", "\(options.batchSize)"),
            ("views", "\(options.effectiveViews)"),
            ("images_per_class", "\(options.imagesPerClass)"), ("seed", "\(options.seed)"),
            ("training images", "\(training.count)"),
            ("joint_classifier", "\(options.jointClassifier)"),
            ("chunk_size", "\(step.chunks.size)"), ("optimizer", "\(options.optimizer)"),
            (
                "positives",
                options.positives == .kernel
                    ? "kernel \(options.labelBandwidth)" : "\(options.positives)"
            ), ("averages weights", "\(options.emaDecay > 0)"),
            (
                "queue",
                options.queueMode == .off ? "off" : "\(options.queueMode) \(options.queueSize)"
            ),
            (
                "fingerprint of labels and targets",
                String(
                    training.labelFingerprint(withTargets: options.positives != .classes), radix: 16
                )
            ),
        ]
    }
}

/// Sums over an epoch.
struct EpochSum {
    private(set) var anchorsWithoutPositive = 0
    private var loss = 0.0
    private var steps = 0
    private var classified = 0
    private var correct = 0

    mutating func add(_ outcome: StepOutcome) {
        loss += outcome.loss
        steps += 1
        anchorsWithoutPositive += outcome.anchorsWithoutPositive
        classified += outcome.classified
        correct += outcome.correct
    }

    var meanLoss: Double { loss / Double(max(steps, 1)) }
    var accuracy: Double { classified > 0 ? Double(correct) / Double(classified) : .nan }
}
