import SupConLoss
import SupConTensor
import SupConVision

/// What a run minimises.
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
    /// -1: 10 epochs, but at most a tenth of the run.
    public var warmupSteps = -1
    public var warmupStart = 0.01
    public var finalRate = 0.0
    public var milestones: [Int] = []
    public var stepFactor = 0.1
    public var loss = ContrastiveOptions()
    public var augmentation = AugmentationOptions.defaults(.simclr)
    public var seed: UInt64 = 0
    public var validationFraction = 0.05
    public var validationEvery = 1
    /// 0: never stop early.
    public var patience = 0
    public var checkpointFolder: String?
    public var resume = false
    /// 0: as many as compute.
    public var loaderThreads = 0
    public var stopsOnCollapse = true
    public var keepsBest = false
    /// ε of the classifier's cross-entropy.
    public var labelSmoothing = 0.0
    /// 0: images are not mixed.
    public var mixupAlpha = 0.0
    public var cutmixAlpha = 0.0
    /// m of the large-margin softmax.
    public var margin = 2
    /// σ of the kernel on labels as numbers; 0: labels are classes.
    public var labelBandwidth = 0.0

    public init() {}

    /// Views per image that this objective takes.
    var effectiveViews: Int { objective.isContrastive ? views : 1 }

    /// Errors: argument.
    public func validate() throws(SupConError) {
        func within(_ value: Double, _ range: ClosedRange<Double>, _ name: String, _ expected: String) throws(SupConError) {
            try require(range.contains(value), .argument, "\(name) is \(value); expected \(expected)")
        }
        func within(_ value: Int, _ range: ClosedRange<Int>, _ name: String, _ note: String = "") throws(SupConError) {
            try require(range.contains(value), .argument, "\(name) is \(value); expected \(range.lowerBound) to \(range.upperBound)\(note)")
        }
        try within(epochs, 1...1_000_000, "epochs")
        try within(batchSize, 2...1_000_000, "batch_size")
        try within(views, 1...64, "views")
        try within(imagesPerClass, 0...batchSize, "images_per_class", ", or 0 for a plain shuffle")
        try within(learningRate, 1e-12...1e6, "learning_rate", "a number above 0, at most 1e6")
        try within(referenceBatch, 0...1_000_000, "reference_batch", ", 0 for learning_rate as it is")
        try within(momentum, 0...0.9999, "momentum", "0 to below 1")
        try within(weightDecay, 0...10, "weight_decay", "0 to 10")
        try within(warmupSteps, -1...1_000_000_000, "warmup_steps", ", -1 for the default")
        try within(warmupStart, 0...1, "warmup_start", "0 to 1")
        try within(finalRate, 0...1, "final_rate", "0 to 1")
        try within(stepFactor, 1e-6...1, "step_factor", "above 0, at most 1")
        for (a, b) in zip([0] + milestones, milestones) {
            try require(b > a, .argument, "milestone \(b) stands after \(a); expected epochs above 0, each larger than the one before")
        }
        try require(
            schedule != .step || !milestones.isEmpty, .argument, "schedule is step but there are no milestones; expected the epochs after which the rate falls")
        try require(
            validationFraction >= 0 && validationFraction <= 0.9, .argument, "validation_fraction is \(validationFraction); expected 0 to 0.9")
        try within(validationEvery, 1...1_000_000, "validation_every")
        try within(patience, 0...1_000_000, "patience", ", 0 for never")
        try require(patience == 0 || validationFraction > 0, .argument, "patience is \(patience) but validation_fraction is 0: there is nothing to judge by")
        try require(!keepsBest || validationFraction > 0, .argument, "keep_best is set but validation_fraction is 0: there is nothing to judge by")
        try require(!resume || checkpointFolder != nil, .argument, "resume is set without a checkpoint_folder to go on from")
        try within(loaderThreads, 0...1024, "loader_threads", ", 0 for the context's number")
        try validateClassifierOptions()
        try within(labelBandwidth, 0...1e12, "label_bandwidth", "a number above 0, or 0 for labels that are classes")
        try require(labelBandwidth == 0 || objective == .supcon, .argument, "label_bandwidth is \(labelBandwidth), which goes with objective supcon only")
        try require(
            labelBandwidth == 0 || labelBandwidth > 1e-6, .argument, "label_bandwidth is \(labelBandwidth); expected more than 1e-6, or 0 for labels that are classes")
        if objective.isContrastive {
            try loss.validate()
            try require(
                loss.reduction == .mean || loss.reduction == .meanAll, .argument, "the loss's reduction is \(loss.reduction); expected mean or mean_all to train with")
            try require(
                objective == .supcon || views > 1, .argument, "views is 1 and there are no labels: nothing would be a positive; expected 2 or more")
        } else {
            try require(!jointClassifier, .argument, "joint_classifier goes with a contrastive objective; the others train the classifier anyway")
        }
        try augmentation.validate()
    }

    /// Errors: argument.
    private func validateClassifierOptions() throws(SupConError) {
        try require(labelSmoothing >= 0 && labelSmoothing < 1, .argument, "label_smoothing is \(labelSmoothing); expected 0 to below 1")
        try require(
            labelSmoothing == 0 || !objective.isContrastive || jointClassifier, .argument,
            "label_smoothing is \(labelSmoothing), but no classifier is trained: it goes with the other objectives, or with joint_classifier")
        for (name, alpha) in [("mixup_alpha", mixupAlpha), ("cutmix_alpha", cutmixAlpha)] {
            try require(alpha == 0 || (alpha >= 1e-3 && alpha <= 1e3), .argument, "\(name) is \(alpha); expected 0.001 to 1000, or 0 for none")
            try require(
                alpha == 0 || objective == .crossEntropy || objective == .linear, .argument, "\(name) is \(alpha), which goes with cross_entropy and linear only")
        }
        try require(LargeMargin.margins.contains(margin), .argument, "margin is \(margin); expected \(LargeMargin.margins.lowerBound) to \(LargeMargin.margins.upperBound)")
    }
}
