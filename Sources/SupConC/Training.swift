import CSupCon
import SupCon

extension supcon_train_options {
    /// The pointers stay NULL, which means the defaults of what they point to.
    init(_ options: TrainOptions) {
        self = .empty
        objective = options.objective.rawValue
        joint_classifier = options.jointClassifier ? 1 : 0
        (epochs, batch_size, views) = (
            Int32(options.epochs), Int32(options.batchSize), Int32(options.views)
        )
        images_per_class = Int32(options.imagesPerClass)
        nesterov = options.nesterov ? 1 : 0
        (learning_rate, reference_batch) = (options.learningRate, Int32(options.referenceBatch))
        schedule = options.schedule.rawValue
        (momentum, weight_decay) = (options.momentum, options.weightDecay)
        decay_norm_and_bias = options.decaysNormAndBias ? 1 : 0
        (warmup_steps, warmup_start, final_rate) = (
            Int32(options.warmupSteps), options.warmupStart, options.finalRate
        )
        gamma = options.gamma
        seed = options.seed
        (validation_fraction, validation_every, patience) = (
            options.validationFraction, Int32(options.validationEvery), Int32(options.patience)
        )
        resume = options.resume ? 1 : 0
        loader_threads = Int32(options.loaderThreads)
        stop_on_collapse = options.stopsOnCollapse ? 1 : 0
        restore_best = options.restoresBest ? 1 : 0
        optimizer = options.optimizer.rawValue
        (trust_coefficient, rmsprop_decay) = (options.trustCoefficient, options.rmspropDecay)
        (beta1, beta2, epsilon) = (options.beta1, options.beta2, options.epsilon)
        (exponential_factor, exponential_epochs) = (
            options.exponentialFactor, options.exponentialEpochs
        )
        (ema_decay, chunk_size) = (options.emaDecay, Int32(options.chunkSize))
        (margin, label_smoothing) = (Int32(options.margin), options.labelSmoothing)
        (positives, label_bandwidth) = (options.positives.rawValue, options.labelBandwidth)
        (mixup_alpha, cutmix_alpha) = (options.mixupAlpha, options.cutmixAlpha)
        (key_momentum, queue_mode, queue_size) = (
            options.keyMomentum, options.queueMode.rawValue, Int32(options.queueSize)
        )
        (warmup_epochs, schedule_after_warmup) = (
            options.warmupEpochs, options.schedulesAfterWarmup ? 1 : 0
        )
        (freeze_stages, freeze_norm, layer_decay) = (
            Int32(options.freezeStages), options.freezesNorm ? 1 : 0, options.layerDecay
        )
    }
}

