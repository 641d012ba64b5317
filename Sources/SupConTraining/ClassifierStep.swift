import Glibc
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor

/// A step of stage 2: the encoder in evaluation mode, its output r, and the linear classifier trained on it with cross-entropy.
final class ClassifierStep: TrainingStep {
    private let network: Network
    private let plan: InferencePlan
    private let objective: ClassifierObjective
    private let mixer: BatchMixer?
    private let layer: LinearLayer
    private let labels: [Int]
    private let batchSize: Int
    private let inputCount: Int
    private let logits: AlignedBuffer
    private let logitsGradient: AlignedBuffer
    private let gradients: AlignedBuffer
    private let weight: ParameterStore.Entry
    private let bias: ParameterStore.Entry
    private let rowLabels: AlignedBuffer
    private let threads: Int
    let optimizer: any Optimizer
    let chance: Double
    var embeddings: Embeddings? { nil }
    var spread: Double { 1 }

    /// Errors: argument, state, unsupported, memory.
    init(_ model: Model, _ options: TrainOptions, labels: [Int], context: ExecutionContext) throws(SupConError) {
        network = model.network
        let configuration = network.configuration
        guard let weight = network.parameters.entry(named: HeadLayer.classifierName + ".weight"), let bias = network.parameters.entry(named: HeadLayer.classifierName + ".bias")
        else { throw SupConError(.state, "the model has no classifier to train") }
        (self.weight, self.bias, self.labels) = (weight, bias, labels)
        batchSize = options.batchSize
        threads = context.threads
        plan = try InferencePlan(
            network, images: batchSize, height: model.imageHeight, width: model.imageWidth, precision: model.precision, context: context)
        objective = try ClassifierObjective(network, options, rows: batchSize)
        mixer = try BatchMixer(options, height: model.imageHeight, width: model.imageWidth, channels: configuration.channels, threads: context.threads)
        chance = log(Double(configuration.classes))
        layer = LinearLayer(
            rows: batchSize, inputs: configuration.encoderOutput, outputs: configuration.classes, weight: network.parameters.pointer(weight),
            bias: network.parameters.pointer(bias), threads: threads)
        optimizer = try SupConTraining.optimizer(options, network.parameters, parts: [.classifier])
        inputCount = batchSize * model.imageHeight * model.imageWidth * configuration.channels
        logits = try AlignedBuffer(Float.self, count: batchSize * configuration.classes)
        logitsGradient = try AlignedBuffer(Float.self, count: batchSize * configuration.classes)
        gradients = try AlignedBuffer(Float.self, count: network.parameters.trainableCount)
        rowLabels = try AlignedBuffer(Int64.self, count: batchSize)
    }

    var memoryByteCount: Int { plan.memoryByteCount + logits.byteCount + logitsGradient.byteCount + gradients.byteCount }

    /// The frozen encoder may be a checkpoint's.
    func begin(resumed: Bool) { plan.reloadWeights() }

    func run(_ input: UnsafePointer<Float>, samples: [Int], turn: Int, rate: Double) throws(SupConError) -> StepOutcome {
        let rowLabels = rowLabels.values(of: Int64.self)
        for (row, sample) in samples.enumerated() { rowLabels[row] = Int64(labels[sample]) }
        if let mixer { mixer.mix(input, labels: rowLabels, turn: turn, into: plan.input) } else { plan.input.update(from: input, count: inputCount) }
        plan.run()
        layer.forward(x: plan.headInput, y: logits.floats)
        let outcome = try lossOrNaN { () throws(SupConError) in
            let result = try objective.evaluate(
                features: plan.headInput, logits: logits.floats, labels: rowLabels, mixer: mixer, gradient: logitsGradient.floats)
            return StepOutcome(loss: result.loss, classified: batchSize, correct: result.correct)
        }
        guard outcome.loss.isFinite else { return outcome }
        layer.backward(
            x: plan.headInput, y: logits.floats, dy: logitsGradient.floats, dWeight: gradients.floats + weight.offset, dBias: gradients.floats + bias.offset, dx: nil)
        optimizer.step(gradients: gradients.floats, rate: rate, threads: threads)
        return outcome
    }
}
