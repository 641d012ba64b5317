extension ComputeGraph {
    /// Makes the graph of the ResNet of `configuration` for one image size. Names are
    /// torchvision's; the stride is in the 3×3 convolution ("v1.5").
    init(_ configuration: NetworkConfiguration, height: Int, width: Int) {
        self.init(image: Shape(height: height, width: width, channels: configuration.channels))
        var x: Int
        switch configuration.stem {
        case .cifar:
            x = convolutionNorm(0, channels: configuration.width, kernel: 3, "conv1", "bn1")
        case .imagenet where configuration.architecture.isDeep:
            let (first, second) = configuration.architecture.deepStemChannels(
                width: configuration.width)
            x = convolutionNorm(0, channels: first, kernel: 3, stride: 2, "conv1.0", "conv1.1")
            x = convolutionNorm(x, channels: second, kernel: 3, "conv1.3", "conv1.4")
            x = convolutionNorm(x, channels: configuration.width, kernel: 3, "conv1.6", "bn1")
            x = maxPool(x)
        case .imagenet:
            x = convolutionNorm(
                0, channels: configuration.width, kernel: 7, stride: 2, "conv1", "bn1")
            x = maxPool(x)
        }
        borders.append(x)
        for (stage, count) in configuration.architecture.blocks.enumerated() {
            for block in 0..<count {
                x = residualBlock(
                    x, channels: configuration.width << stage,
                    stride: stage > 0 && block == 0 ? 2 : 1,
                    architecture: configuration.architecture,
                    name: "layer\(stage + 1).\(block)")
            }
            borders.append(x)
        }
    }

    /// Appends the residual block x ↦ relu(f(x) + x), where f is two 3×3 convolutions, or 1×1, 3×3,
    /// 1×1. If the shape changes, x passes a 1×1 convolution (3×3 in deep variants where the area
    /// changes).
    private mutating func residualBlock(
        _ x: Int, channels: Int, stride: Int, architecture: Architecture, name: String
    ) -> Int {
        let (inner, outer) = (
            architecture.innerChannels(stageWidth: channels), channels * architecture.expansion
        )
        var shortcut = x
        var y = x
        if architecture.hasBottlenecks {
            y = convolutionNorm(y, channels: inner, kernel: 1, "\(name).conv1", "\(name).bn1")
            y = convolutionNorm(
                y, channels: inner, kernel: 3, stride: stride, groups: architecture.groups,
                "\(name).conv2", "\(name).bn2")
        } else {
            y = convolutionNorm(
                y, channels: inner, kernel: 3, stride: stride, "\(name).conv1", "\(name).bn1")
        }
        if stride != 1 || values[x].channels != outer {
            shortcut = convolutionNorm(
                x, channels: outer, kernel: architecture.isDeep && stride > 1 ? 3 : 1,
                stride: stride, relu: false, "\(name).downsample.0", "\(name).downsample.1")
        }
        let last = architecture.hasBottlenecks ? 3 : 2
        return convolutionNorm(
            y, channels: outer, kernel: architecture.hasBottlenecks ? 1 : 3, residual: shortcut,
            "\(name).conv\(last)", "\(name).bn\(last)")
    }
}
