import SupConTensor

/// A quantization represents an encoder's values as bytes, for inference in int8: v as round(v /
/// step), limited to −127…127 if it may be negative (the image, and any output without a ReLU) and
/// to 0…255 otherwise (Jacob et al., "Quantization and training of neural networks for efficient
/// integer-arithmetic-only inference", arXiv:1712.05877, symmetric). Weights have a step for each
/// output channel.
package struct Quantization: Sendable, Equatable {
    /// The largest magnitude that is represented, for each value of the graph in order. Larger ones
    /// are clipped.
    package let ranges: [Float]

    /// Makes a quantization. Errors: argument (not one positive number for each value of the
    /// encoder).
    package init(ranges: [Float], for configuration: NetworkConfiguration) throws(SupConError) {
        let count = Self.valueCount(configuration)
        try require(
            ranges.count == count, .argument,
            """
            there are \(ranges.count) int8 ranges; expected one for each of the encoder's \
            \(count) values
            """
        )
        for (value, range) in ranges.enumerated() {
            // The quotients of larger or smaller steps would overflow.
            try require(
                (1e-15...1e15).contains(range), .argument,
                "the int8 range of value \(value) is \(range); expected 1e-15 to 1e15")
        }
        self.ranges = ranges
    }

    /// Makes a quantization that serves to plan, before the ranges are known: each is 1. Errors:
    /// those of the other initializer.
    package init(uncalibrated configuration: NetworkConfiguration) throws(SupConError) {
        try self.init(
            ranges: Array(repeating: 1, count: Self.valueCount(configuration)), for: configuration)
    }

    /// Returns the number of values of an encoder.
    private static func valueCount(_ configuration: NetworkConfiguration) -> Int {
        ComputeGraph(configuration, height: 64, width: 64).values.count
    }

    func step(_ value: Int, in graph: ComputeGraph) -> Float {
        ranges[value] / (graph.mayBeNegative(value) ? 127 : 255)
    }
}

extension ComputeGraph {
    func mayBeNegative(_ value: Int) -> Bool {
        guard value > 0 else { return true }
        // Each layer has one output.
        guard case .convolutionNorm(let layer) = layers[value - 1] else { return false }
        return !layer.relu
    }
}

/// A quantized convolution computes y = saturate(round(relu?(scales[o] · conv(x, w) + bias[o] +
/// residual.scale · y?))), all in steps of y.
struct QuantizedConvolution: Equatable {
    struct Residual: Equatable {
        var isSigned: Bool
        /// The ratio of the residual's step to that of y.
        var scale: Float
    }
    var relu: Bool
    var xIsSigned: Bool
    var yIsSigned: Bool
    /// The scales [outputs].
    var scales: [Float]
    var residual: Residual?
}

extension QuantizedConvolution {
    /// Makes the convolution. `weightSteps` are the steps of each output channel's folded weights.
    init(
        _ layer: ComputeGraph.ConvolutionNorm, in graph: ComputeGraph, _ quantization: Quantization,
        weightSteps: [Float]
    ) {
        let (x, y) = (
            quantization.step(layer.input, in: graph),
            quantization.step(layer.output, in: graph)
        )
        relu = layer.relu
        (xIsSigned, yIsSigned) = (
            graph.mayBeNegative(layer.input), graph.mayBeNegative(layer.output)
        )
        scales = weightSteps.map { x * $0 / y }
        residual = layer.residual.map {
            Residual(
                isSigned: graph.mayBeNegative($0),
                scale: quantization.step($0, in: graph) / y)
        }
    }
}

/// Byte weights are the whole numbers that quantized weights may be: multiples of `spacing` up to a
/// magnitude of `largest`.
struct ByteWeights: Equatable {
    var largest: Float
    var spacing: Float

    /// Makes the range whose sums are exact on this CPU.
    ///
    /// Without a dot product of bytes, unsigned bytes are multiplied by signed ones in pairs, and
    /// the sum of two products saturates to 16 bits: 2 · 255 · 63 fits, 2 · 255 · 127 does not. If
    /// x is signed, oneDNN adds 128 to it and halves the weights, which must therefore be even.
    init(xIsSigned: Bool, dotProduct: Bool = CPUFeatures.hasVNNI) {
        (largest, spacing) = dotProduct ? (127, 1) : xIsSigned ? (126, 2) : (63, 1)
    }
}

/// Byte steps are the quantization steps of a convolution's weights and of its output.
struct ByteSteps {
    /// The steps of the weights [outputs].
    var weights: [Float]
    /// The quantized weights are multiples of this number.
    var spacing: Float
    var y: Float

    /// Rounds folded weights and bias, f32, to whole numbers of steps.
    func quantize(
        _ folded: UnsafeMutablePointer<Float>, bias: UnsafeMutablePointer<Float>, perOutput: Int
    ) {
        for (o, step) in weights.enumerated() {
            for i in (o * perOutput)..<((o + 1) * perOutput) {
                folded[i] = (folded[i] / (step * spacing)).rounded(.toNearestOrEven) * spacing
            }
            bias[o] /= y
        }
    }
}
