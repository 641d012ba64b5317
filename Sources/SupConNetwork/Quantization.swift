import SupConTensor

/// How an encoder's values are told in bytes, for inference in int8: v as round(v / step), within
/// −127…127 where it may be negative (the image, and what no ReLU follows) and 0…255 elsewhere
/// (Jacob et al., "Quantization and training of neural networks for efficient
/// integer-arithmetic-only inference", arXiv:1712.05877, symmetric). Weights have a step for each
/// output channel.
package struct Quantization: Sendable, Equatable {
    /// Of each value of the graph, in their order: the largest magnitude that is told; larger
    /// ones are cut off.
    package let ranges: [Float]

    /// Errors: argument (not one positive number for each value of the encoder).
    package init(ranges: [Float], for configuration: NetworkConfiguration) throws(SupConError) {
        let count = ComputeGraph(configuration, height: 64, width: 64).values.count
        try require(
            ranges.count == count, .argument,
            """
            there are \(ranges.count) int8 ranges; expected one for each of the encoder's \
            \(count) values
            """
        )
        for (value, range) in ranges.enumerated() {
            // Larger or smaller ones would make steps whose quotients are no floats.
            try require(
                (1e-15...1e15).contains(range), .argument,
                "the int8 range of value \(value) is \(range); expected 1e-15 to 1e15")
        }
        self.ranges = ranges
    }

    func step(_ value: Int, in graph: ComputeGraph) -> Float {
        ranges[value] / (graph.mayBeNegative(value) ? 127 : 255)
    }
}

extension ComputeGraph {
    func mayBeNegative(_ value: Int) -> Bool {
        guard value > 0 else { return true }
        // Each layer makes one value.
        guard case .convolutionNorm(let layer) = layers[value - 1] else { return false }
        return !layer.relu
    }
}

/// A convolution of bytes: y = saturate(round(relu?(scales[o] · conv(x, w) + bias[o] +
/// residual.scale · y?))), all in steps of y.
struct QuantizedConvolution: Equatable {
    struct Residual: Equatable {
        var isSigned: Bool
        /// Its step over y's.
        var scale: Float
    }
    var relu: Bool
    var xIsSigned: Bool
    var yIsSigned: Bool
    /// [outputs]
    var scales: [Float]
    var residual: Residual?
}

extension QuantizedConvolution {
    /// weightSteps: of each output channel's folded weights.
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

/// In what steps a convolution's weights and output are told.
struct ByteSteps {
    /// [outputs]
    var weights: [Float]
    var y: Float

    /// Folded weights and bias, f32 → whole numbers in steps.
    func quantize(
        _ folded: UnsafeMutablePointer<Float>, bias: UnsafeMutablePointer<Float>, perOutput: Int
    ) {
        for (o, step) in weights.enumerated() {
            for i in (o * perOutput)..<((o + 1) * perOutput) {
                folded[i] = (folded[i] / step).rounded(.toNearestOrEven)
            }
            bias[o] /= y
        }
    }
}
