import CKernels
import Glibc
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// A step that trains the encoder: with the contrastive loss, with the classifier beside it behind a stop-gradient, or with cross-entropy alone.
final class EncoderStep: TrainingStep {
    private let network: Network
    private let plan: TrainingPlan
    private let contrastive: ContrastiveLoss?
    private let crossEntropy: CrossEntropy?
    private let usesLabels: Bool
    private let threads: Int
    private let batchSize: Int
    private let views: Int
    private let inputCount: Int
    let optimizer: any Optimizer
    let chance: Double

    private let rows: BatchRows

    /// `labels`: of the data set that samples index. Errors: argument, state, unsupported, memory.
    init(_ model: Model, _ options: TrainOptions, labels: [Int]?, context: ExecutionContext) throws(SupConError) {
        network = model.network
        threads = context.threads
        batchSize = options.batchSize
        views = options.effectiveViews
        usesLabels = options.objective != .simclr
        let rows = batchSize * views
        let parts = TrainedParts(options)
        plan = try TrainingPlan(
            network, images: rows, height: model.imageHeight, width: model.imageWidth, precision: model.precision, trained: parts.plan,
            classifierGradientReachesEncoder: !options.objective.isContrastive, context: context)
        optimizer = try SupConTraining.optimizer(options, network.parameters, parts: parts.optimizer)
        if options.objective.isContrastive {
            contrastive = try parts.contrastiveLoss(options, dimension: network.configuration.projectionDimension, context: context)
            chance = ContrastiveLoss.collapsedLoss(options.loss, samples: batchSize, views: views)
        } else {
            contrastive = nil
            chance = log(Double(network.configuration.classes))
        }
        crossEntropy = parts.plan.contains(.classifier) ? try CrossEntropy(classes: network.configuration.classes) : nil
        inputCount = rows * model.imageHeight * model.imageWidth * network.configuration.channels
        self.rows = try BatchRows(
            labels: labels, usesLabels: usesLabels, samples: batchSize, views: views, dimension: network.configuration.projectionDimension)
    }

    var memoryByteCount: Int { plan.memoryByteCount + (contrastive?.memoryByteCount ?? 0) }

    var embeddings: Embeddings? { plan.projection.map { rows.embeddings($0) } }
    var spread: Double { plan.projection.map { rows.spread($0) } ?? 1 }
    var chunks: Loader.Chunks { Loader.Chunks(size: batchSize, passes: 1) }

    func run(turn: Int, rate: Double, next: () throws(SupConError) -> LoadedBatch) throws(SupConError) -> StepOutcome {
        let batch = try next()
        rows.fill(batch.indices[...], at: 0)
        plan.input.update(from: batch.pixels, count: inputCount)
        plan.forward()
        let outcome = try lossOrNaN(outcomeOfForward)
        guard outcome.loss.isFinite else { return outcome }
        plan.backward()
        optimizer.step(gradients: plan.gradients, rate: rate, threads: threads)
        return outcome
    }

    /// The losses, and their gradients where the plan takes them.
    private func outcomeOfForward() throws(SupConError) -> StepOutcome {
        var outcome = StepOutcome(loss: 0)
        if let contrastive, let z = plan.projection, let dz = plan.projectionGradient {
            let result = try contrastive.evaluate(features: z, positives: usesLabels ? .labels(rows.sampleLabels) : .views, perAnchor: nil, gradient: dz)
            outcome.loss = result.loss
            outcome.anchorsWithoutPositive = result.anchorsWithoutPositive
        }
        if let crossEntropy, let logits = plan.logits, let gradient = plan.logitsGradient {
            let result = try crossEntropy.evaluate(logits: logits, labels: rows.rowLabels, count: rows.count, gradient: gradient)
            if contrastive == nil { outcome.loss = result.loss }
            (outcome.classified, outcome.correct) = (rows.count, result.correct)
        }
        return outcome
    }
}
