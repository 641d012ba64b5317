import Glibc
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// A step that trains the encoder: with the contrastive loss, with the classifier beside it behind
/// a stop-gradient, or with the classifier's loss alone.
final class EncoderStep: TrainingStep {
    private let network: Network
    private let plan: TrainingPlan
    private let contrastive: ContrastiveLoss?
    private let classifier: ClassifierObjective?
    private let mixer: BatchMixer?
    private let rows: BatchRows
    private let threads: Int
    private let batchSize: Int
    private let inputCount: Int
    let optimizer: any Optimizer
    let chance: Double

    /// `labels`, `targets`: of the data set that samples index. Errors: argument, state,
    /// unsupported, memory.
    init(
        _ model: Model, _ options: TrainOptions, labels: [Int]?, targets: Targets? = nil,
        context: ExecutionContext
    ) throws(SupConError) {
        network = model.network
        threads = context.threads
        batchSize = options.batchSize
        rows = try BatchRows(
            options, labels: labels, targets: targets,
            dimension: network.configuration.contrastedDimension, context: context)
        let parts = TrainedParts(options)
        plan = try TrainingPlan(
            network, images: rows.count, height: model.imageHeight, width: model.imageWidth,
            precision: model.precision, trained: parts.plan,
            classifierGradientReachesEncoder: !options.objective.isContrastive, context: context)
        optimizer = try SupConTraining.optimizer(
            options, network.parameters, parts: parts.optimizer)
        contrastive =
            try options.objective.isContrastive
            ? parts.contrastiveLoss(
                options, dimension: network.configuration.contrastedDimension, context: context)
            : nil
        chance = parts.chance(options, classes: network.configuration.classes)
        classifier =
            parts.plan.contains(.classifier)
            ? try ClassifierObjective(network, options, rows: rows.count) : nil
        mixer = try BatchMixer(
            options, height: model.imageHeight, width: model.imageWidth,
            channels: network.configuration.channels, threads: threads)
        inputCount =
            rows.count * model.imageHeight * model.imageWidth * network.configuration.channels
    }

    var memoryByteCount: Int {
        plan.memoryByteCount + (contrastive?.memoryByteCount ?? 0)
            + (classifier?.memoryByteCount ?? 0) + rows.memoryByteCount
    }
    var embeddings: Embeddings? { plan.projection.map { rows.embeddings($0) } }
    var spread: Double { plan.projection.map { rows.spread($0) } ?? 1 }
    var chunks: Loader.Chunks { Loader.Chunks(size: batchSize, passes: 1) }

    func run(turn: Int, rate: Double, next: () throws(SupConError) -> LoadedBatch)
        throws(SupConError) -> StepOutcome
    {
        let batch = try next()
        rows.fill(batch.indices[...], at: 0)
        if let mixer {
            mixer.mix(batch.pixels, labels: rows.rowLabels, turn: turn, into: plan.input)
        } else {
            plan.input.update(from: batch.pixels, count: inputCount)
        }
        plan.forward()
        let outcome = try lossOrNaN { () throws(SupConError) in try outcomeOfForward(turn) }
        guard outcome.loss.isFinite else { return outcome }
        plan.backward(addedToFeatures: classifier?.featureGradient)
        classifier?.finish(plan.gradients, labels: rows.rowLabels)
        optimizer.step(gradients: plan.gradients, rate: rate, threads: threads)
        return outcome
    }

    /// The losses, and their gradients where the plan takes them.
    private func outcomeOfForward(_ turn: Int) throws(SupConError) -> StepOutcome {
        var outcome = StepOutcome(loss: 0)
        if let contrastive, let z = plan.projection, let dz = plan.projectionGradient {
            let result = try contrastive.evaluate(
                features: z, positives: rows.positives(), perAnchor: nil, gradient: dz, draw: turn)
            outcome.loss = result.loss
            outcome.anchorsWithoutPositive = result.anchorsWithoutPositive
        }
        if let classifier, let logits = plan.logits, let gradient = plan.logitsGradient {
            let result = try classifier.evaluate(
                features: plan.headInput, logits: logits, labels: rows.rowLabels, mixer: mixer,
                gradient: gradient)
            if contrastive == nil { outcome.loss = result.loss }
            (outcome.classified, outcome.correct) = (rows.count, result.correct)
        }
        return outcome
    }
}
