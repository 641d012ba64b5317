import CKernels
import SupConTensor

/// An encoder in training owns its memory, and computes r from images, and the gradients of its
/// parameters from dr.
final class EncoderTraining {
    let graph: ComputeGraph
    let images: Int
    let layers: [any TrainingLayer]
    /// The offset of each layer's parameters; nil: it has none.
    let offsets: [Int?]
    /// The input, which the caller writes: images [images, height, width, channels] f32, or the
    /// frozen stages' output in the type of the activations.
    let input: UnsafeMutableRawPointer
    private let type: ElementType
    private let threads: Int
    private let pool: AveragePool
    private let memory: AlignedBuffer
    private let image: UnsafeMutableRawPointer
    private let output: UnsafeMutableRawPointer
    private let outputGradient: UnsafeMutableRawPointer

    /// Allocates the memory of a layout and builds the layers. `gradients` [trainableCount]
    /// receives the parameters' gradients; if `freezesNorm` is true, batch norms use their running
    /// statistics and leave them unchanged; `synchronized` is passed to `BatchNorm`. Errors:
    /// memory.
    init(
        _ layout: TrainingLayout, _ network: Network, gradients: UnsafeMutablePointer<Float>,
        freezesNorm: Bool, synchronized: Ranks?
    ) throws(SupConError) {
        let memory = try AlignedBuffer(byteCount: layout.arena.byteCount)
        let builder = LayerBuilder(
            layout: layout, memory: memory, parameters: network.parameters, gradients: gradients,
            freezesNorm: freezesNorm, synchronized: synchronized)
        (graph, images, type, threads) = (
            layout.graph, layout.images, layout.type, layout.threads
        )
        self.memory = memory
        let last = graph.values[graph.output]
        pool = AveragePool(
            images: images, area: last.area, channels: last.channels, threads: threads)
        layers = try builder.layers()
        offsets = layout.layers.map {
            if case .convolution(let planned, _) = $0 {
                planned.parameters.weight.offset
            } else {
                nil
            }
        }
        input = builder.at(layout.input)
        (image, output, outputGradient) = (
            builder.at(layout.image), builder.at(layout.output), builder.at(layout.outputGradient)
        )
    }

    func setMovesStatistics(_ moves: Bool) {
        for layer in layers { layer.setMovesStatistics(moves) }
    }

    /// Computes the features [images, embeddingDimension] of `input`.
    func forward(features: UnsafeMutablePointer<Float>) {
        if input != image {
            Parallel.ranges(
                images * graph.values[0].elements, grain: 65536, threads: threads
            ) { range in
                sc_f32_to_bf16(
                    f32(input) + range.lowerBound, bf16(image) + range.lowerBound,
                    Int64(range.count))
            }
        }
        for layer in layers { layer.forward() }
        pool.forward(x: output, y: features, stored: StoredType(type))
    }

    /// Computes the gradients of the parameters from that of the features. `completed` is called
    /// after each layer with the offset from which on the gradients are final; parameters lie in
    /// the order of the layers.
    func backward(featureGradient: UnsafePointer<Float>, completed: (_ offset: Int) -> Void) {
        pool.backward(dy: featureGradient, dx: outputGradient, type: type)
        for (layer, offset) in zip(layers, offsets).reversed() {
            layer.backward()
            if let offset { completed(offset) }
        }
    }
}

/// A layer builder makes the layers of a layout in its memory.
private struct LayerBuilder {
    let layout: TrainingLayout
    let memory: AlignedBuffer
    let parameters: ParameterStore
    let gradients: UnsafeMutablePointer<Float>
    let freezesNorm: Bool
    let synchronized: Ranks?

    func at(_ slot: Arena.Slot) -> UnsafeMutableRawPointer {
        memory.pointer + layout.arena.offset(slot)
    }

    /// Makes the layers, in order. Errors: memory, internal.
    func layers() throws(SupConError) -> [any TrainingLayer] {
        // The batch norm of each layer; nil for a pool.
        var norms: [BatchNorm?] = []
        var layers: [any TrainingLayer] = []
        for layer in layout.layers {
            switch layer {
            case .convolution(let planned, let slots):
                let norm = try batchNorm(planned)
                let recomputed = try slots.forward.recomputed.map { (again) throws(SupConError) in
                    guard let norm = norms[again.producer] else {
                        throw SupConError(.internal, "a pool's output cannot be recomputed")
                    }
                    return ConvolutionNormTraining.RecomputedInput(
                        norm: norm, c: at(again.c), x: at(again.x))
                }
                norms.append(norm)
                layers.append(
                    ConvolutionNormTraining(
                        planned.convolution, norm, memory(planned, slots, recomputed)))
            case .maxPool(let pool, let slots):
                norms.append(nil)
                layers.append(maxPool(pool, slots))
            }
        }
        return layers
    }

    private func batchNorm(_ planned: PlannedConvolution) throws(SupConError) -> BatchNorm {
        let shape = layout.graph.values[planned.layer.output]
        return try BatchNorm(
            parameters.pointers(planned.parameters.norm, gradients: gradients),
            rows: layout.images * shape.area, channels: shape.channels, type: layout.type,
            relu: planned.layer.relu, usesRunningStatistics: freezesNorm,
            synchronized: synchronized,
            threads: layout.threads)
    }

    private func memory(
        _ planned: PlannedConvolution, _ slots: TrainingLayout.ConvolutionSlots,
        _ recomputed: ConvolutionNormTraining.RecomputedInput?
    ) -> ConvolutionNormTraining.Memory {
        let (forward, weight) = (slots.forward, planned.parameters.weight)
        let needsSum = forward.residual != nil || slots.dy.second != nil
        return .init(
            x: at(forward.x), c: at(forward.c), y: at(forward.y),
            residual: forward.residual.map { at($0) }, dy: at(slots.dy.first),
            dy2: slots.dy.second.map { at($0) }, g: needsSum ? at(slots.dy.first) : nil,
            dc: at(slots.dc), dx: slots.dx.map { at($0) }, recomputed: recomputed,
            packed: at(forward.packed), packedForGradient: at(forward.packedForGradient),
            scratch: at(layout.scratch), weights: parameters.pointer(weight),
            weightGradient: gradients + weight.offset)
    }

    private func maxPool(_ pool: PlannedMaxPool, _ slots: TrainingLayout.PoolSlots)
        -> MaxPoolTraining
    {
        MaxPoolTraining(
            MaxPool(
                images: layout.images, input: layout.graph.values[pool.input],
                output: layout.graph.values[pool.output], threads: layout.threads),
            .init(
                x: at(slots.forward.x), y: at(slots.forward.y), argmax: at(slots.forward.argmax),
                dy: at(slots.dy.first), dy2: slots.dy.second.map { at($0) }, dx: at(slots.dx)),
            type: layout.type)
    }
}
