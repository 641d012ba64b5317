import SupConTensor

/// An encoder layout plans inference on a number of images: the convolutions, and the position of
/// everything in memory. Batch norms are folded into the convolutions; ReLU and the residual sum
/// are fused with them.
struct EncoderLayout {
    /// The slots of a convolution in the memory of the weights, which all workers share.
    struct WeightSlots {
        var packed, bias: Arena.Slot
        /// The quantization steps of an int8 convolution.
        var steps: ByteSteps?
    }
    let graph: ComputeGraph
    let images: Int
    let stored: StoredType
    let quantization: Quantization?
    let threads: Int
    let layers: [PlannedLayer<WeightSlots, Void>]
    /// The slot of each value; nil for an f32 image, which stays in its own buffer.
    let values: [Arena.Slot?]
    let scratch, folded: Arena.Slot
    /// The arenas of values and scratch, of which each worker has its own, and of the packed
    /// weights, which all share.
    let (activationArena, weightArena): (Arena, Arena)
    private let engine: Engine

    /// Plans the memory, and makes the first worker's convolutions. Errors: unsupported, memory,
    /// canceled.
    init(
        _ network: Network, _ graph: ComputeGraph, images: Int, stored: StoredType,
        quantization: Quantization?, threads: Int, engine: Engine, watch: CancelWatch? = nil
    ) throws(SupConError) {
        (self.graph, self.images, self.stored, self.quantization, self.threads, self.engine) = (
            graph, images, stored, quantization, threads, engine
        )
        let lastTick = graph.layers.count + 1
        var (arena, weightArena) = (Arena(), Arena())
        func bytes(_ value: Int) -> Int {
            images * graph.values[value].elements * stored.byteCount
        }
        var values: [Arena.Slot?] = [
            stored == .f32 ? nil : arena.reserve(byteCount: bytes(0), first: 0, last: 0)
        ]
        var layers: [PlannedLayer<WeightSlots, Void>] = []
        var (scratchBytes, largest) = (0, 0)
        for (index, layer) in graph.layers.enumerated() {
            try watch?.check()
            let tick = index + 1
            switch layer {
            case .convolutionNorm(let layer):
                if let input = values[layer.input] { arena.extend(input, to: tick) }
                if let residual = layer.residual, let slot = values[residual] {
                    // The sum is computed in place: the residual's memory becomes the output's.
                    arena.extend(slot, to: tick)
                    values.append(slot)
                } else {
                    values.append(
                        arena.reserve(byteCount: bytes(layer.output), first: tick, last: tick))
                }
                let parameters = try network.parameters.convolutionNorm(layer)
                let (purpose, steps) = Self.purpose(
                    layer, in: graph, quantization,
                    weightSteps: { network.parameters.weightSteps(parameters, $0) })
                let planned = try PlannedConvolution(
                    layer, in: graph, images: images, parameters, purpose, engine: engine,
                    type: stored.floatType, threads: threads)
                scratchBytes = max(scratchBytes, planned.convolution.scratchByteCount)
                largest = max(largest, planned.shape.weightCount)
                let slots = WeightSlots(
                    packed: weightArena.reserve(
                        byteCount: planned.convolution.packedByteCount, first: 0, last: 0),
                    bias: weightArena.reserve(
                        byteCount: planned.shape.outputs * 4, first: 0, last: 0),
                    steps: steps)
                layers.append(.convolution(planned, slots))
            case .maxPool(let input, let output):
                if let slot = values[input] { arena.extend(slot, to: tick) }
                values.append(arena.reserve(byteCount: bytes(output), first: tick, last: tick))
                layers.append(.maxPool(PlannedMaxPool(input: input, output: output), ()))
            }
        }
        if let output = values[graph.output] { arena.extend(output, to: lastTick) }
        scratch = arena.reserve(byteCount: scratchBytes, first: 0, last: lastTick)
        folded = weightArena.reserve(byteCount: largest * 4, first: 0, last: 0)
        arena.place()
        weightArena.place()
        (self.values, self.layers, activationArena, self.weightArena) = (
            values, layers, arena, weightArena
        )
    }

    /// Returns the purpose of a convolution, with the steps of its weights if it computes in int8.
    private static func purpose(
        _ layer: ComputeGraph.ConvolutionNorm, in graph: ComputeGraph,
        _ quantization: Quantization?, weightSteps: (ByteWeights) -> [Float]
    ) -> (ConvolutionPurpose, ByteSteps?) {
        guard let quantization else {
            let purpose = ConvolutionPurpose.inference(
                relu: layer.relu, addsToOutput: layer.residual != nil)
            return (purpose, nil)
        }
        let bytes = ByteWeights(xIsSigned: graph.mayBeNegative(layer.input))
        let weightSteps = weightSteps(bytes)
        return (
            .int8(QuantizedConvolution(layer, in: graph, quantization, weightSteps: weightSteps)),
            ByteSteps(
                weights: weightSteps, spacing: bytes.spacing,
                y: quantization.step(layer.output, in: graph))
        )
    }

    /// Makes another primitive of a convolution, for another worker. Errors: unsupported, memory.
    func anotherConvolution(_ planned: PlannedConvolution) throws(SupConError) -> any Convolution {
        try engine.convolution(
            planned.shape, planned.purpose, type: stored.floatType, threads: threads)
    }

    /// Returns the elements of a value, over all images.
    func count(_ value: Int) -> Int { images * graph.values[value].elements }
}
