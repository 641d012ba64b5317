import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// A cached-gradient step trains on batches larger than the network can process at once, by
/// gradient caching (Gao et al., "Scaling deep contrastive learning batch size under memory limited
/// setup", arXiv:2101.06983):
///
/// 1. Run each chunk forward, and keep z of all rows.
/// 2. Compute the loss of all rows, and dL/dz.
/// 3. Run each chunk, with the same views, forward once more, and backward from its rows of dL/dz.
///    The gradients of the chunks add up: dL/dθ = Σ (∂z_chunk/∂θ)ᵀ dL/dz_chunk.
///
/// The gradient is exact, because batch norm uses each chunk's own statistics, so that no chunk's z
/// depends on another chunk. Running statistics are updated in the first pass only. A classifier's
/// loss is a mean over rows, so that without the contrastive loss a single pass suffices. With
/// several ranks, each processes some of the chunks.
final class CachedGradientStep: TrainingStep {
    private let pass: EncoderPass
    private let contrastive: ContrastiveLoss?
    private let rows: BatchRows
    private let part: BatchPart
    private let chunkSize: Int
    /// The rows of one chunk, and the elements of their z.
    private let chunkRows: Int
    private let chunkElements: Int
    /// The z and dL/dz of all rows; nil without a contrastive loss.
    private let projections: BatchProjections?
    private let gradients: AlignedBuffer
    let chance: Double
    let memoryByteCount: Int

    /// Plans the step. `labels`, `targets` and `weights` are those of the data set that sample
    /// indices refer to. Errors: argument, state, unsupported, memory.
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

    /// Runs the first pass: it gathers z of all rows, and sets the samples of the batch.
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

    /// Runs the pass that sums the gradients of this rank's chunks, and begins their sum over the
    /// ranks. Returns the classifier's outcome, with its mean loss over the chunks.
    private func gatherGradients(_ next: () throws(SupConError) -> StepBatch)
        throws(SupConError) -> StepOutcome
    {
        let sum = gradients.floats
        sum.update(repeating: 0, count: pass.network.parameters.trainableCount)
        var total = StepOutcome(loss: 0)
        func labels(_ chunk: Int) -> UnsafePointer<Int64> { rows.rowLabels + chunk * chunkRows }
        let last = part.own.upperBound / chunkSize - 1
        try eachChunk(next) { (chunk, samples) throws(SupConError) in
            if let projections, let dz = pass.plan.projectionGradient {
                dz.update(
                    from: projections.gradient + chunk * chunkElements, count: chunkElements)
            }
            try rows.fill(samples[...], at: chunk * chunkSize)
            let found = try lossOrNaN { () throws(SupConError) in
                try pass.classify(
                    labels: labels(chunk), weights: rows.rowWeights.map { $0 + chunk * chunkRows })
                    ?? StepOutcome(loss: 0)
            }
            total.classified += found.classified
            total.correct += found.correct
            total.loss += found.loss * Double(chunkSize) / Double(part.own.count)
            // A loss that is not finite invalidates the sum, which is then discarded; the ranks
            // nevertheless continue together.
            if chunk != last { pass.backward(labels: labels(chunk), addedTo: sum, isLast: false) }
        }
        // Exchanges, and so waits until all ranks have come through their chunks.
        pass.backward(labels: labels(last), addedTo: sum)
        return total
    }

    /// Loads this rank's chunks one after the other, runs each forward, and calls `body` with the
    /// chunk's index in the batch and its samples. Ranks may have different numbers of chunks,
    /// unless batch norm is synchronized. Errors: those of the loader and of `body`, io.
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
