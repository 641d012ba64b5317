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
    private let labels: [Int]?
    private let batchSize: Int
    private let views: Int
    private let inputCount: Int
    let optimizer: any Optimizer
    let chance: Double

    /// Of the batch: labels of the samples, of all rows, and what makes rows positives of each other.
    private let sampleLabels: AlignedBuffer
    private let rowLabels: AlignedBuffer
    private let rowGroups: AlignedBuffer
    private let rowSum: AlignedBuffer

    /// `labels`: of the data set that samples index. Errors: argument, state, unsupported, memory.
    init(_ model: Model, _ options: TrainOptions, labels: [Int]?, context: ExecutionContext) throws(SupConError) {
        network = model.network
        self.labels = labels
        threads = context.threads
        batchSize = options.batchSize
        views = options.effectiveViews
        usesLabels = options.objective != .simclr
        let rows = batchSize * views
        let classifies = options.jointClassifier || options.objective == .crossEntropy
        var trained: TrainingPlan.Trained = [.encoder]
        var parts: Set<ParameterStore.Part> = [.encoder]
        if options.objective.isContrastive {
            trained.insert(.head)
            parts.insert(.head)
        }
        if classifies {
            trained.insert(.classifier)
            parts.insert(.classifier)
        }
        plan = try TrainingPlan(
            network, images: rows, height: model.imageHeight, width: model.imageWidth, precision: model.precision, trained: trained,
            classifierGradientReachesEncoder: options.objective == .crossEntropy, context: context)
        optimizer = try SupConTraining.optimizer(options, network.parameters, parts: parts)
        if options.objective.isContrastive {
            var loss = options.loss
            // The plan's z has length 1, and the plan differentiates through that.
            loss.normalize = false
            contrastive = try ContrastiveLoss(loss, samples: batchSize, views: views, dimension: network.configuration.projectionDimension, context: context)
            chance = ContrastiveLoss.collapsedLoss(loss, samples: batchSize, views: views)
        } else {
            contrastive = nil
            chance = log(Double(network.configuration.classes))
        }
        crossEntropy = classifies ? try CrossEntropy(classes: network.configuration.classes) : nil
        inputCount = rows * model.imageHeight * model.imageWidth * network.configuration.channels
        sampleLabels = try AlignedBuffer(Int64.self, count: batchSize)
        rowLabels = try AlignedBuffer(Int64.self, count: rows)
        rowGroups = try AlignedBuffer(Int64.self, count: rows)
        rowSum = try AlignedBuffer(Double.self, count: network.configuration.projectionDimension)
    }

    var memoryByteCount: Int { plan.memoryByteCount + (contrastive?.memoryByteCount ?? 0) }

    var embeddings: Embeddings? {
        plan.projection.map {
            Embeddings(
                rows: $0, count: batchSize * views, dimension: network.configuration.projectionDimension,
                groups: UnsafeBufferPointer(start: rowGroups.values(of: Int64.self), count: batchSize * views))
        }
    }

    var spread: Double {
        guard let rows = plan.projection else { return 1 }
        let (count, dimension, sum) = (batchSize * views, network.configuration.projectionDimension, rowSum.values(of: Double.self))
        sum.update(repeating: 0, count: dimension)
        for row in 0..<count { sc_add_scaled_f32_to_f64(rows + row * dimension, 1, sum, Int64(dimension)) }
        return 1 - sc_dot_f64(sum, sum, Int64(dimension)) / Double(count * count)
    }

    func run(_ input: UnsafePointer<Float>, samples: [Int], rate: Double) throws(SupConError) -> StepOutcome {
        fillLabels(samples)
        plan.input.update(from: input, count: inputCount)
        plan.forward()
        let outcome = try lossOrNaN(outcomeOfForward)
        guard outcome.loss.isFinite else { return outcome }
        plan.backward()
        optimizer.step(gradients: plan.gradients, rate: rate, threads: threads)
        return outcome
    }

    private func fillLabels(_ samples: [Int]) {
        let (sampleLabels, rowLabels, rowGroups) = (sampleLabels.values(of: Int64.self), rowLabels.values(of: Int64.self), rowGroups.values(of: Int64.self))
        for (place, sample) in samples.enumerated() {
            sampleLabels[place] = Int64(labels?[sample] ?? 0)
            for row in (place * views)..<((place + 1) * views) {
                rowLabels[row] = sampleLabels[place]
                rowGroups[row] = usesLabels ? sampleLabels[place] : Int64(place)
            }
        }
    }

    /// The losses, and their gradients where the plan takes them.
    private func outcomeOfForward() throws(SupConError) -> StepOutcome {
        var outcome = StepOutcome(loss: 0)
        if let contrastive, let z = plan.projection, let dz = plan.projectionGradient {
            let result = try contrastive.evaluate(features: z, positives: usesLabels ? .labels(sampleLabels.values(of: Int64.self)) : .views, perAnchor: nil, gradient: dz)
            outcome.loss = result.loss
            outcome.anchorsWithoutPositive = result.anchorsWithoutPositive
        }
        if let crossEntropy, let logits = plan.logits, let gradient = plan.logitsGradient {
            let rows = batchSize * views
            let result = try crossEntropy.evaluate(logits: logits, labels: rowLabels.values(of: Int64.self), count: rows, gradient: gradient)
            if contrastive == nil { outcome.loss = result.loss }
            (outcome.classified, outcome.correct) = (rows, result.correct)
        }
        return outcome
    }
}
