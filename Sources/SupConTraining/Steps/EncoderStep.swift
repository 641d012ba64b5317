import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// An encoder step trains the encoder on the whole batch at once: with the contrastive loss, with a
/// classifier beside it behind a stop-gradient, or with the classifier's loss alone.
final class EncoderStep: TrainingStep {
    private let pass: EncoderPass
    private let contrastive: ContrastiveLoss?
    private let mixer: BatchMixer?
    private let rows: BatchRows
    private let part: BatchPart
    /// The rows of all ranks; nil: the plan of this rank already holds all of them.
    private let projections: BatchProjections?
    private let ownRows: Range<Int>
    let chance: Double

    /// Plans the step. `labels`, `targets` and `weights` are those of the data set that sample
    /// indices refer to. Errors: argument, state, unsupported, memory.
    init(
        _ model: Model, _ options: TrainOptions, _ phase: TrainingPhase? = nil,
        labels: [Int]?, targets: Targets? = nil, weights: [Float]? = nil, part: BatchPart,
        context: ExecutionContext
    ) throws(SupConError) {
        let phase = phase ?? TrainingPhase(model)
        let configuration = model.network.configuration
        let (dimension, views) = (configuration.contrastedDimension, options.effectiveViews)
        self.part = part
        ownRows = part.rows(perSample: views)[part.ranks.rank]
        rows = try BatchRows(
            options, labels: labels, targets: targets, weights: weights, dimension: dimension,
            context: context)
        pass = try EncoderPass(
            model, options, phase, samples: part.own.count, views: views, part: part,
            context: context)
        contrastive = try options.contrastiveLoss(
            dimension: dimension, ranks: part.ranks, context: context)
        projections =
            contrastive == nil || part.ranks.isAlone
            ? nil : try BatchProjections(part, views: views, dimension: dimension)
        chance = options.chance(classes: configuration.classes)
        mixer = try BatchMixer(
            options, part, height: phase.height, width: phase.width,
            channels: configuration.channels, threads: context.threads)
    }

    var optimizer: any Optimizer { pass.optimizer }
    var encoderPass: EncoderPass? { pass }
    var memoryByteCount: Int {
        pass.memoryByteCount + (contrastive?.memoryByteCount ?? 0) + rows.memoryByteCount
            + (projections?.memoryByteCount ?? 0)
    }
    private var z: UnsafeMutablePointer<Float>? { projections?.z ?? pass.plan.projection }
    var embeddings: Embeddings? { z.map { rows.embeddings($0) } }
    var spread: Double { z.map { rows.spread($0) } ?? 1 }
    var chunks: Loader.Chunks {
        Loader.Chunks(
            size: part.own.count * (mixer == nil || part.ranks.isAlone ? 1 : 2), passes: 1)
    }
    func sources(step: Int) -> [Int] { mixer?.sources(step: step) ?? Array(part.own) }

    func begin(resumed: Bool) { pass.begin() }

    func run(
        step: Int, rate: Double, samples: [Int], next: () throws(SupConError) -> StepBatch
    ) throws(SupConError) -> StepOutcome {
        let (batch, delivered) = try part.load(samples) { () throws(SupConError) in
            let batch = try next()
            if mixer == nil { try pass.load(batch) }
            return (batch, batch.indices)
        }
        try rows.fill(delivered[...], at: 0)
        pass.noteStatistics()
        if let mixer, case .pixels(let pixels) = batch.views {
            mixer.mix(
                pixels, labels: rows.rowLabels, weights: rows.rowWeights, step: step,
                into: pass.plan.input)
            pass.loadInput()
        }
        pass.forward()
        try part.ranks.check()
        if let projections, let z = pass.plan.projection { try projections.gather(z) }
        let outcome = try part.merge { () throws(SupConError) in
            try lossOrNaN { () throws(SupConError) in try evaluate(step) }
        }
        guard outcome.loss.isFinite else { return outcome }
        if let projections, let dz = pass.plan.projectionGradient { projections.scatter(into: dz) }
        pass.backward(labels: rows.rowLabels + ownRows.lowerBound)
        try pass.finish(pass.plan.gradients, rate: rate)
        return outcome
    }

    /// Evaluates the losses, and writes their gradients to the plan.
    private func evaluate(_ step: Int) throws(SupConError) -> StepOutcome {
        var outcome = StepOutcome(loss: 0)
        if let contrastive, let z,
            let dz = projections?.gradient ?? pass.plan.projectionGradient
        {
            let result = try contrastive.evaluate(
                features: z, positives: rows.positives(), perAnchor: nil, gradient: dz,
                sampleWeights: rows.sampleWeights, draw: step)
            outcome.loss = result.loss
            outcome.anchorsWithoutPositive = result.anchorsWithoutPositive
        }
        if let found = try pass.classify(
            labels: rows.rowLabels + ownRows.lowerBound,
            weights: rows.rowWeights.map { $0 + ownRows.lowerBound }, mixer: mixer)
        {
            if contrastive == nil { outcome.loss = found.loss }
            (outcome.classified, outcome.correct) = (found.classified, found.correct)
        }
        return outcome
    }
}
