import Glibc
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// A step of stage 2: the frozen encoder, in evaluation mode, computes r, and the linear classifier
/// is trained on it with cross-entropy.
final class ClassifierStep: TrainingStep {
    private let network: Network
    private let plan: InferencePlan
    private let objective: ClassifierObjective
    private let mixer: BatchMixer?
    private let layer: LinearLayer
    private let labels: [Int]
    /// The weights of the samples, of mean 1; nil: all count the same.
    private let weights: [Float]?
    private let batchSize: Int
    private let chunkSize: Int
    private let inputCount: Int
    /// The classifier's input, for the whole batch: [batchSize, embeddingDimension].
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

    /// Errors: argument, state, unsupported, memory.
    init(
        _ model: Model, _ options: TrainOptions, _ phase: TrainingPhase? = nil, labels: [Int],
        weights: [Float]? = nil, context: ExecutionContext
    ) throws(SupConError) {
        let phase = phase ?? TrainingPhase(model)
        network = model.network
        let configuration = network.configuration
        guard let weight = network.parameters.entry(named: HeadLayer.classifierName + ".weight"),
            let bias = network.parameters.entry(named: HeadLayer.classifierName + ".bias")
        else { throw SupConError(.state, "the model has no classifier to train") }
        (self.weight, self.bias, self.labels, self.weights) = (weight, bias, labels, weights)
        batchSize = options.batchSize
        chunkSize = options.chunkSize > 0 ? options.chunkSize : batchSize
        threads = context.threads
        plan = try InferencePlan(
            network, images: chunkSize, height: phase.height, width: phase.width,
            precision: model.precision, context: context)
        objective = try ClassifierObjective(network, options, rows: batchSize)
        mixer = try BatchMixer(
            options, height: phase.height, width: phase.width,
            channels: configuration.channels, threads: context.threads)
        chance = log(Double(configuration.classes))
        layer = LinearLayer(
            rows: batchSize, inputs: configuration.embeddingDimension,
            outputs: configuration.classes,
            weight: network.parameters.pointer(weight),
            bias: network.parameters.pointer(bias), threads: threads)
        optimizer = try SupConTraining.optimizer(
            options, network.parameters, trained: [.classifier])
        inputCount = chunkSize * phase.height * phase.width * configuration.channels
        features = try AlignedBuffer(
            Float.self, count: batchSize * configuration.embeddingDimension)
        logits = try AlignedBuffer(Float.self, count: batchSize * configuration.classes)
        logitsGradient = try AlignedBuffer(Float.self, count: batchSize * configuration.classes)
        gradients = try AlignedBuffer(Float.self, count: network.parameters.trainableCount)
        rowLabels = try AlignedBuffer(Int64.self, count: batchSize)
        rowWeightBuffer = try AlignedBuffer(Float.self, count: batchSize)
    }

    var memoryByteCount: Int {
        plan.memoryByteCount + features.byteCount + logits.byteCount + logitsGradient.byteCount
            + gradients.byteCount
    }

    /// The frozen encoder may be a checkpoint's.
    func begin(resumed: Bool) { plan.reloadWeights() }

    /// The encoder does not learn here, so that chunks do not change what the rows are.
    var chunks: Loader.Chunks { Loader.Chunks(size: chunkSize, passes: 1) }

    func run(step: Int, rate: Double, next: () throws(SupConError) -> StepBatch)
        throws(SupConError) -> StepOutcome
    {
        let rowLabels = rowLabels.values(of: Int64.self)
        let rowWeights = weights == nil ? nil : UnsafePointer(rowWeightBuffer.floats)
        let perChunk = chunkSize * network.configuration.embeddingDimension
        for index in 0..<(batchSize / chunkSize) {
            let chunk = try next()
            guard case .pixels(let pixels) = chunk.views else {
                throw SupConError(.internal, "the linear objective has no feature cache")
            }
            for (row, sample) in chunk.indices.enumerated() {
                rowLabels[index * chunkSize + row] = Int64(labels[sample])
                if let weights {
                    rowWeightBuffer.floats[index * chunkSize + row] = weights[sample]
                }
            }
            // Mixing takes the whole batch: it does not go with chunks.
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
        let outcome = try lossOrNaN { () throws(SupConError) in
            let result = try objective.evaluate(
                features: features.floats, logits: logits.floats, labels: rowLabels,
                weights: rowWeights, mixer: mixer,
                gradient: logitsGradient.floats)
            return StepOutcome(loss: result.loss, classified: batchSize, correct: result.correct)
        }
        guard outcome.loss.isFinite else { return outcome }
        layer.backward(
            x: features.floats, y: logits.floats, dy: logitsGradient.floats,
            dWeight: gradients.floats + weight.offset, dBias: gradients.floats + bias.offset,
            dx: nil)
        optimizer.step(gradients: gradients.floats, rate: rate, threads: threads)
        return outcome
    }
}
