import SupConLoss
import SupConNetwork
import SupConTensor

/// The objective of a classifier is cross-entropy, with smoothed or mixed labels, or the
/// large-margin softmax. Each step has its own, with its own workspaces.
final class ClassifierObjective {
    private let rows: Int
    /// The factor of the gradient. The loss is a mean over these rows, which are only this fraction
    /// of the batch.
    private let fraction: Float
    private let crossEntropy: CrossEntropy
    private let margin: LargeMargin?
    private let weight: ParameterStore.Entry
    private let bias: ParameterStore.Entry
    private let parameters: ParameterStore
    /// The margin's contribution to the gradient of the features, [rows, embeddingDimension].
    private let featureRest: AlignedBuffer?

    /// Makes the objective for `rows` rows at a time, which are `fraction` of those of the batch.
    /// Errors: argument, state (no classifier), memory.
    init(_ network: Network, _ options: TrainOptions, rows: Int, fraction: Double)
        throws(SupConError)
    {
        self.fraction = Float(fraction)
        parameters = network.parameters
        guard let weight = parameters.entry(named: HeadLayer.classifierName + ".weight"),
            let bias = parameters.entry(named: HeadLayer.classifierName + ".bias")
        else { throw SupConError(.state, "the model has no classifier to train") }
        (self.weight, self.bias, self.rows) = (weight, bias, rows)
        let configuration = network.configuration
        crossEntropy = try CrossEntropy(
            classes: configuration.classes, labelSmoothing: Float(options.labelSmoothing))
        let hasMargin = options.objective == .maxMargin
        margin =
            hasMargin
            ? try LargeMargin(
                options.margin, rows: rows, inputs: configuration.embeddingDimension,
                crossEntropy: crossEntropy) : nil
        featureRest =
            hasMargin
            ? try AlignedBuffer(Float.self, count: rows * configuration.embeddingDimension) : nil
    }

    var memoryByteCount: Int { featureRest.map { $0.byteCount + rows * 24 } ?? 0 }

    /// Computes the mean loss of the rows, and their part of the batch's dL/dlogits, which the
    /// classifier's backward takes. If `mixer` has mixed the rows, its labels and weights replace
    /// the given ones. `weights` are those of the rows; nil: 1. Errors: argument.
    func evaluate(
        features: UnsafePointer<Float>, logits: UnsafeMutablePointer<Float>,
        labels: UnsafePointer<Int64>, weights: UnsafePointer<Float>?, mixer: BatchMixer?,
        gradient: UnsafeMutablePointer<Float>
    ) throws(SupConError) -> (loss: Double, correct: Int) {
        if let margin, let featureRest {
            let outcome = try margin.evaluate(
                features: features, logits: logits, weight: parameters.pointer(weight),
                bias: parameters.pointer(bias), labels: labels, weights: weights,
                gradient: gradient)
            weigh(gradient)
            margin.chain(
                gradient: gradient, features: features, labels: labels,
                featureGradient: featureRest.floats)
            return outcome
        }
        defer { weigh(gradient) }
        if let mixer {
            return try crossEntropy.evaluate(
                logits: logits, labels: mixer.firstLabels, count: rows,
                mix: .init(
                    labels: mixer.secondLabels, fraction: mixer.firstFractions,
                    weights: weights == nil ? nil : mixer.secondWeights),
                weights: weights == nil ? nil : mixer.firstWeights, gradient: gradient)
        }
        return try crossEntropy.evaluate(
            logits: logits, labels: labels, count: rows, weights: weights, gradient: gradient)
    }

    private func weigh(_ gradient: UnsafeMutablePointer<Float>) {
        guard fraction != 1 else { return }
        for i in 0..<(rows * crossEntropy.classes) { gradient[i] *= fraction }
    }

    /// The term that backward must add to the gradient of the features, [rows, embeddingDimension];
    /// nil: none.
    var featureGradient: UnsafePointer<Float>? { featureRest.map { UnsafePointer($0.floats) } }

    /// Adds to `gradients`, after backward, the terms of the classifier's own gradients that the
    /// margin contributes.
    func finish(_ gradients: UnsafeMutablePointer<Float>, labels: UnsafePointer<Int64>) {
        margin?.addRest(
            weight: parameters.pointer(weight), labels: labels,
            weightGradient: gradients + weight.offset, biasGradient: gradients + bias.offset)
    }
}
