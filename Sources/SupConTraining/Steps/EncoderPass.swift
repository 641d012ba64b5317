import Glibc
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor

/// An encoder pass takes a group of images forward and backward through the network. It is the
/// set-up that all steps share that train an encoder: the plan, the optimizer of the parts that
/// are trained, and the classifier's objective where one is trained.
final class EncoderPass {
    let network: Network
    let plan: TrainingPlan
    let optimizer: any Optimizer
    /// Images of one pass; each view counts.
    let images: Int
    /// Elements of one image: height · width · channels.
    let imageElements: Int
    let threads: Int
    private let classifier: ClassifierObjective?

    /// Plans passes of `images` images. Errors: argument, state, unsupported, memory.
    init(
        _ model: Model, _ options: TrainOptions, _ phase: TrainingPhase, images: Int,
        context: ExecutionContext
    ) throws(SupConError) {
        network = model.network
        threads = context.threads
        self.images = images
        imageElements = model.imageHeight * model.imageWidth * network.configuration.channels
        let isContrastive = options.objective.isContrastive
        var trained: TrainingPlan.Trained = [.encoder]
        var optimized: TrainedParameters = [.encoder]
        if isContrastive {
            trained.insert(.head)
            optimized.parts.insert(.head)
        }
        if options.trainsClassifier {
            trained.insert(.classifier)
            optimized.parts.insert(.classifier)
        }
        plan = try TrainingPlan(
            network, images: images, height: model.imageHeight, width: model.imageWidth,
            precision: model.precision, trained: trained, frozen: phase.frozen(options),
            classifierGradientReachesEncoder: !isContrastive, context: context)
        (optimized.frozenStages, optimized.layerDecay) = (phase.frozenStages, options.layerDecay)
        optimizer = try SupConTraining.optimizer(
            options, network.parameters, trained: optimized)
        classifier =
            trained.contains(.classifier)
            ? try ClassifierObjective(network, options, rows: images) : nil
    }

    var memoryByteCount: Int { plan.memoryByteCount + (classifier?.memoryByteCount ?? 0) }

    /// Prepares the first step, with the parameters as they are now.
    func begin() { plan.reloadFrozenStages() }

    /// Copies the pixels [images, height, width, channels] into the plan.
    func load(_ pixels: UnsafePointer<Float>) {
        plan.input.update(from: pixels, count: images * imageElements)
    }

    /// Evaluates the classifier's loss after `forward`, and its gradient where the plan takes it;
    /// nil if no classifier is trained. `labels`: [images]; `mixer`: it has mixed the images, and
    /// its labels count. Errors: argument.
    func classify(labels: UnsafePointer<Int64>, mixer: BatchMixer? = nil) throws(SupConError)
        -> StepOutcome?
    {
        guard let classifier, let logits = plan.logits, let gradient = plan.logitsGradient else {
            return nil
        }
        let result = try classifier.evaluate(
            features: plan.headInput, logits: logits, labels: labels, mixer: mixer,
            gradient: gradient)
        return StepOutcome(loss: result.loss, classified: images, correct: result.correct)
    }

    /// Runs backward from the gradients that the losses have written; `plan.gradients` are complete
    /// afterwards. `labels`: [images].
    func backward(labels: UnsafePointer<Int64>) {
        plan.backward(addedToFeatures: classifier?.featureGradient)
        classifier?.finish(plan.gradients, labels: labels)
    }
}

extension TrainOptions {
    /// Makes the contrastive loss of a step for a plan's z, which has length 1 already: the plan
    /// differentiates through the normalization. nil: the objective is not contrastive. Errors:
    /// argument, memory.
    func contrastiveLoss(dimension: Int, context: ExecutionContext) throws(SupConError)
        -> ContrastiveLoss?
    {
        guard objective.isContrastive else { return nil }
        var options = loss
        options.normalize = false
        options.seed = seed
        return try ContrastiveLoss(
            options, samples: batchSize, views: effectiveViews, dimension: dimension,
            context: context)
    }

    /// The loss that guessing gives, of a batch without a queue.
    func chance(classes: Int) -> Double {
        objective.isContrastive
            ? ContrastiveLoss.collapsedLoss(loss, samples: batchSize, views: effectiveViews)
            : log(Double(classes))
    }
}
