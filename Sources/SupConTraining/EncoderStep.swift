import CKernels
import Glibc
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// A step that trains the encoder: with the contrastive loss, with the classifier beside it behind a stop-gradient, or with the classifier's loss alone.
final class EncoderStep: TrainingStep {
    private let network: Network
    private let plan: TrainingPlan
    private let contrastive: ContrastiveLoss?
    private let classifier: ClassifierObjective?
    private let mixer: BatchMixer?
    private let positiveMask: LabelMask?
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
        let classifies = options.jointClassifier || !options.objective.isContrastive
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
            classifierGradientReachesEncoder: !options.objective.isContrastive, context: context)
        optimizer = try SupConTraining.optimizer(options, network.parameters, parts: parts)
        if options.objective.isContrastive {
            var loss = options.loss
            // The plan's z has length 1, and the plan differentiates through that.
            loss.normalize = false
            loss.seed = options.seed
            contrastive = try ContrastiveLoss(loss, samples: batchSize, views: views, dimension: network.configuration.projectionDimension, context: context)
            chance = ContrastiveLoss.collapsedLoss(loss, samples: batchSize, views: views)
        } else {
            contrastive = nil
            chance = log(Double(network.configuration.classes))
        }
        classifier = classifies ? try ClassifierObjective(network, options, rows: rows) : nil
        mixer = try BatchMixer(options, height: model.imageHeight, width: model.imageWidth, channels: network.configuration.channels, threads: threads)
        positiveMask = try options.labelBandwidth > 0 ? LabelMask(samples: batchSize, bandwidth: options.labelBandwidth, context: context) : nil
        inputCount = rows * model.imageHeight * model.imageWidth * network.configuration.channels
        sampleLabels = try AlignedBuffer(Int64.self, count: batchSize)
        rowLabels = try AlignedBuffer(Int64.self, count: rows)
        rowGroups = try AlignedBuffer(Int64.self, count: rows)
        rowSum = try AlignedBuffer(Double.self, count: network.configuration.projectionDimension)
    }

    var memoryByteCount: Int { plan.memoryByteCount + (contrastive?.memoryByteCount ?? 0) + (classifier?.memoryByteCount ?? 0) + (positiveMask?.memoryByteCount ?? 0) }

    var embeddings: Embeddings? {
        plan.projection.map {
            Embeddings(
                rows: $0, count: batchSize * views, dimension: network.configuration.projectionDimension,
                groups: UnsafeBufferPointer(start: rowGroups.values(of: Int64.self), count: batchSize * views))
        }
    }

    var spread: Double { embeddings.map { $0.spread(rowSum.values(of: Double.self)) } ?? 1 }

    func run(_ input: UnsafePointer<Float>, samples: [Int], turn: Int, rate: Double) throws(SupConError) -> StepOutcome {
        fillLabels(samples)
        let labels = UnsafePointer(rowLabels.values(of: Int64.self))
        if let mixer { mixer.mix(input, labels: labels, turn: turn, into: plan.input) } else { plan.input.update(from: input, count: inputCount) }
        plan.forward()
        let outcome = try lossOrNaN { () throws(SupConError) in try outcomeOfForward(turn) }
        guard outcome.loss.isFinite else { return outcome }
        plan.backward(addedToFeatures: classifier?.featureGradient)
        classifier?.finish(plan.gradients, labels: labels)
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
    private func outcomeOfForward(_ turn: Int) throws(SupConError) -> StepOutcome {
        var outcome = StepOutcome(loss: 0)
        if let contrastive, let z = plan.projection, let dz = plan.projectionGradient {
            let labels = UnsafePointer(sampleLabels.values(of: Int64.self))
            let positives: Positives = if let positiveMask { .mask(try positiveMask.fill(labels)) } else if usesLabels { .labels(labels) } else { .views }
            let result = try contrastive.evaluate(features: z, positives: positives, perAnchor: nil, gradient: dz, draw: turn)
            outcome.loss = result.loss
            outcome.anchorsWithoutPositive = result.anchorsWithoutPositive
        }
        if let classifier, let logits = plan.logits, let gradient = plan.logitsGradient {
            let rows = batchSize * views
            let result = try classifier.evaluate(
                features: plan.headInput, logits: logits, labels: rowLabels.values(of: Int64.self), mixer: mixer, gradient: gradient)
            if contrastive == nil { outcome.loss = result.loss }
            (outcome.classified, outcome.correct) = (rows, result.correct)
        }
        return outcome
    }
}
