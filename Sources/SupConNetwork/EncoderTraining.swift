import CKernels
import SupConTensor

/// An encoder laid out for training: images → r, and dr → the gradients of its parameters.
///
/// Every buffer has its place in one arena before anything is allocated; the ticks of the arena's
/// clock are: 0 the image, i + 1 layer i forward, L + 1 the head, L + 2 the pool backward, then the
/// layers backward from the last to the first. A value has at most two consumers, so its gradient
/// is the sum of at most two buffers; the batch norm that consumes it adds them while it reads.
///
/// What a convolution alone takes from the batch norm before it (`isRecomputed`) is not kept for
/// the backward pass: normalizing once more costs less than the memory is worth.
final class EncoderTraining {
    let graph: ComputeGraph
    let images: Int
    private let type: ElementType
    private let threads: Int
    private var arena = Arena()
    private var convolutions: [Int: any Convolution] = [:]
    private var slots = Slots()
    private(set) var layers: [any TrainingLayer] = []
    private let pool: AveragePool
    private var base: AlignedBuffer?

    private struct Slots {
        var input: Arena.Slot?  // f32
        var values: [Arena.Slot] = []
        var inputsAgain: [Int: Arena.Slot] = [:]  // by layer
        var normInputs: [Int: Arena.Slot] = [:]
        var places: [Int: Arena.Slot] = [:]
        var packed: [Int: (Arena.Slot, forGradient: Arena.Slot)] = [:]
        var gradients: [Int: [Arena.Slot]] = [:]  // by value
        var normInputGradients: [Int: Arena.Slot] = [:]  // by layer
        var inputGradients: [Int: Arena.Slot] = [:]  // by layer
        var scratch: Arena.Slot?
    }

    /// Plans; takes no memory for buffers yet. Errors: unsupported, memory.
    init(
        _ configuration: NetworkConfiguration, images: Int, height: Int, width: Int,
        type: ElementType, threads: Int, engine: Engine
    ) throws(SupConError) {
        graph = ComputeGraph(configuration, height: height, width: width)
        self.images = images
        self.type = type
        self.threads = threads
        let last = graph.values[graph.output]
        pool = AveragePool(
            images: images, area: last.area, channels: last.channels, type: type, threads: threads)
        for (index, layer) in graph.layers.enumerated() {
            guard case .convolutionNorm(let layer) = layer else { continue }
            convolutions[index] = try engine.convolution(
                ConvolutionShape(layer, in: graph, images: images),
                .training(inputGradient: layer.input != 0), type: type, threads: threads)
        }
        reserveForward()
        reserveBackward()
        arena.place()
    }

    var byteCount: Int { arena.byteCount }
    /// [images, height, width, channels] f32, after `allocate`.
    private(set) var input: UnsafeMutablePointer<Float>?

    private var headTick: Int { graph.layers.count + 1 }
    private func backwardTick(_ layer: Int) -> Int { 2 * graph.layers.count + 2 - layer }
    private var lastTick: Int { backwardTick(0) }
    private func byteCount(ofValue value: Int) -> Int {
        images * graph.values[value].area * graph.values[value].channels * type.byteCount
    }

    /// The layer whose output the value is.
    private func producer(of value: Int) -> Int { value - 1 }

    /// Whether the value is a plain batch norm's output that one convolution takes and nobody else.
    private func isRecomputed(_ value: Int) -> Bool {
        guard value > 0, value != graph.output,
            case .convolutionNorm(let layer) = graph.layers[producer(of: value)],
            layer.residual == nil
        else { return false }
        return graph.consumers(of: value) == 1
    }

