import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// A run plan holds everything that is checked and allocated before the first step.
struct RunPlan {
    let model: Model
    let network: Network
    let options: TrainOptions
    let context: ExecutionContext
    let ranks: Ranks
    /// Whether this rank writes to the log.
    let writesLog: Bool
    let part: BatchPart
    let training: Dataset
    let step: PhasedStep
    let phases: TrainingPhases
    let sampler: BatchSampler
    let rates: LearningRate
    /// The validation; nil: nothing is validated.
    let validation: ValidationAccuracy?
    /// The average of the weights; nil: none is kept.
    let average: WeightAverage?
    /// The folder of checkpoints; nil if none are kept, or not by this rank.
    let folder: CheckpointFolder?
    /// The number of batches in an epoch.
    let stepsPerEpoch: Int

    /// Checks and plans a run, as described at `Trainer.init`. Errors: those of `Trainer.init`.
    init(
        _ model: Model, _ dataset: Dataset, _ options: TrainOptions, ranks: Ranks,
        isQuiet: Bool, context: ExecutionContext
    ) throws(SupConError) {
        try options.withBatch(for: dataset).validate()
        if let world = dataset.joinedWorld, let rank = dataset.joinedRank {
            try require(
                world == ranks.world && rank == ranks.rank, .argument,
                """
                the data set was joined as rank \(rank) of \(world), and the run is of rank \
                \(ranks.rank) of \(ranks.world); expected the same ranks
                """
            )
        }
        let split = try TrainingSplit(
            dataset, options, channels: model.network.configuration.channels, context: context)
        let training = split.training
        let options = try options.withBatch(for: training)
        try options.validate()
        part = try BatchPart(
            options, ranks,
            images: training.owners.map { owners in
                (0..<ranks.world).map { rank in owners.count { $0 == rank } }
            })
        (self.ranks, writesLog) = (ranks, ranks.isFirst && !isQuiet)
        (self.training, self.options, self.context, self.model) = (
            training, options, context, model
        )
        folder = try options.checkpointFolder.flatMap { (path) throws(SupConError) in
            ranks.isFirst ? try CheckpointFolder(path) : nil
        }
        sampler = try BatchSampler(
            training, batchSize: options.batchSize, imagesPerClass: options.imagesPerClass,
            seed: options.seed, shares: part.all, context: context)
        stepsPerEpoch = sampler.batchCount
        let total = stepsPerEpoch.multipliedReportingOverflow(by: options.epochs)
        try require(
            !total.overflow, .argument,
            "epochs is \(options.epochs): \(stepsPerEpoch) steps each are more than can be counted")
        rates = LearningRate(options, stepsPerEpoch: stepsPerEpoch)
        let phases = try TrainingPhases(model, options, samples: training.count)
        self.phases = phases
        let part = part
        (network, step, validation) = try model.exclusive(keepsEncoder: true) {
            () throws(SupConError) in
            if options.trainsClassifier {
                try Self.prepareClassifier(model, dataset, seed: options.seed)
            }
            let step = try PhasedStep(phases: phases.all) { (phase) throws(SupConError) in
                let step = try Self.step(model, options, phase, training, part, context: context)
                try context.checkLimit(
                    step.memoryByteCount, for: "a training step of \(part.own.count) images")
                return step
            }
            // The accuracy of a frozen encoder does not change.
            let validation =
                try options.objective == .linear
                ? nil
                : split.validation.map { (part) throws(SupConError) in
                    try ValidationAccuracy(
                        model, options, training: training, validation: part, ranks: ranks,
                        context: context)
                }
            return (model.network, step, validation)
        }
        average =
            options.emaDecay > 0
            ? try WeightAverage(network.parameters, decay: options.emaDecay) : nil
        // Checked now, before hours have been spent, and again when it runs.
        _ = try findCheckpoint()
    }

    /// Gives the model a classifier with the data set's classes if it has none. Errors: argument,
    /// state (one class).
    private static func prepareClassifier(_ model: Model, _ dataset: Dataset, seed: UInt64)
        throws(SupConError)
    {
        if model.network.configuration.classes == 0 {
            try require(
                dataset.classes > 1, .state,
                """
                the data set has \(dataset.classes) class; expected 2 or more to \
                train a classifier
                """
            )
            try model.setClasses(dataset.classes, names: try dataset.classNameList(), seed: seed)
        }
    }

    /// Makes the step that the options call for. Errors: argument, shape (a class that the
    /// classifier lacks), state, unsupported, memory.
    private static func step(
        _ model: Model, _ options: TrainOptions, _ phase: TrainingPhase, _ training: Dataset,
        _ part: BatchPart,
        context: ExecutionContext
    ) throws(SupConError) -> any TrainingStep {
        let targets = training.targets
        // Both label classes by numbers from 0.
        let weights = training.weightsOfMeanOne
        let labels =
            options.trainsClassifier
            ? try model.classifierOutputs(of: training) : training.classIndices
        if options.objective == .linear {
            return try ClassifierStep(
                model, options, phase, labels: labels ?? [], weights: weights, part: part,
                context: context)
        }
        if options.queueMode != .off {
            return try QueueStep(
                model, options, phase, labels: labels, weights: weights, part: part,
                context: context)
        }
        if options.chunkSize > 0, part.all.contains(where: { $0.count > options.chunkSize }) {
            return try CachedGradientStep(
                model, options, phase, labels: labels, targets: targets, weights: weights,
                part: part, context: context)
        }
        return try EncoderStep(
            model, options, phase, labels: labels, targets: targets, weights: weights,
            part: part, context: context)
    }

    /// The state that a checkpoint keeps beside the parameters.
    var state: [StateBuffer] { step.state + (average?.state ?? []) }

    /// Finds the checkpoint to resume from, if one is wanted and exists. Errors: io, format, state
    /// (of another run).
    func findCheckpoint() throws(SupConError) -> Checkpoint.Found? {
        guard options.resume, let folder, folder.hasLast else { return nil }
        return try Checkpoint.find(folder.last, network.parameters, state, run: runDescription)
    }
}

extension TrainOptions {
    /// Whether a classifier is trained: jointly, behind a stop-gradient, or as the objective.
    var trainsClassifier: Bool { jointClassifier || !objective.isContrastive }
}
