import SupConTensor

/// An encoder laid out for inference on a number of images: its convolutions, and where in memory
/// everything lies. Batch norm is folded into the convolutions, ReLU and the residual sum are fused
/// behind them.
struct EncoderLayout {
    /// A convolution's place among the weights.
    struct Weights {
        var packed, bias: Arena.Slot
        /// Of int8.
        var steps: ByteSteps?
    }
    let graph: ComputeGraph
    let images: Int
    let stored: StoredType
    let quantization: Quantization?
    let threads: Int
    /// By layers; nil for a pool.
    let weights: [Weights?]
    /// By values; what is inside the encoder, but for an f32 image, which stays where it is.
    let values: [Arena.Slot?]
    let scratch, folded: Arena.Slot
    /// Values and scratch, which each worker has for itself; packed weights, which all share.
    let (activationArena, weightArena): (Arena, Arena)
    private let shapes: [(ConvolutionShape, ConvolutionPurpose)?]
    private let engine: Engine

    /// Also makes the first worker's convolutions. Errors: unsupported, memory.
    init(
        _ network: Network, _ graph: ComputeGraph, images: Int, stored: StoredType,
        quantization: Quantization?, threads: Int, engine: Engine,
        convolutions: inout [(any Convolution)?]
    ) throws(SupConError) {
        (self.graph, self.images, self.stored, self.quantization, self.threads, self.engine) = (
            graph, images, stored, quantization, threads, engine
        )
        let lastTick = graph.layers.count + 1
        var (arena, weightArena) = (Arena(), Arena())
        func bytes(_ value: Int) -> Int {
            images * graph.values[value].area * graph.values[value].channels
                * stored.byteCount
        }
        var values: [Arena.Slot?] = [
            stored == .f32 ? nil : arena.reserve(byteCount: bytes(0), first: 0, last: 0)
        ]
        var weights: [Weights?] = []
        var shapes: [(ConvolutionShape, ConvolutionPurpose)?] = []
        convolutions = []
        for (index, layer) in graph.layers.enumerated() {
            let tick = index + 1
            switch layer {
            case .convolutionNorm(let layer):
                if let input = values[layer.input] { arena.extend(input, to: tick) }
                if let residual = layer.residual, let place = values[residual] {
                    // The sum is taken in place: the residual's memory becomes the output's.
                    arena.extend(place, to: tick)
                    values.append(place)
                } else {
                    values.append(
                        arena.reserve(byteCount: bytes(layer.output), first: tick, last: tick))
                }
                var purpose = ConvolutionPurpose.inference(
                    relu: layer.relu, addsToOutput: layer.residual != nil)
                var steps: ByteSteps?
                if let quantization {
                    let weightSteps = network.parameters.weightSteps(layer)
                    steps = ByteSteps(
                        weights: weightSteps, y: quantization.step(layer.output, in: graph))
                    purpose = .int8(
                        QuantizedConvolution(
                            layer, in: graph, quantization, weightSteps: weightSteps))
                }
                let shape = ConvolutionShape(layer, in: graph, images: images)
                let convolution = try engine.convolution(
                    shape, purpose, type: stored.floatType, threads: threads)
                convolutions.append(convolution)
                shapes.append((shape, purpose))
                weights.append(
                    Weights(
                        packed: weightArena.reserve(
                            byteCount: convolution.packedByteCount, first: 0, last: 0),
                        bias: weightArena.reserve(byteCount: shape.outputs * 4, first: 0, last: 0),
                        steps: steps))
            case .maxPool(let input, let output):
                if let input = values[input] { arena.extend(input, to: tick) }
                values.append(arena.reserve(byteCount: bytes(output), first: tick, last: tick))
                convolutions.append(nil)
                shapes.append(nil)
                weights.append(nil)
            }
        }
        if let output = values[graph.output] { arena.extend(output, to: lastTick) }
        scratch = arena.reserve(
            byteCount: convolutions.compactMap { $0?.scratchByteCount }.max() ?? 0, first: 0,
            last: lastTick)
        let largest =
            network.parameters.entries.filter { $0.role == .convolution }.map(\.count).max() ?? 0
        folded = weightArena.reserve(byteCount: largest * 4, first: 0, last: 0)
        arena.place()
        weightArena.place()
        (self.values, self.weights, self.shapes, activationArena, self.weightArena) = (
            values, weights, shapes, arena, weightArena
        )
    }

    /// The convolutions of another worker. Errors: unsupported, memory.
    func moreConvolutions() throws(SupConError) -> [(any Convolution)?] {
        var made: [(any Convolution)?] = []
        for shape in shapes {
            made.append(
                try shape.map { (shape) throws(SupConError) in
                    try engine.convolution(
                        shape.0, shape.1, type: stored.floatType, threads: threads)
                })
        }
        return made
    }

    /// Numbers of a value, of all images.
    func count(_ value: Int) -> Int {
        images * graph.values[value].area * graph.values[value].channels
    }
}
