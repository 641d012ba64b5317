/// A convolution shape holds the sizes of a convolution: x [images, height, width, inputs] → y
/// [images, outHeight, outWidth, outputs], with weights [outputs, inputs / groups, kernel, kernel].
/// Each of `groups` parts of the outputs depends on the corresponding part of the inputs.
struct ConvolutionShape: Equatable {
    var images: Int
    var height: Int
    var width: Int
    var inputs: Int
    var outputs: Int
    var kernel: Int
    var stride: Int
    var padding: Int
    var groups = 1

    var outHeight: Int { (height + 2 * padding - kernel) / stride + 1 }
    var outWidth: Int { (width + 2 * padding - kernel) / stride + 1 }
    var weightCount: Int { outputs * (inputs / groups) * kernel * kernel }
    /// Whether some weights meet nothing but padding, as the border of a 3×3 kernel does on a
    /// single pixel. Their gradient is 0.
    var hasIdleWeights: Bool {
        func isIdle(_ size: Int, _ out: Int) -> Bool {
            (0..<kernel).contains { tap in
                !(0..<out).contains { (0..<size).contains($0 * stride + tap - padding) }
            }
        }
        return isIdle(height, outHeight) || isIdle(width, outWidth)
    }
    /// The number of multiplications of one pass.
    var multiplications: Int { images * outHeight * outWidth * weightCount }
}

extension ConvolutionShape {
    init(_ layer: ComputeGraph.ConvolutionNorm, in graph: ComputeGraph, images: Int) {
        let input = graph.values[layer.input]
        self.init(
            images: images, height: input.height, width: input.width, inputs: input.channels,
            outputs: graph.values[layer.output].channels, kernel: layer.kernel,
            stride: layer.stride, padding: layer.padding, groups: layer.groups)
    }
}
