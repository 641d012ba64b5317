import SupConLoss
import SupConNetwork
import SupConTensor
import SupConVision

extension Objective {
    /// Whether the objective compares embeddings with each other.
    public var isContrastive: Bool { self == .supcon || self == .simclr }
}

extension TrainOptions {
    /// The largest default batch.
    static let largestBatch = 256

    /// Returns the options with their batch size resolved: if none is given, it is 256 or, if they
    /// are fewer, all images of `dataset`, or as many as its classes give with `imagesPerClass`
    /// each; rounded down to whole chunks and to whole classes. A chunk that is not smaller than
    /// the batch is all of it. Errors: argument, for an option out of its range, which must be told
    /// before the batch hides it.
    func withBatch(for dataset: Dataset) throws(SupConError) -> TrainOptions {
        try validateRanges()
        guard batchSize == 0 else { return self }
        var options = self
        var most = min(Self.largestBatch, dataset.count)
        if imagesPerClass > 0, let classes = dataset.classIndices {
            most = min(most, Set(classes).count * imagesPerClass)
        }
        most = max(2, most)
        if chunkSize >= most { options.chunkSize = 0 }
        let (chunk, group) = (max(1, options.chunkSize), max(1, imagesPerClass))
        // The least common multiple, if there is room for it; the checks name what is not divided.
        let unit = (1...most).first { $0.isMultiple(of: chunk) && $0.isMultiple(of: group) }
        options.batchSize = unit.map { most / $0 * $0 } ?? most
        return options
    }

    /// The number of views per image that this objective takes.
    var effectiveViews: Int { objective.isContrastive ? views : 1 }

    /// Throws unless all options are valid together. Errors: argument.
    package func validate() throws(SupConError) {
        try validateRanges()
        try require(
            imagesPerClass <= batchSize, .argument,
            "images_per_class is \(imagesPerClass); expected at most batch_size, \(batchSize)")
        try require(
            minLr <= learningRate, .argument,
            "min_lr is \(minLr); expected at most learning_rate, \(learningRate)")
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
            patience == 0 || validationFraction > 0, .argument,
            "patience is \(patience) but validation_fraction is 0: there is nothing to judge by")
        try require(
            !restoresBest || validationFraction > 0, .argument,
            "restore_best is set but validation_fraction is 0: there is nothing to judge by")
        try require(
            !resume || checkpointFolder != nil, .argument,
            "resume is set without a checkpoint_folder to go on from")
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
        try validateClassifierOptions()
        try validateQueue()
        try validatePositives()
        try validateFreezing()
        try validateImageSizes()
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

    /// Checks the options of a queue. Errors: argument.
    private func validateQueue() throws(SupConError) {
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

    /// Checks the schedule of image sizes. Errors: argument.
    private func validateImageSizes() throws(SupConError) {
        for size in imageSizeSchedule {
            try require(
                (1...65536).contains(size), .argument,
                "a size of image_size_schedule is \(size); expected 1 to 65536 pixels")
        }
        try require(
            imageSizeSchedule.count <= epochs, .argument,
            """
            image_size_schedule has \(imageSizeSchedule.count) sizes; expected at most one for \
            each of the \(epochs) epochs
            """
        )
        guard drawsImageSize else { return }
        try require(
            Set(imageSizeSchedule).count > 1, .argument,
            """
            random_image_size is set but image_size_schedule has \(Set(imageSizeSchedule).count) \
            different sizes; expected 2 or more to draw from
            """
        )
        try require(
            featureCache == 0, .argument,
            """
            feature_cache is \(featureCache) beside random_image_size, with which nothing that is \
            stored serves the next epoch; expected one of the two
            """
        )
    }

    /// Checks the options of frozen stages. Errors: argument.
    private func validateFreezing() throws(SupConError) {
        try require(
            objective != .linear || (freezeStages == 0 && !freezesNorm && layerDecay == 1),
            .argument,
            """
            freeze_stages, freeze_norm and layer_decay are for runs that train the encoder; \
            objective linear trains the classifier alone
            """
        )
        try require(
            !freezesInInt8 || freezeStages > 0, .argument,
            "freeze_int8 is set but freeze_stages is 0: no stage is frozen")
        if freezesInInt8 { try Engine.standard.checkInt8() }
        try require(
            featureCache == 0 || freezeStages > 0, .argument,
            """
            feature_cache is \(featureCache) but freeze_stages is 0: there is nothing that stays \
            as it is
            """
        )
        try require(
            featureCache == 0 || (mixupAlpha == 0 && cutmixAlpha == 0), .argument,
            """
            feature_cache is \(featureCache) beside mixup_alpha or cutmix_alpha, which mix the \
            images anew in each step; expected one of the two
            """
        )
        try require(
            featureCacheFolder == nil || featureCache > 0, .argument,
            "feature_cache_folder is set but feature_cache is 0: there is nothing to keep there")
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

    /// Checks the rule of positives. Errors: argument.
    private func validatePositives() throws(SupConError) {
        try require(
            positives == .classes || objective == .supcon, .argument,
            "positives is \(positives), which goes with objective supcon only")
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

    /// Checks the options of a classifier. Errors: argument.
    private func validateClassifierOptions() throws(SupConError) {
        try require(
            labelSmoothing == 0 || !objective.isContrastive || jointClassifier, .argument,
            """
            label_smoothing is \(labelSmoothing), but no classifier is trained: it goes with \
            the other objectives, or with joint_classifier
            """
        )
        for (name, alpha) in [("mixup_alpha", mixupAlpha), ("cutmix_alpha", cutmixAlpha)] {
            try require(
                alpha == 0 || objective == .crossEntropy || objective == .linear, .argument,
                "\(name) is \(alpha), which goes with cross_entropy and linear only")
        }
    }
}
