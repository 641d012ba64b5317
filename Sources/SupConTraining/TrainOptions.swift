import SupConLoss
import SupConTensor
import SupConVision

/// What a run minimizes.
public enum Objective: Int32, Sendable, CaseIterable {
    /// Stage 1: the contrastive loss with labels.
    case supcon = 0
    /// The same without labels.
    case simclr
    /// The baseline: encoder and classifier together.
    case crossEntropy
    /// Stage 2: the classifier alone, on the frozen encoder.
    case linear
    /// Another baseline: encoder and classifier together, by the large-margin softmax.
    case maxMargin

    public var isContrastive: Bool { self == .supcon || self == .simclr }
}

/// How to train; the defaults are those of the C header, which documents each field.
public struct TrainOptions: Sendable {
    public var objective = Objective.supcon
    public var jointClassifier = false
    public var epochs = 100
    public var batchSize = 256
    public var views = 2
    public var imagesPerClass = 0
    public var nesterov = false
    public var learningRate = 0.1
    public var referenceBatch = 256
    public var schedule = LearningRate.Schedule.cosine
    public var momentum = 0.9
    public var weightDecay = 1e-4
    public var decaysNormAndBias = true
    /// -1: `warmupEpochs`.
    public var warmupSteps = -1
    /// -1: 10 epochs, but at most a tenth of the run.
    public var warmupEpochs = -1.0
    public var warmupStart = 0.01
    /// The schedule begins when warm-up has ended, instead of with the run.
    public var schedulesAfterWarmup = false
    public var finalRate = 0.0
    public var milestones: [Int] = []
    public var gamma = 0.1
    public var loss = ContrastiveOptions()
    public var augmentation = AugmentationOptions.defaults(.simclr)
    /// Of the views after an image's first; nil: as the first.
    public var augmentationSecond: AugmentationOptions?
    public var seed: UInt64 = 0
    public var validationFraction = 0.05
    public var validationEvery = 1
    /// 0: never stop early.
    public var patience = 0
    public var checkpointFolder: RawPath?
    public var resume = false
    /// 0: as many as compute.
    public var loaderThreads = 0
    public var stopsOnCollapse = true
    public var restoresBest = false
    public var optimizer = OptimizerKind.sgd
    /// LARS.
    public var trustCoefficient = 0.001
    /// RMSProp.
    public var rmspropDecay = 0.9
    /// AdamW.
    public var beta1 = 0.9
    public var beta2 = 0.999
    /// AdamW and RMSProp; -1: the optimizer's usual one.
    public var epsilon = -1.0
    public var exponentialFactor = 0.97
    public var exponentialEpochs = 0.5
    /// 0: no average.
    public var emaDecay = 0.0
    /// Images that are in the network at a time; 0: the whole batch.
    public var chunkSize = 0
    /// ε of the classifier's cross-entropy.
    public var labelSmoothing = 0.0
    /// 0: images are not mixed.
    public var mixupAlpha = 0.0
    public var cutmixAlpha = 0.0
    /// m of the large-margin softmax.
    public var margin = 2
    /// What makes images positives of each other.
    public var positives = PositiveRule.classes
    /// σ of the kernel on targets.
    public var labelBandwidth = 0.0
    /// The memory variant: a momentum encoder's keys, and a queue of earlier ones.
    public var queueMode = QueueMode.off
    public var queueSize = 8192
    public var keyMomentum = 0.999
    /// The stem and the encoder's stages up to this one are not trained and run in inference form,
    /// in int8 if the model embeds in int8; 0: none, 4: all.
    public var freezeStages = 0
    /// The epochs after which one more of the frozen stages is trained, the last one first.
    public var unfreezeEpochs: [Int] = []
    /// The encoder's batch norms use their running statistics and leave them as they are.
    public var freezesNorm = false
    /// The rate of a stage over that of the one behind it; head and classifier have the full rate.
    public var layerDecay = 1.0

    public init() {}

    /// Views per image that this objective takes.
    var effectiveViews: Int { objective.isContrastive ? views : 1 }

