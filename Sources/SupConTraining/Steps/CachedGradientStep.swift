import CKernels
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
    private let pass: EncoderPass
    private let contrastive: ContrastiveLoss?
    private let rows: BatchRows
    private let batchSize: Int
    private let chunkSize: Int
    /// Elements of z of one chunk.
    private let chunkElements: Int
    /// z and dL/dz of all rows; nil without the contrastive loss.
    private let projections: (z: AlignedBuffer, dz: AlignedBuffer)?
    private let gradients: AlignedBuffer
    let chance: Double
    let memoryByteCount: Int

    /// `labels`, `targets`, `weights`: of the data set that samples index. Errors: argument, state,
    /// unsupported, memory.
    init(
        _ model: Model, _ options: TrainOptions, _ phase: TrainingPhase? = nil,
        labels: [Int]?, targets: Targets? = nil, weights: [Float]? = nil,
        context: ExecutionContext
    ) throws(SupConError) {
        let phase = phase ?? TrainingPhase(model)
        let configuration = model.network.configuration
        let dimension = configuration.contrastedDimension
        (batchSize, chunkSize) = (options.batchSize, options.chunkSize)
        let views = options.effectiveViews
        pass = try EncoderPass(model, options, phase, images: chunkSize * views, context: context)
        chunkElements = chunkSize * views * dimension
        contrastive = try options.contrastiveLoss(dimension: dimension, context: context)
        if contrastive != nil {
            let count = batchSize.multipliedReportingOverflow(by: views * dimension)
            try require(
                !count.overflow, .memory,
                "\(batchSize) images of \(views) views are more than memory")
            projections = (
                try AlignedBuffer(Float.self, count: count.partialValue),
                try AlignedBuffer(Float.self, count: count.partialValue)
            )
        } else {
            projections = nil
        }
        chance = options.chance(classes: configuration.classes)
        rows = try BatchRows(
            options, labels: labels, targets: targets, weights: weights, dimension: dimension,
            context: context)
        gradients = try AlignedBuffer(
            Float.self, count: model.network.parameters.trainableCount)
        memoryByteCount =
            pass.memoryByteCount + (contrastive?.memoryByteCount ?? 0)
            + (projections.map { $0.z.byteCount + $0.dz.byteCount } ?? 0) + gradients.byteCount
            + rows.memoryByteCount
        try context.checkMemory(
            memoryByteCount, for: "a training step of \(batchSize) images in chunks of \(chunkSize)"
        )
    }

    var optimizer: any Optimizer { pass.optimizer }
    var encoderPass: EncoderPass? { pass }
    var chunks: Loader.Chunks { Loader.Chunks(size: chunkSize, passes: contrastive == nil ? 1 : 2) }
    var embeddings: Embeddings? { projections.map { rows.embeddings($0.z.floats) } }
    var spread: Double { projections.map { rows.spread($0.z.floats) } ?? 1 }

    func begin(resumed: Bool) { pass.begin() }

    func run(step: Int, rate: Double, next: () throws(SupConError) -> StepBatch)
        throws(SupConError) -> StepOutcome
    {
        var outcome = StepOutcome(loss: 0)
        if let contrastive, let projections {
            try gatherProjections(next, into: projections.z.floats)
            outcome = try lossOrNaN { () throws(SupConError) in
                let result = try contrastive.evaluate(
                    features: projections.z.floats, positives: rows.positives(), perAnchor: nil,
                    gradient: projections.dz.floats, sampleWeights: rows.sampleWeights, draw: step)
                return StepOutcome(
                    loss: result.loss, anchorsWithoutPositive: result.anchorsWithoutPositive)
            }
            guard outcome.loss.isFinite else { return outcome }
            pass.plan.movesStatistics = false
        }
        defer { pass.plan.movesStatistics = true }
        let isFinite = try gatherGradients(next, &outcome)
        guard isFinite, outcome.loss.isFinite else {
            outcome.loss = .nan
            return outcome
        }
        optimizer.step(gradients: gradients.floats, rate: rate, threads: pass.threads)
        return outcome
    }

    /// The fraction of the batch that a chunk is.
    private var fraction: Double { Double(chunkSize) / Double(batchSize) }

    /// The first pass: z of all rows.
    private func gatherProjections(
        _ next: () throws(SupConError) -> StepBatch, into z: UnsafeMutablePointer<Float>
    ) throws(SupConError) {
        try eachChunk(next) { chunk in
            guard let from = pass.plan.projection else { return }
            (z + chunk * chunkElements).update(from: from, count: chunkElements)
        }
    }

    /// The pass that sums the gradients of all chunks, and what the classifier found into
    /// `outcome`. False: a classifier's loss was not finite, and the sum is not complete.
    private func gatherGradients(
        _ next: () throws(SupConError) -> StepBatch, _ outcome: inout StepOutcome
    ) throws(SupConError) -> Bool {
        let (sum, count) = (gradients.floats, pass.network.parameters.trainableCount)
        sum.update(repeating: 0, count: count)
        var (total, isFinite) = (outcome, true)
        try eachChunk(next) { (chunk) throws(SupConError) in
            if let projections, let dz = pass.plan.projectionGradient {
                dz.update(
                    from: projections.dz.floats + chunk * chunkElements, count: chunkElements)
            }
            let labels = rows.rowLabels + chunk * pass.images
            let found = try lossOrNaN { () throws(SupConError) in
                try classify(labels, rows.rowWeights.map { $0 + chunk * pass.images })
            }
            total.classified += found.classified
            total.correct += found.correct
            if contrastive == nil { total.loss += found.loss * fraction }
            isFinite = isFinite && found.loss.isFinite
            guard isFinite else { return }
            pass.backward(labels: labels)
            let (from, factor) = (pass.plan.gradients, contrastive == nil ? Float(fraction) : 1)
            Parallel.ranges(count, grain: 65536, threads: pass.threads) {
                sc_accumulate(sum + $0.lowerBound, from + $0.lowerBound, factor, Int64($0.count))
            }
        }
        outcome = total
        return isFinite
    }

    /// Loads chunk after chunk, runs it forward, and calls `body` with its index. Errors: the
    /// loader's and `body`'s.
    private func eachChunk(
        _ next: () throws(SupConError) -> StepBatch, _ body: (Int) throws(SupConError) -> Void
    ) throws(SupConError) {
        for index in 0..<(batchSize / chunkSize) {
            let chunk = try next()
            rows.fill(chunk.indices[...], at: index * chunkSize)
            try pass.load(chunk)
            pass.forward()
            try body(index)
        }
    }

    /// Evaluates the classifier's loss on a chunk and its gradient, if there is one. Beside the
    /// contrastive loss its gradient is weighted by the chunk's fraction here; alone all gradients
    /// are.
    private func classify(_ labels: UnsafePointer<Int64>, _ weights: UnsafePointer<Float>?)
        throws(SupConError) -> StepOutcome
    {
        guard let found = try pass.classify(labels: labels, weights: weights) else {
            return StepOutcome(loss: 0)
        }
        if contrastive != nil, let gradient = pass.plan.logitsGradient {
            let classes = pass.network.configuration.classes
            for i in 0..<(pass.images * classes) { gradient[i] *= Float(fraction) }
        }
        return found
    }
}
