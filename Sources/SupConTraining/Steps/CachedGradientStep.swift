import CKernels
import Glibc
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// A step of a batch that is larger than what the network sees at a time: gradient caching (Gao et
/// al., "Scaling deep contrastive learning batch size under memory limited setup",
/// arXiv:2101.06983).
///
/// 1. Chunk by chunk, forward: z of all rows is kept.
/// 2. The loss of all rows, and dL/dz.
/// 3. Chunk by chunk once more, the same views: forward, and backward from the chunk's rows of
///    dL/dz. dL/dθ = Σ (∂z_chunk/∂θ)ᵀ dL/dz_chunk.
///
/// It is exact: no chunk's z depends on another chunk, since batch norm's statistics are those of
/// the chunk. The running ones move in the first pass only. A classifier's loss is a mean over
/// rows: without the contrastive loss one pass does.
final class CachedGradientStep: TrainingStep {
    private let network: Network
    private let plan: TrainingPlan
    private let contrastive: ContrastiveLoss?
    private let classifier: ClassifierObjective?
    private let threads: Int
    private let batchSize: Int
    private let chunkSize: Int
    private let chunkRows: Int
    private let inputCount: Int
    private let dimension: Int
    private let rows: BatchRows
    /// z and dL/dz of all rows; nil without the contrastive loss.
    private let projections: (z: AlignedBuffer, dz: AlignedBuffer)?
    private let gradients: AlignedBuffer
    let optimizer: any Optimizer
    let chance: Double
    let memoryByteCount: Int

    /// `labels`, `targets`: of the data set that samples index. Errors: argument, state,
    /// unsupported, memory.
    init(
        _ model: Model, _ options: TrainOptions, labels: [Int]?, targets: Targets? = nil,
        context: ExecutionContext
    ) throws(SupConError) {
        network = model.network
        threads = context.threads
        (batchSize, chunkSize) = (options.batchSize, options.chunkSize)
        let views = options.effectiveViews
        chunkRows = chunkSize * views
        let parts = TrainedParts(options)
        plan = try TrainingPlan(
            network, images: chunkRows, height: model.imageHeight, width: model.imageWidth,
            precision: model.precision, trained: parts.plan,
            classifierGradientReachesEncoder: !options.objective.isContrastive, context: context)
        optimizer = try SupConTraining.optimizer(
            options, network.parameters, parts: parts.optimizer)
        dimension = network.configuration.contrastedDimension
        if options.objective.isContrastive {
            contrastive = try parts.contrastiveLoss(options, dimension: dimension, context: context)
            let count = batchSize.multipliedReportingOverflow(by: views * dimension)
            try require(
                !count.overflow, .memory,
                "\(batchSize) images of \(views) views are more than memory")
            projections = (
                try AlignedBuffer(Float.self, count: count.partialValue),
                try AlignedBuffer(Float.self, count: count.partialValue)
            )
        } else {
            (contrastive, projections) = (nil, nil)
        }
        chance = parts.chance(options, classes: network.configuration.classes)
        classifier =
            parts.plan.contains(.classifier)
            ? try ClassifierObjective(network, options, rows: chunkRows) : nil
        inputCount =
            chunkRows * model.imageHeight * model.imageWidth * network.configuration.channels
        rows = try BatchRows(
            options, labels: labels, targets: targets, dimension: dimension, context: context)
        gradients = try AlignedBuffer(Float.self, count: network.parameters.trainableCount)
        memoryByteCount =
            plan.memoryByteCount + (contrastive?.memoryByteCount ?? 0)
            + (projections.map { $0.z.byteCount + $0.dz.byteCount } ?? 0) + gradients.byteCount
            + (classifier?.memoryByteCount ?? 0) + rows.memoryByteCount
        try context.checkMemory(
            memoryByteCount, for: "a training step of \(batchSize) images in chunks of \(chunkSize)"
        )
    }