    /// Errors: argument.
    public func validate() throws(SupConError) {
        func within(
            _ value: Double, _ range: ClosedRange<Double>, _ name: String, _ expected: String
        ) throws(SupConError) {
            try require(
                range.contains(value), .argument, "\(name) is \(value); expected \(expected)")
        }
        func within(_ value: Int, _ range: ClosedRange<Int>, _ name: String, _ note: String = "")
            throws(SupConError)
        {
            try require(
                range.contains(value), .argument,
                "\(name) is \(value); expected \(range.lowerBound) to \(range.upperBound)\(note)")
        }
        try within(epochs, 1...1_000_000, "epochs")
        try within(batchSize, 2...1_000_000, "batch_size")
        try within(views, 1...64, "views")
        try within(imagesPerClass, 0...batchSize, "images_per_class", ", or 0 for a plain shuffle")
        try within(learningRate, 1e-12...1e6, "learning_rate", "a number above 0, at most 1e6")
        try within(
            referenceBatch, 0...1_000_000, "reference_batch", ", 0 for learning_rate as it is")
        try within(momentum, 0...0.9999, "momentum", "0 to below 1")
        try within(weightDecay, 0...10, "weight_decay", "0 to 10")
        try within(warmupSteps, -1...1_000_000_000, "warmup_steps", ", -1 for warmup_epochs")
        try require(
            warmupEpochs == -1 || (warmupEpochs >= 0 && warmupEpochs <= 1e6), .argument,
            "warmup_epochs is \(warmupEpochs); expected 0 to 1e6, or -1 for the default")
        try within(warmupStart, 0...1, "warmup_start", "0 to 1")
        try within(finalRate, 0...1, "final_rate", "0 to 1")
        try within(gamma, 1e-6...1, "gamma", "above 0, at most 1")
        for (a, b) in zip([0] + milestones, milestones) {
            try require(
                b > a, .argument,
                """
                milestone \(b) stands after \(a); expected epochs above 0, each larger than \
                the one before
                """
            )
        }
        try require(
            schedule != .step || !milestones.isEmpty, .argument,
            """
            schedule is step but there are no milestones; expected the epochs after which the \
            rate falls
            """
        )
        try require(
            validationFraction >= 0 && validationFraction <= 0.9, .argument,
            "validation_fraction is \(validationFraction); expected 0 to 0.9")
        try within(validationEvery, 1...1_000_000, "validation_every")
        try within(patience, 0...1_000_000, "patience", ", 0 for never")
        try require(
            patience == 0 || validationFraction > 0, .argument,
            "patience is \(patience) but validation_fraction is 0: there is nothing to judge by")
        try require(
            !restoresBest || validationFraction > 0, .argument,
            "restore_best is set but validation_fraction is 0: there is nothing to judge by")
        try require(
            !resume || checkpointFolder != nil, .argument,
            "resume is set without a checkpoint_folder to go on from")
        try within(
            trustCoefficient, 1e-12...1e3, "trust_coefficient", "a number above 0, at most 1000")
        try within(rmspropDecay, 0...0.999999, "rmsprop_decay", "0 to below 1")
        try within(beta1, 0...0.999999, "beta1", "0 to below 1")
        try within(beta2, 0...0.999999, "beta2", "0 to below 1")
        try require(
            epsilon == -1 || (epsilon >= 0 && epsilon <= 10), .argument,
            "epsilon is \(epsilon); expected 0 to 10, or -1 for the optimizer's usual one")
        try within(exponentialFactor, 1e-6...1, "exponential_factor", "above 0, at most 1")
        try within(
            exponentialEpochs, 1e-3...1e6, "exponential_epochs", "a number of epochs from 0.001 on")
        try within(emaDecay, 0...0.9999999, "ema_decay", "0 to below 1")
        try require(
            chunkSize == 0 || (chunkSize > 0 && batchSize % chunkSize == 0), .argument,
            """
            chunk_size is \(chunkSize); expected a divisor of batch_size, \(batchSize), or 0 \
            for the whole batch at a time
            """
        )
        if chunkSize > 0 && chunkSize < batchSize {
            try require(
                queueMode == .off, .argument,
                """
                chunk_size is \(chunkSize) beside a queue, which has its own way with large \
                batches; expected one of the two
                """
            )
            try require(
                mixupAlpha == 0 && cutmixAlpha == 0, .argument,
                """
                chunk_size is \(chunkSize) beside mixup_alpha or cutmix_alpha, which mix \
                images of the whole batch; expected one of the two
                """
            )
        }
        try within(loaderThreads, 0...1024, "loader_threads", ", 0 for the context's number")
        try validateClassifierOptions()
        try validateQueue()
        try validatePositives()
        try validateFreezing()
        if objective.isContrastive {
            try loss.validate()
            try require(
                loss.reduction == .mean || loss.reduction == .meanAll, .argument,
                "the loss's reduction is \(loss.reduction); expected mean or mean_all to train with"
            )
            try require(
                objective == .supcon || views > 1, .argument,
                """
                views is 1 and there are no labels: nothing would be a positive; expected 2 \
                or more
                """
            )
        } else {
            try require(
                !jointClassifier, .argument,
                """
                joint_classifier goes with a contrastive objective; the others train the \
                classifier anyway
                """
            )
        }
        try augmentation.validate()
        try augmentationSecond?.validate()
    }

