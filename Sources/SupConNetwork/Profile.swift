import SupConTensor

/// A layer profile is the time of one layer of a training step, measured for benchmarks.
package struct LayerProfile {
    package struct Part {
        package var name: String
        /// The number of multiplications of one pass; 0 for layers that are not convolutions.
        package var multiplications: Int
        /// The median over the runs.
        package var seconds: Double
    }
    package var name: String
    /// The shape of the layer, such as "3×3 64→128 /2, 32×32".
    package var shape: String
    package var parts: [Part]
}

extension TrainingPlan {
    /// Runs the encoder forward and backward `runs` times on the contents of the plan's memory,
    /// each layer's parts one after the other in the order of a step, and times them. It repeats
    /// what `forward` and `backward` do, so that profiling costs a step nothing.
    package func profile(runs: Int) -> [LayerProfile] {
        guard let encoder else { return [] }
        let layers = encoder.layers
        let parts = layers.map { ($0.forwardParts, $0.backwardParts) }
        var times = parts.map { ($0.0 + $0.1).map { _ in [Double]() } }
        let clock = ContinuousClock()
        func run(_ part: LayerPart) -> Double {
            clock.measure {
                EngineTeam.run(images: images, threads: threads) { part.run() }
            } / .seconds(1)
        }
        for _ in 0..<runs {
            for (index, (forward, _)) in parts.enumerated() {
                for (i, part) in forward.enumerated() { times[index][i].append(run(part)) }
            }
            for (index, (forward, backward)) in parts.enumerated().reversed() {
                for (i, part) in backward.enumerated() {
                    times[index][forward.count + i].append(run(part))
                }
            }
        }
        return layers.indices.map { index in
            let (name, shape, multiplications) = encoder.graph.description(
                ofLayer: index, images: images)
            let all = parts[index].0 + parts[index].1
            return LayerProfile(
                name: name, shape: shape,
                parts: zip(all, times[index]).map {
                    .init(
                        name: $0.name, multiplications: $0.isConvolution ? multiplications : 0,
                        seconds: $1.sorted()[runs / 2])
                })
        }
    }
}

extension ComputeGraph {
    fileprivate func description(ofLayer index: Int, images: Int) -> (
        name: String, shape: String, multiplications: Int
    ) {
        switch layers[index] {
        case .convolutionNorm(let layer):
            let shape = ConvolutionShape(layer, in: self, images: images)
            let stride = shape.stride > 1 ? " /\(shape.stride)" : ""
            let text =
                """
                \(shape.kernel)×\(shape.kernel) \(shape.inputs)→\(shape.outputs)\(stride), \
                \(shape.outHeight)×\(shape.outWidth)
                """
            return (layer.convolutionName, text, shape.multiplications)
        case .maxPool(let input, _): return ("maxpool", "3×3 \(values[input].channels) /2", 0)
        }
    }
}
