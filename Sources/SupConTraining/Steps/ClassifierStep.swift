import Glibc
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// A classifier step belongs to stage 2: the frozen encoder, in evaluation mode, computes r, and
/// the linear classifier is trained on it with cross-entropy.
final class ClassifierStep: TrainingStep {
    private let network: Network
    private let plan: InferencePlan
    private let objective: ClassifierObjective
    private let mixer: BatchMixer?
    private let layer: LinearLayer
    private let labels: [Int]
    /// The weights of the samples, with mean 1; nil: all samples weigh the same.
    private let weights: [Float]?
    private let part: BatchPart
    /// The sum of gradients in bf16; nil: ranks exchange them in f32.
    private let rounded: RoundedSum?
    private let chunkSize: Int
    private let inputCount: Int
    /// The classifier's input for all of this rank's part, [images, embeddingDimension].
    private let features: AlignedBuffer
    private let logits: AlignedBuffer
    private let logitsGradient: AlignedBuffer
    private let gradients: AlignedBuffer
    private let weight: ParameterStore.Entry
    private let bias: ParameterStore.Entry
    private let rowLabels: AlignedBuffer
    private let rowWeightBuffer: AlignedBuffer
    private let threads: Int
    let optimizer: any Optimizer
    let chance: Double
    var embeddings: Embeddings? { nil }
    var spread: Double { 1 }

    /// Plans the step. Errors: argument, state, unsupported, memory.
    init(
        _ model: Model, _ options: TrainOptions, _ phase: TrainingPhase? = nil, labels: [Int],
        weights: [Float]? = nil, part: BatchPart, context: ExecutionContext
    ) throws(SupConError) {
        let phase = phase ?? TrainingPhase(model)
        network = model.network
        let configuration = network.configuration
        guard let weight = network.parameters.entry(named: HeadLayer.classifierName + ".weight"),
            let bias = network.parameters.entry(named: HeadLayer.classifierName + ".bias")
        else { throw SupConError(.state, "the model has no classifier to train") }
        (self.weight, self.bias, self.labels, self.weights) = (weight, bias, labels, weights)
        let images = part.own.count
        self.part = part
        chunkSize = options.chunkSize > 0 ? options.chunkSize : images
        threads = context.threads
        rounded = try options.roundedSum(
            part.ranks, count: bias.range.upperBound - weight.offset)
        plan = try InferencePlan(
            network, images: chunkSize, height: phase.height, width: phase.width,
            precision: model.precision, context: context)
        objective = try ClassifierObjective(network, options, rows: images, fraction: part.fraction)
        mixer = try BatchMixer(
            options, part, height: phase.height, width: phase.width,
            channels: configuration.channels, threads: context.threads)
        chance = log(Double(configuration.classes))
        layer = LinearLayer(
            rows: images, inputs: configuration.embeddingDimension,
            outputs: configuration.classes,
            weight: network.parameters.pointer(weight),
            bias: network.parameters.pointer(bias), threads: threads)
        optimizer = try SupConTraining.optimizer(
            options, network.parameters, trained: [.classifier])
        inputCount = chunkSize * phase.height * phase.width * configuration.channels
        features = try AlignedBuffer(
            Float.self, count: images * configuration.embeddingDimension)
        logits = try AlignedBuffer(Float.self, count: images * configuration.classes)
        logitsGradient = try AlignedBuffer(Float.self, count: images * configuration.classes)
        gradients = try AlignedBuffer(Float.self, count: network.parameters.trainableCount)
        rowLabels = try AlignedBuffer(Int64.self, count: options.batchSize)
        rowWeightBuffer = try AlignedBuffer(Float.self, count: options.batchSize)
    }

    var memoryByteCount: Int {
        plan.memoryByteCount + features.byteCount + logits.byteCount + logitsGradient.byteCount
            + gradients.byteCount + (rounded?.byteCount ?? 0)
    }

    /// Reloads the encoder's weights, which may have come from a checkpoint.
    func begin(resumed: Bool) { plan.reloadWeights() }

    /// The chunks in which the part is loaded. The encoder does not learn here, so that the chunk
    /// size does not affect the rows.
    var chunks: Loader.Chunks {
        Loader.Chunks(size: chunkSize * (mixer == nil || part.ranks.isAlone ? 1 : 2), passes: 1)
    }
    func sources(step: Int) -> [Int] { mixer?.sources(step: step) ?? Array(part.own) }

    func run(
        step: Int, rate: Double, samples: [Int], next: () throws(SupConError) -> StepBatch
    ) throws(SupConError) -> StepOutcome {
        let outcome = try part.merge { () throws(SupConError) in try evaluate(step, samples, next) }
        guard outcome.loss.isFinite else { return outcome }
        layer.backward(
            x: features.floats, y: logits.floats, dy: logitsGradient.floats,
            dWeight: gradients.floats + weight.offset, dBias: gradients.floats + bias.offset,
            dx: nil)
        part.ranks.beginSum(
            gradients.floats + weight.offset, count: bias.range.upperBound - weight.offset,
            rounded: rounded)
        try part.ranks.finishSums()
        optimizer.step(gradients: gradients.floats, rate: rate, threads: threads)
        return outcome
    }

    /// Computes the features of this rank's part, the loss, and dL/dlogits. Errors: those of the
    /// loader, internal.
    private func evaluate(
        _ step: Int, _ samples: [Int], _ next: () throws(SupConError) -> StepBatch
    ) throws(SupConError) -> StepOutcome {
        let rowLabels = rowLabels.values(of: Int64.self)
        let rowWeights = weights == nil ? nil : UnsafePointer(rowWeightBuffer.floats)
        func set(_ sample: Int, at index: Int) {
            rowLabels[index] = Int64(labels[sample])
            if let weights { rowWeightBuffer.floats[index] = weights[sample] }
        }
        for (index, sample) in samples.enumerated() { set(sample, at: index) }
        let sources = sources(step: step)
        let perChunk = chunkSize * network.configuration.embeddingDimension
        for index in 0..<(part.own.count / chunkSize) {
            let chunk = try next()
            guard case .pixels(let pixels) = chunk.views else {
                throw SupConError(.internal, "the linear objective has no feature cache")
            }
            for (row, sample) in chunk.indices.enumerated() {
                set(sample, at: sources[index * chunkSize + row])
            }
            // Mixing needs the whole batch, so it is not combined with chunks.
            if let mixer {
                mixer.mix(
                    pixels, labels: rowLabels, weights: rowWeights, step: step, into: plan.input)
            } else {
                plan.input.update(from: pixels, count: inputCount)
            }
            plan.run(projection: false, logits: false)
            (features.floats + index * perChunk).update(from: plan.headInput, count: perChunk)
        }
        layer.forward(x: features.floats, y: logits.floats)
        return try lossOrNaN { () throws(SupConError) in
            let result = try objective.evaluate(
                features: features.floats, logits: logits.floats,
                labels: rowLabels + part.own.lowerBound,
                weights: rowWeights.map { $0 + part.own.lowerBound }, mixer: mixer,
                gradient: logitsGradient.floats)
            return StepOutcome(
                loss: result.loss, classified: part.own.count, correct: result.correct)
        }
    }
}
