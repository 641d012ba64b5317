import SupConTensor

/// A training layout assigns every buffer of an encoder in training its position in one arena,
/// before anything is allocated.
///
/// Time is counted in ticks: tick 0 is the image, i + 1 is layer i forward, L + 1 is the head, L +
/// 2 is the pool backward, and then follow the layers backward from the last to the first. A value
/// has at most two consumers, so that its gradient is the sum of at most two buffers; the batch
/// norm that consumes it adds them while reading.
///
/// The output of a batch norm that is consumed by a single convolution is not kept for the backward
/// pass but recomputed: normalizing once more costs less than the memory is worth.
struct TrainingLayout {
    /// The slots of a convolution and its batch norm in the forward pass.
    struct ConvolutionForward {
        /// The input x, the convolution's output c, the layer's output y, and the residual.
        var x, c, y: Arena.Slot
        var residual: Arena.Slot?
        /// The way to recompute x before the weight gradient; nil: x is kept.
        var recomputed: RecomputedInput?
        var packed, packedForGradient: Arena.Slot
    }

    /// A recomputed input is an x that the batch norm of the layer `producer` computes again from
    /// its own input c.
    struct RecomputedInput {
        var producer: Int
        var c, x: Arena.Slot
    }

    struct ConvolutionSlots {
        var forward: ConvolutionForward
        var dy: GradientSlots
        /// The gradient of c.
        var dc: Arena.Slot
        /// The gradient of x; nil if nothing takes it, because x is the image.
        var dx: Arena.Slot?
    }

    /// The slots of a max pool in the forward pass; `argmax` records which of the nine inputs was
    /// the largest.
    struct PoolForward {
        var x, y, argmax: Arena.Slot
    }

    struct PoolSlots {
        var forward: PoolForward
        var dy: GradientSlots
        var dx: Arena.Slot
    }

    /// The buffers whose sum is a value's gradient.
    struct GradientSlots {
        var first: Arena.Slot
        var second: Arena.Slot?
        var all: [Arena.Slot] { [first, second].compactMap { $0 } }
    }

    let graph: ComputeGraph
    let images: Int
    let type: ElementType
    let threads: Int
    let arena: Arena
    let layers: [PlannedLayer<ConvolutionSlots, PoolSlots>]
    /// The images as the caller writes them (f32), and in the encoder's type. Behind frozen stages
    /// both are the output of these, in `type`.
    let input, image: Arena.Slot
    let output, outputGradient: Arena.Slot
    let scratch: Arena.Slot

    /// Plans the memory, and makes the convolutions, without allocating buffers. `graph` is that of
    /// the encoder, or of the part after its frozen stages (`takesImages` false). Errors:
    /// unsupported, memory.
    init(
        _ network: Network, _ graph: ComputeGraph, takesImages: Bool, images: Int,
        type: ElementType, threads: Int, engine: Engine
    ) throws(SupConError) {
        var forward = ForwardSlots(graph, takesImages: takesImages, images: images, type: type)
        try forward.reserve(network.parameters, engine: engine, threads: threads)
        var backward = BackwardSlots(forward)
        layers = try backward.reserve(forward.layers)
        (self.graph, self.images, self.type, self.threads) = (graph, images, type, threads)
        (input, image, scratch) = (forward.input, forward.values[0], forward.scratch)
        (output, outputGradient) = (forward.values[graph.output], backward.outputGradient)
        backward.arena.place()
        arena = backward.arena
    }

    var byteCount: Int { arena.byteCount }
}

/// The forward slots are those of the forward pass, reserved first.
private struct ForwardSlots {
    typealias Layer = PlannedLayer<
        TrainingLayout.ConvolutionForward, TrainingLayout.PoolForward
    >

    let graph: ComputeGraph
    let images: Int
    let type: ElementType
    var arena = Arena()
    let input: Arena.Slot
    /// The slot of each value of the graph.
    var values: [Arena.Slot]
    var layers: [Layer] = []
    private(set) var scratch: Arena.Slot

    init(_ graph: ComputeGraph, takesImages: Bool, images: Int, type: ElementType) {
        (self.graph, self.images, self.type) = (graph, images, type)
        let (elements, last) = (images * graph.values[0].elements, graph.lastTick)
        guard takesImages else {
            input = arena.reserve(byteCount: elements * type.byteCount, first: 0, last: 0)
            values = [input]
            scratch = input
            return
        }
        input = arena.reserve(byteCount: elements * 4, first: 0, last: last)
        values = [
            type == .f32
                ? input : arena.reserve(byteCount: elements * type.byteCount, first: 0, last: 0)
        ]
        scratch = input
    }

    func byteCount(_ value: Int) -> Int { images * graph.values[value].elements * type.byteCount }

    mutating func reserve(_ parameters: ParameterStore, engine: Engine, threads: Int)
        throws(SupConError)
    {
        var scratchBytes = 0
        for (index, layer) in graph.layers.enumerated() {
            switch layer {
            case .convolutionNorm(let layer):
                let planned = try PlannedConvolution(
                    layer, in: graph, images: images, try parameters.convolutionNorm(layer),
                    .training(inputGradient: layer.input != 0), engine: engine, type: type,
                    threads: threads)
                scratchBytes = max(scratchBytes, planned.convolution.scratchByteCount)
                layers.append(.convolution(planned, reserve(planned, index)))
            case .maxPool(let input, let output):
                let pool = PlannedMaxPool(input: input, output: output)
                layers.append(.maxPool(pool, reserve(pool, index)))
            }
        }
        arena.extend(values[graph.output], to: graph.headTick)
        scratch = arena.reserve(byteCount: scratchBytes, first: 0, last: graph.lastTick)
    }