    /// Errors: argument.
    private func validateQueue() throws(SupConError) {
        try require(
            (1...1 << 28).contains(queueSize), .argument,
            "queue_size is \(queueSize); expected 1 to \(1 << 28)")
        try require(
            keyMomentum >= 0 && keyMomentum < 1, .argument,
            "key_momentum is \(keyMomentum); expected 0 to below 1")
        guard queueMode != .off else { return }
        try require(
            objective.isContrastive, .argument,
            "queue_mode is \(queueMode), which goes with supcon and simclr only")
        try require(
            queueMode == .negatives || objective == .supcon, .argument,
            """
            queue_mode is \(queueMode), but simclr has no labels to find positives in the \
            queue by; expected negatives
            """
        )
        try require(
            views > 1, .argument,
            """
            views is 1; expected 2 or more with a queue: the first view is the query, the \
            others are its keys
            """
        )
        try require(
            queueSize >= batchSize * (views - 1), .argument,
            """
            queue_size is \(queueSize); expected at least the \(batchSize * (views - 1)) keys \
            of a batch
            """
        )
        try require(
            positives == .classes, .argument,
            """
            positives is \(positives), which does not go with a queue: its entries have \
            classes, no targets
            """
        )
    }

    /// Errors: argument.
    private func validateFreezing() throws(SupConError) {
        try require(
            (0...4).contains(freezeStages), .argument,
            "freeze_stages is \(freezeStages); expected 0 to 4")
        try require(
            layerDecay >= 1e-3 && layerDecay <= 1, .argument,
            "layer_decay is \(layerDecay); expected 0.001 to 1")
        try require(
            objective != .linear || (freezeStages == 0 && !freezesNorm && layerDecay == 1),
            .argument,
            """
            freeze_stages, freeze_norm and layer_decay are for runs that train the encoder; \
            objective linear trains the classifier alone
            """
        )
        try require(
            unfreezeEpochs.count <= freezeStages, .argument,
            """
            unfreeze_epochs has \(unfreezeEpochs.count) epochs; expected at most one for each of \
            the \(freezeStages) stages that freeze_stages freezes
            """
        )
        for (a, b) in zip([0] + unfreezeEpochs, unfreezeEpochs) {
            try require(
                b > a, .argument,
                """
                unfreeze_epochs has \(b) after \(a); expected epochs above 0, each larger than \
                the one before
                """
            )
        }
    }

    /// Errors: argument.
    private func validatePositives() throws(SupConError) {
        try require(
            positives == .classes || objective == .supcon, .argument,
            "positives is \(positives), which goes with objective supcon only")
        try require(
            labelBandwidth >= 0 && labelBandwidth.isFinite, .argument,
            "label_bandwidth is \(labelBandwidth); expected a number above 0, or 0 without a kernel"
        )
        try require(
            positives != .kernel || labelBandwidth > 0, .argument,
            """
            label_bandwidth is 0 and positives is kernel; expected a number above 0: the \
            distance over which targets stop being alike
            """
        )
        try require(
            positives == .kernel || labelBandwidth == 0, .argument,
            "label_bandwidth is \(labelBandwidth), which goes with positives kernel only")
    }

    /// Errors: argument.
    private func validateClassifierOptions() throws(SupConError) {
        try require(
            labelSmoothing >= 0 && labelSmoothing < 1, .argument,
            "label_smoothing is \(labelSmoothing); expected 0 to below 1")
        try require(
            labelSmoothing == 0 || !objective.isContrastive || jointClassifier, .argument,
            """
            label_smoothing is \(labelSmoothing), but no classifier is trained: it goes with \
            the other objectives, or with joint_classifier
            """
        )
        for (name, alpha) in [("mixup_alpha", mixupAlpha), ("cutmix_alpha", cutmixAlpha)] {
            try require(
                alpha == 0 || (alpha >= 1e-3 && alpha <= 1e3), .argument,
                "\(name) is \(alpha); expected 0.001 to 1000, or 0 for none")
            try require(
                alpha == 0 || objective == .crossEntropy || objective == .linear, .argument,
                "\(name) is \(alpha), which goes with cross_entropy and linear only")
        }
        try require(
            LargeMargin.margins.contains(margin), .argument,
            """
            margin is \(margin); expected \(LargeMargin.margins.lowerBound) to \
            \(LargeMargin.margins.upperBound)
            """
        )
    }
}
