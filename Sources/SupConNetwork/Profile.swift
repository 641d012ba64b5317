import SupConTensor

/// One layer of a training step, taken apart: for benchmarks.
package struct LayerProfile {
    package struct Part {
        package var name: String
        /// Of one pass; 0 for what is no convolution.
        package var multiplications: Int
        /// The median over the runs.
        package var seconds: Double
    }
    package var name: String
    /// "3×3 64→128 /2, 32×32".
    package var shape: String
    package var parts: [Part]
}

/// Something that a layer does in a step.
struct LayerPart {
    var name: String
    var isConvolution = false
    var run: () -> Void
}

extension TrainingPlan {
    /// Runs the encoder forward and backward `runs` times on what lies in the plan's memory, each layer's parts one after the other in the order of a step, and times them. What a step does
    /// is in `forward` and `backward`; this is beside it and costs it nothing.
    package func profile(runs: Int) -> [LayerProfile] {
        let (layers, images) = (encoder.layers, encoder.images)
        let parts = layers.map { ($0.forwardParts, $0.backwardParts) }
        var times = parts.map { ($0.0 + $0.1).map { _ in [Double]() } }
        let clock = ContinuousClock()
        func run(_ part: LayerPart) -> Double {
            clock.measure { EngineTeam.run(threads) { part.run() } } / .seconds(1)
        }
        for _ in 0..<runs {
            for (index, (forward, _)) in parts.enumerated() { for (i, part) in forward.enumerated() { times[index][i].append(run(part)) } }
            for (index, (forward, backward)) in parts.enumerated().reversed() {
                for (i, part) in backward.enumerated() { times[index][forward.count + i].append(run(part)) }
            }
        }
        return layers.indices.map { index in
            let (name, shape, multiplications) = encoder.blueprint.description(ofLayer: index, images: images)
            let all = parts[index].0 + parts[index].1
            return LayerProfile(
                name: name, shape: shape,
                parts: zip(all, times[index]).map { .init(name: $0.name, multiplications: $0.isConvolution ? multiplications : 0, seconds: $1.sorted()[runs / 2]) })
        }
    }
}

extension ConvolutionNormTraining {
    /// As in `forward`.
    var forwardParts: [LayerPart] {
        [
            LayerPart(name: "pack") { self.packWeights() },
            LayerPart(name: "forward", isConvolution: true) { [self] in
                convolution.forward(x: memory.x, packed: memory.packed, bias: nil, y: memory.c, scratch: memory.scratch)
            },
            LayerPart(name: "norm_forward") { [self] in norm.forward(x: memory.c, residual: memory.residual, y: memory.y) },
        ]
    }

    /// As in `backward`.
    var backwardParts: [LayerPart] {
        let normalisation = LayerPart(name: "norm_backward") { [self] in
            norm.backward(
                dy: memory.dy, dy2: memory.dy2, x: memory.c, y: memory.residual == nil ? nil : UnsafeRawPointer(memory.y), g: memory.g, dx: memory.dc)
        }
        let weights = LayerPart(name: "weight_gradient", isConvolution: true) { [self] in
            convolution.weightGradient(x: memory.x, dy: memory.dc, dw: memory.weightGradient, scratch: memory.scratch)
        }
        guard let dx = memory.dx else { return [normalisation, weights] }
        let input = LayerPart(name: "input_gradient", isConvolution: true) { [self] in
            let packed = convolution.packedForGradientByteCount > 0 ? memory.packedForGradient : memory.packed
            convolution.inputGradient(dy: memory.dc, packed: packed, dx: dx, scratch: memory.scratch)
        }
        return [normalisation, weights, input]
    }
}

extension MaxPoolTraining {
    var forwardParts: [LayerPart] { [LayerPart(name: "pool_forward") { self.forward() }] }
    var backwardParts: [LayerPart] { [LayerPart(name: "pool_backward") { self.backward() }] }
}

extension Blueprint {
    fileprivate func description(ofLayer index: Int, images: Int) -> (name: String, shape: String, multiplications: Int) {
        switch layers[index] {
        case .convolutionNorm(let layer):
            let shape = ConvolutionShape(layer, in: self, images: images)
            let stride = shape.stride > 1 ? " /\(shape.stride)" : ""
            let text = "\(shape.kernel)×\(shape.kernel) \(shape.inputs)→\(shape.outputs)\(stride), \(shape.outHeight)×\(shape.outWidth)"
            return (layer.convolutionName, text, shape.multiplications)
        case .maxPool(let input, _): return ("maxpool", "3×3 \(values[input].channels) /2", 0)
        }
    }
}