    var chunks: Loader.Chunks { Loader.Chunks(size: chunkSize, passes: contrastive == nil ? 1 : 2) }
    var embeddings: Embeddings? { projections.map { rows.embeddings($0.z.floats) } }
    var spread: Double { projections.map { rows.spread($0.z.floats) } ?? 1 }

    func run(turn: Int, rate: Double, next: () throws(SupConError) -> LoadedBatch)
        throws(SupConError) -> StepOutcome
    {
        var outcome = StepOutcome(loss: 0)
        if let contrastive, let projections, let z = plan.projection {
            try eachChunk(next) { place in
                plan.forward()
                (projections.z.floats + place * chunkRows * dimension).update(
                    from: z, count: chunkRows * dimension)
            }
            outcome = try lossOrNaN { () throws(SupConError) in
                let result = try contrastive.evaluate(
                    features: projections.z.floats, positives: rows.positives(), perAnchor: nil,
                    gradient: projections.dz.floats, draw: turn)
                return StepOutcome(
                    loss: result.loss, anchorsWithoutPositive: result.anchorsWithoutPositive)
            }
            guard outcome.loss.isFinite else { return outcome }
            plan.movesStatistics = false
        }
        defer { plan.movesStatistics = true }
        let sum = gradients.floats
        sum.update(repeating: 0, count: network.parameters.trainableCount)
        var isFinite = true
        try eachChunk(next) { (place) throws(SupConError) in
            plan.forward()
            if let projections, let dz = plan.projectionGradient {
                dz.update(
                    from: projections.dz.floats + place * chunkRows * dimension,
                    count: chunkRows * dimension)
            }
            let found = try lossOrNaN { () throws(SupConError) in try classify(place) }
            outcome.classified += found.classified
            outcome.correct += found.correct
            if contrastive == nil { outcome.loss += found.loss * share }
            isFinite = isFinite && found.loss.isFinite
            guard isFinite else { return }
            plan.backward(addedToFeatures: classifier?.featureGradient)
            classifier?.finish(plan.gradients, labels: rows.rowLabels + place * chunkRows)
            let (from, factor) = (plan.gradients, contrastive == nil ? Float(share) : 1)
            Parallel.ranges(network.parameters.trainableCount, grain: 65536, threads: threads) {
                sc_accumulate(sum + $0.lowerBound, from + $0.lowerBound, factor, Int64($0.count))
            }
        }
        guard isFinite, outcome.loss.isFinite else {
            outcome.loss = .nan
            return outcome
        }
        optimizer.step(gradients: sum, rate: rate, threads: threads)
        return outcome
    }

    /// A chunk's part of the batch.
    private var share: Double { Double(chunkSize) / Double(batchSize) }

    /// Puts chunk after chunk into the plan and calls `body` with its number. Errors: the loader's
    /// and `body`'s.
    private func eachChunk(
        _ next: () throws(SupConError) -> LoadedBatch, _ body: (Int) throws(SupConError) -> Void
    ) throws(SupConError) {
        for place in 0..<(batchSize / chunkSize) {
            let chunk = try next()
            rows.fill(chunk.indices[...], at: place * chunkSize)
            plan.input.update(from: chunk.pixels, count: inputCount)
            try body(place)
        }
    }

    /// The classifier's loss on a chunk and its gradient, if there is one. Beside the contrastive
    /// loss the gradient gets its share here; alone all gradients get it.
    private func classify(_ place: Int) throws(SupConError) -> StepOutcome {
        guard let classifier, let logits = plan.logits, let gradient = plan.logitsGradient else {
            return StepOutcome(loss: 0)
        }
        let result = try classifier.evaluate(
            features: plan.headInput, logits: logits, labels: rows.rowLabels + place * chunkRows,
            mixer: nil, gradient: gradient)
        if contrastive != nil {
            for i in 0..<(chunkRows * network.configuration.classes) { gradient[i] *= Float(share) }
        }
        return StepOutcome(loss: result.loss, classified: chunkRows, correct: result.correct)
    }
}
