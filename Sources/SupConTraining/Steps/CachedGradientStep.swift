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
/// rows: without the contrastive loss one pass does. Several ranks take some of the chunks each.
final class CachedGradientStep: TrainingStep {
    private let pass: EncoderPass
    private let contrastive: ContrastiveLoss?
    private let rows: BatchRows
    private let part: BatchPart
    private let chunkSize: Int
    /// Rows of one chunk, and elements of their z.
    private let chunkRows: Int
    private let chunkElements: Int
    /// z and dL/dz of all rows; nil without the contrastive loss.
    private let projections: BatchProjections?
    private let gradients: AlignedBuffer
    let chance: Double
    let memoryByteCount: Int

    /// `labels`, `targets`, `weights`: of the data set that samples index. Errors: argument, state,
    /// unsupported, memory.
    init(
        _ model: Model, _ options: TrainOptions, _ phase: TrainingPhase? = nil,
        labels: [Int]?, targets: Targets? = nil, weights: [Float]? = nil, part: BatchPart,
        context: ExecutionContext
    ) throws(SupConError) {
        let phase = phase ?? TrainingPhase(model)
        let configuration = model.network.configuration
        let dimension = configuration.contrastedDimension
        chunkSize = options.chunkSize
        let views = options.effectiveViews
        self.part = part
        pass = try EncoderPass(
            model, options, phase, samples: chunkSize, views: views, part: part, context: context)
        (chunkRows, chunkElements) = (chunkSize * views, chunkSize * views * dimension)
        contrastive = try options.contrastiveLoss(
            dimension: dimension, ranks: part.ranks, context: context)
        projections =
            contrastive == nil
            ? nil : try BatchProjections(part, views: views, dimension: dimension)
        chance = options.chance(classes: configuration.classes)
        rows = try BatchRows(
            options, labels: labels, targets: targets, weights: weights, dimension: dimension,
            context: context)
        gradients = try AlignedBuffer(
            Float.self, count: model.network.parameters.trainableCount)
        memoryByteCount =
            pass.memoryByteCount + (contrastive?.memoryByteCount ?? 0)
            + (projections?.memoryByteCount ?? 0) + gradients.byteCount + rows.memoryByteCount
        try context.checkMemory(
            memoryByteCount,
            for: "a training step of \(part.own.count) images in chunks of \(chunkSize)"
        )
    }

    var optimizer: any Optimizer { pass.optimizer }
    var encoderPass: EncoderPass? { pass }
    var chunks: Loader.Chunks { Loader.Chunks(size: chunkSize, passes: contrastive == nil ? 1 : 2) }
    func sources(step: Int) -> [Int] { Array(part.own) }
    var embeddings: Embeddings? { projections.map { rows.embeddings($0.z) } }
    var spread: Double { projections.map { rows.spread($0.z) } ?? 1 }

    func begin(resumed: Bool) { pass.begin() }

    func run(
        step: Int, rate: Double, samples: [Int], next: () throws(SupConError) -> StepBatch
    ) throws(SupConError) -> StepOutcome {
        pass.noteStatistics()
        var outcome = StepOutcome(loss: 0)
        if let contrastive, let projections {
            try gatherProjections(samples, next, projections)
            outcome = try part.merge { () throws(SupConError) in
                try lossOrNaN { () throws(SupConError) in
                    let result = try contrastive.evaluate(
                        features: projections.z, positives: rows.positives(), perAnchor: nil,
                        gradient: projections.gradient, sampleWeights: rows.sampleWeights,
                        draw: step)
                    return StepOutcome(
                        loss: result.loss, anchorsWithoutPositive: result.anchorsWithoutPositive)
                }
            }
            guard outcome.loss.isFinite else { return outcome }
            pass.plan.movesStatistics = false
        }
        defer { pass.plan.movesStatistics = true }
        let found = try gatherGradients(next)
        let classifier = try part.merge { () throws(SupConError) in found }
        (outcome.classified, outcome.correct) = (classifier.classified, classifier.correct)
        if contrastive == nil || !classifier.loss.isFinite { outcome.loss = classifier.loss }
        guard outcome.loss.isFinite else { return outcome }
        try pass.finish(gradients.floats, rate: rate)
        return outcome
    }

    /// The first pass: z of all rows, and the samples that they are of.
    private func gatherProjections(
        _ planned: [Int], _ next: () throws(SupConError) -> StepBatch,
        _ projections: BatchProjections
    ) throws(SupConError) {
        var delivered: [Int] = []
        try eachChunk(next) { chunk, samples in
            delivered += samples
            guard let from = pass.plan.projection else { return }
            (projections.z + chunk * chunkElements).update(from: from, count: chunkElements)
        }
        let (_, all) = try part.load(planned) { () throws(SupConError) in ((), delivered) }
        try rows.fill(all[...], at: 0)
        try projections.gather()
    }

    /// The pass that sums the gradients of this rank's chunks. Returns what the classifier found,
    /// with its mean loss over them.
    private func gatherGradients(_ next: () throws(SupConError) -> StepBatch)
        throws(SupConError) -> StepOutcome
    {
        let (sum, count) = (gradients.floats, pass.network.parameters.trainableCount)
        sum.update(repeating: 0, count: count)
        var total = StepOutcome(loss: 0)
        try eachChunk(next) { (chunk, samples) throws(SupConError) in
            if let projections, let dz = pass.plan.projectionGradient {
                dz.update(
                    from: projections.gradient + chunk * chunkElements, count: chunkElements)
            }
            try rows.fill(samples[...], at: chunk * chunkSize)
            let labels = rows.rowLabels + chunk * chunkRows
            let found = try lossOrNaN { () throws(SupConError) in
                try pass.classify(
                    labels: labels, weights: rows.rowWeights.map { $0 + chunk * chunkRows })
                    ?? StepOutcome(loss: 0)
            }
            total.classified += found.classified
            total.correct += found.correct
            total.loss += found.loss * Double(chunkSize) / Double(part.own.count)
            // A loss that is not finite spoils the sum, which is not used then; the ranks go on
            // side by side.
            pass.backward(labels: labels)
            let from = pass.plan.gradients
            Parallel.ranges(count, grain: 65536, threads: pass.threads) {
                sc_accumulate(sum + $0.lowerBound, from + $0.lowerBound, 1, Int64($0.count))
            }
        }
        return total
    }

    /// Loads chunk after chunk of this rank, runs it forward, and calls `body` with its index in
    /// the batch and its samples. Ranks may have unequal numbers of them, unless each exchanges
    /// statistics. Errors: the loader's, `body`'s, io.
    private func eachChunk(
        _ next: () throws(SupConError) -> StepBatch,
        _ body: (_ chunk: Int, _ samples: [Int]) throws(SupConError) -> Void
    ) throws(SupConError) {
        func load() throws(SupConError) -> [Int] {
            let chunk = try next()
            try pass.load(chunk)
            return chunk.indices
        }
        func run(_ samples: [Int], _ index: Int) throws(SupConError) {
            pass.forward()
            try body(index, samples)
        }
        let (ranks, own) = (part.ranks, part.own)
        let indices = (own.lowerBound / chunkSize)..<(own.upperBound / chunkSize)
        if pass.synchronizes {
            for index in indices { try run(try ranks.together(load), index) }
            return try ranks.check()
        }
        try ranks.together { () throws(SupConError) in
            for index in indices { try run(try load(), index) }
        }
    }
}