extension TrainOptions {
    /// NULL: the defaults. Errors: argument.
    init(_ pointer: UnsafePointer<supcon_train_options>?) throws(SupConError) {
        self.init()
        let options = try supcon_train_options.read(pointer, defaults: supcon_train_options(self))
        objective = try choice(options.objective, "objective")
        jointClassifier = try flag(options.joint_classifier, "joint_classifier")
        (epochs, batchSize, views) = (
            Int(options.epochs), Int(options.batch_size), Int(options.views)
        )
        imagesPerClass = Int(options.images_per_class)
        nesterov = try flag(options.nesterov, "nesterov")
        (learningRate, referenceBatch) = (options.learning_rate, Int(options.reference_batch))
        schedule = try choice(options.schedule, "schedule")
        (momentum, weightDecay) = (options.momentum, options.weight_decay)
        decaysNormAndBias = try flag(options.decay_norm_and_bias, "decay_norm_and_bias")
        (warmupSteps, warmupStart, finalRate) = (
            Int(options.warmup_steps), options.warmup_start, options.final_rate
        )
        let milestoneCount = try count(options.milestone_count, "milestone_count")
        if milestoneCount > 0 {
            let given = try needed(options.milestones, "milestones")
            milestones = (0..<milestoneCount).map { Int(given[$0]) }
        }
        gamma = options.gamma
        loss = try ContrastiveOptions(options.loss)
        augmentation = try AugmentationOptions(options.augmentation)
        if let second = options.augmentation_second {
            augmentationSecond = try AugmentationOptions(second)
        }
        seed = options.seed
        (validationFraction, validationEvery, patience) = (
            options.validation_fraction, Int(options.validation_every), Int(options.patience)
        )
        checkpointFolder = options.checkpoint_folder.map { RawPath(cString: $0) }
        resume = try flag(options.resume, "resume")
        loaderThreads = Int(options.loader_threads)
        stopsOnCollapse = try flag(options.stop_on_collapse, "stop_on_collapse")
        restoresBest = try flag(options.restore_best, "restore_best")
        optimizer = try choice(options.optimizer, "optimizer")
        (trustCoefficient, rmspropDecay) = (options.trust_coefficient, options.rmsprop_decay)
        (beta1, beta2, epsilon) = (options.beta1, options.beta2, options.epsilon)
        (exponentialFactor, exponentialEpochs) = (
            options.exponential_factor, options.exponential_epochs
        )
        (emaDecay, chunkSize) = (options.ema_decay, Int(options.chunk_size))
        (margin, labelSmoothing) = (Int(options.margin), options.label_smoothing)
        (positives, labelBandwidth) = (
            try choice(options.positives, "positives"), options.label_bandwidth
        )
        (mixupAlpha, cutmixAlpha) = (options.mixup_alpha, options.cutmix_alpha)
        (keyMomentum, queueMode, queueSize) = (
            options.key_momentum, try choice(options.queue_mode, "queue_mode"),
            Int(options.queue_size)
        )
        (warmupEpochs, schedulesAfterWarmup) = (
            options.warmup_epochs, try flag(options.schedule_after_warmup, "schedule_after_warmup")
        )
        (freezeStages, freezesNorm, layerDecay) = (
            Int(options.freeze_stages), try flag(options.freeze_norm, "freeze_norm"),
            options.layer_decay
        )
    }
}

extension supcon_event {
    /// `message` is borrowed.
    init(_ event: TrainEvent, message: UnsafePointer<CChar>?) {
        self = .empty
        kind = event.kind.rawValue
        (epoch, epochs, step, steps) = (
            Int64(event.epoch), Int64(event.epochs), Int64(event.step), Int64(event.steps)
        )
        (loss, learning_rate) = (event.loss, event.learningRate)
        (images_per_second, seconds_left) = (event.imagesPerSecond, event.secondsLeft)
        (knn_accuracy, alignment, uniformity, train_accuracy) = (
            event.knnAccuracy, event.alignment, event.uniformity, event.trainAccuracy
        )
        anchors_without_positive = Int64(event.anchorsWithoutPositive)
        self.message = message
    }
}

@c @implementation
public func supcon_train_options_init_sized(
    _ options: UnsafeMutablePointer<supcon_train_options>?, _ size: Int
) {
    supcon_train_options(TrainOptions()).initialize(options, size)
}

@c @implementation
public func supcon_trainer_create(
    _ context: OpaquePointer?, _ model: OpaquePointer?, _ dataset: OpaquePointer?,
    _ options: UnsafePointer<supcon_train_options>?,
    _ trainer: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(trainer, "trainer") { () throws(SupConError) in
        try Trainer(
            try ModelHandle.model(model), try DatasetHandle.dataset(dataset),
            try TrainOptions(options), context: try ContextHandle.context(context))
    }
}

@c @implementation
public func supcon_trainer_run(
    _ trainer: OpaquePointer?, _ callback: supcon_train_callback?,
    _ user_data: UnsafeMutableRawPointer?
) -> supcon_status {
    status { () throws(SupConError) in
        let trainer = try object(trainer, Trainer.self, "trainer")
        guard let callback else { return try trainer.run(nil) }
        try trainer.run { event in
            event.message.withCString { message in
                var event = supcon_event(event, message: message)
                return callback(&event, user_data) == 0
            }
        }
    }
}

@c @implementation
public func supcon_trainer_cancel(_ trainer: OpaquePointer?) {
    object(ifAny: trainer, Trainer.self)?.cancel()
}

@c @implementation
public func supcon_trainer_memory(_ trainer: OpaquePointer?) -> Int64 {
    Int64(object(ifAny: trainer, Trainer.self)?.memoryByteCount ?? 0)
}

@c @implementation
public func supcon_trainer_free(_ trainer: OpaquePointer?) { release(trainer, Trainer.self) }
