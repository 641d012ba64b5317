/// A compute graph describes an encoder for one image size: the values that flow through it and the
/// layers between them, in order. Value 0 is the image; the last layer's output is pooled to r.
package struct ComputeGraph {
    package struct Shape: Equatable {
        var height: Int
        var width: Int
        var channels: Int
        var area: Int { height * width }
        /// The elements of the value of one image.
        var elements: Int { area * channels }
    }

    /// The layer y = relu?(BN(convolution(x)) + residual?). Every convolution of a ResNet is
    /// followed by a batch norm.
    struct ConvolutionNorm {
        var input: Int
        var output: Int
        var residual: Int?
        var relu: Bool
        var kernel: Int
        var stride: Int
        var groups = 1
        /// The stage of the layer, 1 to 4; 0: the stem.
        var stage = 0
        /// The names of the parameters, such as "layer1.0.conv1" and "layer1.0.bn1".
        var convolutionName: String
        var normName: String
        /// Whether the layer ends a block, so that its γ may begin at 0.
        var isLastOfBlock = false
        var padding: Int { kernel / 2 }
    }

    enum Layer {
        case convolutionNorm(ConvolutionNorm)
        /// A 3×3 max pool of stride 2 and padding 1.
        case maxPool(input: Int, output: Int)
    }

    var values: [Shape]
    var layers: [Layer] = []
    /// The last value of the stem and of each stage: the stem and n stages consist of the layers up
    /// to `borders[n]`.
    var borders: [Int] = []

    var output: Int { values.count - 1 }

    /// Returns the number of layers that take the value as input or as residual.
    func consumers(of value: Int) -> Int {
        layers.reduce(0) { count, layer in
            switch layer {
            case .convolutionNorm(let layer):
                count + (layer.input == value ? 1 : 0) + (layer.residual == value ? 1 : 0)
            case .maxPool(let input, _): count + (input == value ? 1 : 0)
            }
        }
    }

    /// Returns the number of multiplications of one pass over `images` images.
    func multiplications(images: Int) -> Double {
        layers.reduce(0) { sum, layer in
            guard case .convolutionNorm(let layer) = layer else { return sum }
            return sum + Double(ConvolutionShape(layer, in: self, images: images).multiplications)
        }
    }

    init(image: Shape) { values = [image] }

    /// Appends a layer and returns its output.
    mutating func convolutionNorm(
        _ input: Int, channels: Int, kernel: Int, stride: Int = 1, groups: Int = 1,
        residual: Int? = nil, relu: Bool = true, _ convolutionName: String, _ normName: String
    ) -> Int {
        values.append(
            Shape(
                height: reduced(values[input].height, stride),
                width: reduced(values[input].width, stride), channels: channels))
        layers.append(
            .convolutionNorm(
                ConvolutionNorm(
                    input: input, output: output, residual: residual, relu: relu, kernel: kernel,
                    stride: stride, groups: groups, stage: borders.count,
                    convolutionName: convolutionName, normName: normName,
                    isLastOfBlock: residual != nil)))
        return output
    }

    mutating func maxPool(_ input: Int) -> Int {
        values.append(
            Shape(
                height: reduced(values[input].height, 2), width: reduced(values[input].width, 2),
                channels: values[input].channels))
        layers.append(.maxPool(input: input, output: output))
        return output
    }

    /// Returns a side after a convolution. An odd kernel, padded by half of itself, leaves the side
    /// divided by the stride, rounded up.
    private func reduced(_ side: Int, _ stride: Int) -> Int { (side + stride - 1) / stride }
}

extension ComputeGraph {
    /// Returns the graph of the layers that compute the values up to `border`.
    func upTo(_ border: Int) -> ComputeGraph {
        var part = self
        (part.values, part.layers) = (Array(values[...border]), Array(layers[..<border]))
        return part
    }

    /// Returns the graph of the layers after the value `border`, which becomes its value 0. No
    /// layer after a border takes a value before it.
    func from(_ border: Int) -> ComputeGraph {
        var part = self
        part.values = Array(values[border...])
        part.layers = layers[border...].map { layer in
            switch layer {
            case .convolutionNorm(var layer):
                layer.input -= border
                layer.output -= border
                layer.residual = layer.residual.map { $0 - border }
                return .convolutionNorm(layer)
            case .maxPool(let input, let output):
                return .maxPool(input: input - border, output: output - border)
            }
        }
        return part
    }
}
