import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// A step that trains the encoder on the whole batch at once: with the contrastive loss, with the
/// classifier beside it behind a stop-gradient, or with the classifier's loss alone.
final class EncoderStep: TrainingStep {
    private let pass: EncoderPass
    private let contrastive: ContrastiveLoss?
    private let mixer: BatchMixer?
    private let rows: BatchRows
    private let batchSize: Int
    let chance: Double

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
        batchSize = options.batchSize
        rows = try BatchRows(
            options, labels: labels, targets: targets, weights: weights, dimension: dimension,
            context: context)
        pass = try EncoderPass(model, options, phase, images: rows.count, context: context)
        contrastive = try options.contrastiveLoss(dimension: dimension, context: context)
        chance = options.chance(classes: configuration.classes)
        mixer = try BatchMixer(
            options, height: phase.height, width: phase.width,
            channels: configuration.channels, threads: context.threads)
    }

    var optimizer: any Optimizer { pass.optimizer }
    var encoderPass: EncoderPass? { pass }
    var memoryByteCount: Int {
        pass.memoryByteCount + (contrastive?.memoryByteCount ?? 0) + rows.memoryByteCount
    }
    var embeddings: Embeddings? { pass.plan.projection.map { rows.embeddings($0) } }
    var spread: Double { pass.plan.projection.map { rows.spread($0) } ?? 1 }
    var chunks: Loader.Chunks { Loader.Chunks(size: batchSize, passes: 1) }

    func begin(resumed: Bool) { pass.begin() }

    func run(step: Int, rate: Double, next: () throws(SupConError) -> StepBatch)
        throws(SupConError) -> StepOutcome
    {
        let batch = try next()
        rows.fill(batch.indices[...], at: 0)
        if let mixer, case .pixels(let pixels) = batch.views {
            mixer.mix(
                pixels, labels: rows.rowLabels, weights: rows.rowWeights, step: step,
                into: pass.plan.input)
            pass.loadInput()
        } else {
            try pass.load(batch)
        }
        pass.forward()
        let outcome = try lossOrNaN { () throws(SupConError) in try evaluate(step) }
        guard outcome.loss.isFinite else { return outcome }
        pass.backward(labels: rows.rowLabels)
        optimizer.step(gradients: pass.plan.gradients, rate: rate, threads: pass.threads)
        return outcome
    }

    /// Evaluates the losses, and their gradients where the plan takes them.
    private func evaluate(_ step: Int) throws(SupConError) -> StepOutcome {
        var outcome = StepOutcome(loss: 0)
        if let contrastive, let z = pass.plan.projection, let dz = pass.plan.projectionGradient {
            let result = try contrastive.evaluate(
                features: z, positives: rows.positives(), perAnchor: nil, gradient: dz,
                sampleWeights: rows.sampleWeights, draw: step)
            outcome.loss = result.loss
            outcome.anchorsWithoutPositive = result.anchorsWithoutPositive
        }
        if let found = try pass.classify(
            labels: rows.rowLabels, weights: rows.rowWeights, mixer: mixer)
        {
            if contrastive == nil { outcome.loss = found.loss }
            (outcome.classified, outcome.correct) = (found.classified, found.correct)
        }
        return outcome
    }
}