    private func reserveForward() {
        let inputSlot = arena.reserve(
            byteCount: images * graph.values[0].area * graph.values[0].channels * 4,
            first: 0, last: lastTick)
        slots.input = inputSlot
        slots.values = [
            type == .f32
                ? inputSlot : arena.reserve(byteCount: byteCount(ofValue: 0), first: 0, last: 0)
        ]
        for (index, layer) in graph.layers.enumerated() {
            let tick = index + 1
            switch layer {
            case .convolutionNorm(let layer):
                if isRecomputed(layer.input) {
                    arena.extend(slots.values[layer.input], to: tick)
                    slots.inputsAgain[index] = arena.reserve(
                        byteCount: byteCount(ofValue: layer.input), first: backwardTick(index),
                        last: backwardTick(index))
                } else {
                    arena.extend(slots.values[layer.input], to: backwardTick(index))
                }
                let y = arena.reserve(
                    byteCount: byteCount(ofValue: layer.output), first: tick, last: tick)
                if let residual = layer.residual {
                    arena.extend(slots.values[residual], to: tick)
                    arena.extend(y, to: backwardTick(index))
                }
                slots.values.append(y)
                slots.normInputs[index] = arena.reserve(
                    byteCount: byteCount(ofValue: layer.output), first: tick,
                    last: backwardTick(index))
                guard let convolution = convolutions[index] else { continue }
                slots.packed[index] = (
                    arena.reserve(byteCount: convolution.packedByteCount, first: 0, last: lastTick),
                    arena.reserve(
                        byteCount: convolution.packedForGradientByteCount, first: 0, last: lastTick)
                )
            case .maxPool(let input, let output):
                arena.extend(slots.values[input], to: tick)
                slots.values.append(
                    arena.reserve(byteCount: byteCount(ofValue: output), first: tick, last: tick))
                slots.places[index] = arena.reserve(
                    byteCount: byteCount(ofValue: output) / type.byteCount, first: tick,
                    last: backwardTick(index))
            }
        }
        arena.extend(slots.values[graph.output], to: headTick)
        slots.scratch = arena.reserve(
            byteCount: convolutions.values.map(\.scratchByteCount).max() ?? 0, first: 0,
            last: lastTick)
    }

    private func reserveBackward() {
        slots.gradients[graph.output] = [
            arena.reserve(
                byteCount: byteCount(ofValue: graph.output), first: headTick + 1,
                last: headTick + 1)
        ]
        for (index, layer) in graph.layers.enumerated().reversed() {
            let tick = backwardTick(index)
            func inputGradient(_ input: Int) {
                guard input != 0 else { return }
                let slot = arena.reserve(
                    byteCount: byteCount(ofValue: input), first: tick, last: tick)
                slots.inputGradients[index] = slot
                slots.gradients[input, default: []].append(slot)
            }
            switch layer {
            case .convolutionNorm(let layer):
                let incoming = slots.gradients[layer.output] ?? []
                incoming.forEach { arena.extend($0, to: tick) }
                if let residual = layer.residual {
                    // g takes dy's place and goes on as the residual's gradient.
                    slots.gradients[residual, default: []].append(incoming[0])
                    slots.normInputGradients[index] = arena.reserve(
                        byteCount: byteCount(ofValue: layer.output), first: tick, last: tick)
                } else {
                    slots.normInputGradients[index] = incoming[0]
                }
                inputGradient(layer.input)
            case .maxPool(let input, let output):
                slots.gradients[output]?.forEach { arena.extend($0, to: tick) }
                inputGradient(input)
            }
        }
    }