    private mutating func reserve(_ planned: PlannedConvolution, _ index: Int)
        -> TrainingLayout.ConvolutionForward
    {
        let (layer, tick, backwardTick) = (planned.layer, index + 1, graph.backwardTick(index))
        let x = values[layer.input]
        var recomputed: TrainingLayout.RecomputedInput?
        if let (producer, c) = recomputing(layer.input) {
            arena.extend(x, to: tick)
            recomputed = .init(
                producer: producer, c: c,
                x: arena.reserve(
                    byteCount: byteCount(layer.input), first: backwardTick, last: backwardTick))
        } else {
            arena.extend(x, to: backwardTick)
        }
        let y = arena.reserve(byteCount: byteCount(layer.output), first: tick, last: tick)
        if let residual = layer.residual {
            arena.extend(values[residual], to: tick)
            arena.extend(y, to: backwardTick)
        }
        values.append(y)
        let c = arena.reserve(byteCount: byteCount(layer.output), first: tick, last: backwardTick)
        let (packed, packedForGradient) = (
            planned.convolution.packedByteCount, planned.convolution.packedForGradientByteCount
        )
        return .init(
            x: x, c: c, y: y, residual: layer.residual.map { values[$0] }, recomputed: recomputed,
            packed: arena.reserve(byteCount: packed, first: 0, last: graph.lastTick),
            packedForGradient: arena.reserve(
                byteCount: packedForGradient, first: 0, last: graph.lastTick))
    }

    private mutating func reserve(_ pool: PlannedMaxPool, _ index: Int)
        -> TrainingLayout.PoolForward
    {
        let (x, tick) = (values[pool.input], index + 1)
        arena.extend(x, to: tick)
        let y = arena.reserve(byteCount: byteCount(pool.output), first: tick, last: tick)
        values.append(y)
        let argmax = arena.reserve(
            byteCount: byteCount(pool.output) / type.byteCount, first: tick,
            last: graph.backwardTick(index))
        return .init(x: x, y: y, argmax: argmax)
    }

    /// Returns the layer whose batch norm can recompute the value, and that norm's input, if the
    /// value is the output of a batch norm without a residual and is consumed by a single
    /// convolution.
    private func recomputing(_ value: Int) -> (producer: Int, c: Arena.Slot)? {
        guard value > 0, value != graph.output,
            case .convolution(let planned, let slots) = layers[value - 1],
            planned.layer.residual == nil, graph.consumers(of: value) == 1
        else { return nil }
        return (value - 1, slots.c)
    }
}

/// The backward slots are those of the backward pass, reserved after the forward slots.
private struct BackwardSlots {
    typealias Layer = PlannedLayer<TrainingLayout.ConvolutionSlots, TrainingLayout.PoolSlots>

    let graph: ComputeGraph
    let forward: ForwardSlots
    var arena: Arena
    let outputGradient: Arena.Slot
    /// The gradient slots of each value of the graph.
    private var gradients: [TrainingLayout.GradientSlots?]

    init(_ forward: ForwardSlots) {
        (graph, arena, self.forward) = (forward.graph, forward.arena, forward)
        let tick = graph.headTick + 1
        outputGradient = arena.reserve(
            byteCount: forward.byteCount(graph.output), first: tick, last: tick)
        gradients = Array(repeating: nil, count: graph.values.count)
        gradients[graph.output] = .init(first: outputGradient)
    }

    /// Reserves the slots. Errors: internal (a value whose gradient no layer computes, or more than
    /// two layers do).
    mutating func reserve(_ layers: [ForwardSlots.Layer]) throws(SupConError) -> [Layer] {
        var reversed: [Layer] = []
        for (index, layer) in layers.enumerated().reversed() {
            let tick = graph.backwardTick(index)
            switch layer {
            case .convolution(let planned, let slots):
                let dy = try incoming(planned.layer.output, tick)
                let dc: Arena.Slot
                if let residual = planned.layer.residual {
                    // g replaces dy and becomes the residual's gradient.
                    try add(dy.first, to: residual)
                    dc = reserve(planned.layer.output, tick)
                } else {
                    dc = dy.first
                }
                let dx = planned.layer.input == 0 ? nil : reserve(planned.layer.input, tick)
                if let dx { try add(dx, to: planned.layer.input) }
                reversed.append(
                    .convolution(planned, .init(forward: slots, dy: dy, dc: dc, dx: dx)))
            case .maxPool(let pool, let slots):
                let dy = try incoming(pool.output, tick)
                let dx = reserve(pool.input, tick)
                try add(dx, to: pool.input)
                reversed.append(.maxPool(pool, .init(forward: slots, dy: dy, dx: dx)))
            }
        }
        return reversed.reversed()
    }

    private mutating func reserve(_ value: Int, _ tick: Int) -> Arena.Slot {
        arena.reserve(byteCount: forward.byteCount(value), first: tick, last: tick)
    }

    private mutating func incoming(_ value: Int, _ tick: Int) throws(SupConError)
        -> TrainingLayout.GradientSlots
    {
        guard let slots = gradients[value] else {
            throw SupConError(.internal, "no layer computes the gradient of value \(value)")
        }
        for slot in slots.all { arena.extend(slot, to: tick) }
        return slots
    }

    private mutating func add(_ slot: Arena.Slot, to value: Int) throws(SupConError) {
        guard var slots = gradients[value] else {
            gradients[value] = .init(first: slot)
            return
        }
        try require(
            slots.second == nil, .internal,
            "more than two layers compute the gradient of value \(value)")
        slots.second = slot
        gradients[value] = slots
    }
}

extension ComputeGraph {
    fileprivate var headTick: Int { layers.count + 1 }
    fileprivate func backwardTick(_ layer: Int) -> Int { 2 * layers.count + 2 - layer }
    fileprivate var lastTick: Int { backwardTick(0) }
}