    /// Takes the memory and builds the layers. Errors: memory.
    func allocate(_ network: Network, gradients: UnsafeMutablePointer<Float>) throws(SupConError) {
        let memory = try AlignedBuffer(byteCount: arena.byteCount)
        base = memory
        func at(_ slot: Arena.Slot) -> UnsafeMutableRawPointer {
            memory.pointer + arena.offset(slot)
        }
        guard let inputSlot = slots.input, let scratchSlot = slots.scratch else { return }
        input = at(inputSlot).assumingMemoryBound(to: Float.self)
        let parameters = network.parameters
        var norms: [Int: BatchNorm] = [:]  // by layer
        for (index, layer) in graph.layers.enumerated() {
            switch layer {
            case .convolutionNorm(let layer):
                guard let convolution = convolutions[index], let packed = slots.packed[index],
                    let c = slots.normInputs[index],
                    let incoming = slots.gradients[layer.output],
                    let dc = slots.normInputGradients[index]
                else { continue }
                let shape = graph.values[layer.output]
                let norm = try BatchNorm(
                    parameters.norm(layer.normName, gradients: gradients),
                    rows: images * shape.area, channels: shape.channels, type: type,
                    relu: layer.relu,
                    threads: threads)
                norms[index] = norm
                let weight = parameters.declared(layer.convolutionName + ".weight")
                var xAgain:
                    (norm: BatchNorm, c: UnsafeMutableRawPointer, x: UnsafeMutableRawPointer)?
                let before = producer(of: layer.input)
                if let slot = slots.inputsAgain[index], let norm = norms[before],
                    let c = slots.normInputs[before]
                {
                    xAgain = (norm, at(c), at(slot))
                }
                layers.append(
                    ConvolutionNormTraining(
                        convolution, norm,
                        .init(
                            x: at(slots.values[layer.input]), c: at(c),
                            y: at(slots.values[layer.output]),
                            residual: layer.residual.map { at(slots.values[$0]) },
                            dy: at(incoming[0]), dy2: incoming.count > 1 ? at(incoming[1]) : nil,
                            g: layer.residual != nil || incoming.count > 1 ? at(incoming[0]) : nil,
                            dc: at(dc), dx: slots.inputGradients[index].map { at($0) },
                            xAgain: xAgain,
                            packed: at(packed.0), packedForGradient: at(packed.forGradient),
                            scratch: at(scratchSlot), weights: parameters.pointer(weight),
                            weightGradient: gradients + weight.offset)))
            case .maxPool(let input, let output):
                guard let places = slots.places[index], let incoming = slots.gradients[output],
                    let dx = slots.inputGradients[index]
                else { continue }
                layers.append(
                    MaxPoolTraining(
                        MaxPool(
                            images: images, input: graph.values[input],
                            output: graph.values[output], type: type, threads: threads),
                        .init(
                            x: at(slots.values[input]), y: at(slots.values[output]),
                            places: at(places), dy: at(incoming[0]),
                            dy2: incoming.count > 1 ? at(incoming[1]) : nil, dx: at(dx))))
            }
        }
        image = at(slots.values[0])
        output = at(slots.values[graph.output])
        outputGradient = slots.gradients[graph.output].map { at($0[0]) }
    }

    private var image: UnsafeMutableRawPointer?
    private var output: UnsafeMutableRawPointer?
    private var outputGradient: UnsafeMutableRawPointer?

    func setMovesStatistics(_ moves: Bool) {
        for layer in layers { layer.setMovesStatistics(moves) }
    }

    /// `input` → features [images, embeddingDimension].
    func forward(features: UnsafeMutablePointer<Float>) {
        guard let input, let image, let output else { return }
        if type == .bf16 {
            Parallel.ranges(
                images * graph.values[0].area * graph.values[0].channels, grain: 65536,
                threads: threads
            ) { range in
                sc_f32_to_bf16(
                    input + range.lowerBound, bf16(image) + range.lowerBound, Int64(range.count))
            }
        }
        for layer in layers { layer.forward() }
        pool.forward(x: output, y: features)
    }

    /// d features → the gradients of the parameters.
    func backward(featureGradient: UnsafePointer<Float>) {
        guard let outputGradient else { return }
        pool.backward(dy: featureGradient, dx: outputGradient)
        for layer in layers.reversed() { layer.backward() }
    }
}

extension ParameterStore {
    /// The parameters of a batch norm, and where their gradients go.
    func norm(_ name: String, gradients: UnsafeMutablePointer<Float>) -> BatchNorm.Parameters {
        let (gamma, beta) = (declared(name + ".weight"), declared(name + ".bias"))
        return BatchNorm.Parameters(
            gamma: pointer(gamma), beta: pointer(beta),
            runningMean: pointer(declared(name + ".running_mean")),
            runningVariance: pointer(declared(name + ".running_var")),
            gammaGradient: gradients + gamma.offset, betaGradient: gradients + beta.offset)
    }
}
