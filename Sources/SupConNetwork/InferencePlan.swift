import CKernels
import SupConTensor

/// A network laid out to embed batches of one size. Batch norm (its running statistics) is folded into the convolutions, ReLU and the residual sum are fused behind them; running allocates
/// nothing. One thread at a time; several plans of one network may run at once.
public final class InferencePlan {
    /// Bytes of activations, workspaces and weights.
    public let memoryByteCount: Int
    /// [images, height, width, channels], normalised.
    public let input: UnsafeMutablePointer<Float>
    /// r [images, encoderOutput], not normalised, after `run`.
    public var features: UnsafeMutablePointer<Float> { featureBuffer.floats }
    /// What head and classifier take: r, or r/|r|, after `run`.
    public var headInput: UnsafeMutablePointer<Float> { featureUnit?.u.floats ?? features }
    /// w [images, headOutput], not normalised, after `run`; nil without a head.
    public var projection: UnsafeMutablePointer<Float>? { head?.output }
    /// [images, classes], after `run`; nil without a classifier.
    public var logits: UnsafeMutablePointer<Float>? { classifier?.output }

    private enum Step {
        case convolution(any Convolution, Memory, Blueprint.ConvolutionNorm)
        case maxPool(MaxPool, x: UnsafeMutableRawPointer, y: UnsafeMutableRawPointer)
    }
    private struct Memory {
        var x, y, packed: UnsafeMutableRawPointer
        var bias: UnsafeMutablePointer<Float>
    }

    private let network: Network
    private let type: ElementType
    private let threads: Int
    private let memory: AlignedBuffer
    private let steps: [Step]
    private let scratch: UnsafeMutableRawPointer
    /// One convolution's weights, folded, before they are packed.
    private let folded: UnsafeMutablePointer<Float>
    private let image: (f32: UnsafeMutablePointer<Float>, own: UnsafeMutableRawPointer, count: Int)
    private let output: UnsafeMutableRawPointer
    private let pool: AveragePool
    private let featureBuffer: AlignedBuffer
    private let featureUnit: (layer: UnitLength, u: AlignedBuffer, lengths: AlignedBuffer)?
    private let head: HeadInference?
    private let classifier: HeadInference?

    /// Errors: argument, unsupported (precision), memory (more than the context allows; says how much).
    public init(
        _ network: Network, images: Int, height: Int, width: Int, precision: Precision, context: ExecutionContext, engine: Engine = .standard
    ) throws(SupConError) {
        try checkPlanSizes(network, images: images, height: height, width: width, precision: precision, engine: engine)
        let configuration = network.configuration
        let blueprint = Blueprint(configuration, height: height, width: width)
        let type = precision.activations
        (self.network, self.type, threads) = (network, type, context.threads)
        let lastTick = blueprint.layers.count + 1
        func bytes(_ value: Int) -> Int { images * blueprint.values[value].area * blueprint.values[value].channels * type.byteCount }

        var arena = Arena()
        let inputSlot = arena.reserve(byteCount: images * blueprint.values[0].area * blueprint.values[0].channels * 4, first: 0, last: lastTick)
        var values = [type == .f32 ? inputSlot : arena.reserve(byteCount: bytes(0), first: 0, last: 0)]
        var convolutions: [(any Convolution, packed: Arena.Slot, bias: Arena.Slot)?] = []
        for (index, layer) in blueprint.layers.enumerated() {
            let tick = index + 1
            switch layer {
            case .convolutionNorm(let layer):
                arena.extend(values[layer.input], to: tick)
                if let residual = layer.residual {
                    // The sum is taken in place: the residual's memory becomes the output's.
                    arena.extend(values[residual], to: tick)
                    values.append(values[residual])
                } else {
                    values.append(arena.reserve(byteCount: bytes(layer.output), first: tick, last: tick))
                }
                let shape = ConvolutionShape(layer, in: blueprint, images: images)
                let convolution = try engine.convolution(
                    shape, .inference(relu: layer.relu, addsToOutput: layer.residual != nil), type: type, threads: context.threads)
                convolutions.append(
                    (
                        convolution, arena.reserve(byteCount: convolution.packedByteCount, first: 0, last: lastTick),
                        arena.reserve(byteCount: shape.outputs * 4, first: 0, last: lastTick)
                    ))
            case .maxPool(let input, let output):
                arena.extend(values[input], to: tick)
                values.append(arena.reserve(byteCount: bytes(output), first: tick, last: tick))
                convolutions.append(nil)
            }
        }
        arena.extend(values[blueprint.output], to: lastTick)
        let scratchSlot = arena.reserve(byteCount: convolutions.compactMap { $0?.0.scratchByteCount }.max() ?? 0, first: 0, last: lastTick)
        let largest = network.parameters.entries.filter { $0.role == .convolution }.map(\.count).max() ?? 0
        let foldedSlot = arena.reserve(byteCount: largest * 4, first: 0, last: lastTick)
        arena.place()

        let headLayers = HeadLayer.head(of: configuration)
        let classifierLayers = [HeadLayer.classifier(of: configuration)].compactMap { $0 }
        memoryByteCount = arena.byteCount + HeadInference.byteCount(headLayers + classifierLayers, rows: images)
            + images * (configuration.encoderOutput * (configuration.normalizesFeatures ? 2 : 1) + 1) * 4
        let total = memoryByteCount
        try context.checkMemory(total, for: "embedding \(images) images of \(height)×\(width) at a time in \(precision.rawValue)")
        let memory = try AlignedBuffer(byteCount: arena.byteCount)
        self.memory = memory
        func at(_ slot: Arena.Slot) -> UnsafeMutableRawPointer { memory.pointer + arena.offset(slot) }
        var steps: [Step] = []
        for (layer, convolution) in zip(blueprint.layers, convolutions) {
            switch layer {
            case .convolutionNorm(let layer):
                guard let (convolution, packed, bias) = convolution else { continue }
                steps.append(
                    .convolution(
                        convolution,
                        Memory(x: at(values[layer.input]), y: at(values[layer.output]), packed: at(packed), bias: at(bias).assumingMemoryBound(to: Float.self)), layer))
            case .maxPool(let input, let output):
                let pool = MaxPool(images: images, input: blueprint.values[input], output: blueprint.values[output], type: type, threads: context.threads)
                steps.append(.maxPool(pool, x: at(values[input]), y: at(values[output])))
            }
        }
        self.steps = steps
        scratch = at(scratchSlot)
        folded = at(foldedSlot).assumingMemoryBound(to: Float.self)
        input = at(inputSlot).assumingMemoryBound(to: Float.self)
        image = (input, at(values[0]), images * blueprint.values[0].area * blueprint.values[0].channels)
        output = at(values[blueprint.output])
        let last = blueprint.values[blueprint.output]
        pool = AveragePool(images: images, area: last.area, channels: last.channels, type: type, threads: context.threads)
        featureBuffer = try AlignedBuffer(Float.self, count: images * configuration.encoderOutput)
        featureUnit =
            configuration.normalizesFeatures
            ? (
                UnitLength(rows: images, dimension: configuration.encoderOutput), try AlignedBuffer(Float.self, count: images * configuration.encoderOutput),
                try AlignedBuffer(Float.self, count: images)
            ) : nil
        head = headLayers.isEmpty ? nil : try HeadInference(headLayers, rows: images, network: network, threads: context.threads)
        classifier = classifierLayers.isEmpty ? nil : try HeadInference(classifierLayers, rows: images, network: network, threads: context.threads)
        reloadWeights()
    }

    /// `input` → `features`, `projection`, `logits`, for all images of the plan.
    public func run() {
        EngineTeam.run(threads) {
            if type == .bf16 { sc_f32_to_bf16(image.f32, bf16(image.own), Int64(image.count)) }
            for step in steps {
                switch step {
                case .convolution(let convolution, let memory, _):
                    convolution.forward(x: memory.x, packed: memory.packed, bias: memory.bias, y: memory.y, scratch: scratch)
                case .maxPool(let pool, let x, let y):
                    pool.forward(x: x, y: y, places: nil)
                }
            }
            pool.forward(x: output, y: features)
            if let featureUnit { featureUnit.layer.forward(w: features, z: featureUnit.u.floats, lengths: featureUnit.lengths.floats) }
            head?.forward(headInput)
            classifier?.forward(headInput)
        }
    }

    /// After the network's parameters have changed: folds and packs them anew.
    public func reloadWeights() {
        EngineTeam.run(threads) {
            for step in steps {
                guard case .convolution(let convolution, let memory, let layer) = step else { continue }
                let (scale, shift) = (memory.bias, network.parameters.declared(layer.normName + ".bias"))
                let weight = network.parameters.declared(layer.convolutionName + ".weight")
                // The bias's memory holds the scale first.
                network.parameters.foldedNorm(layer.normName, scale: scale)
                let perOutput = weight.count / shift.count
                let from = network.parameters.pointer(weight)
                for o in 0..<shift.count { for i in (o * perOutput)..<((o + 1) * perOutput) { folded[i] = from[i] * scale[o] } }
                convolution.pack(folded, into: memory.packed, forGradient: memory.packed)
                network.parameters.foldedBias(layer.normName, scaleToBias: scale)
            }
            head?.reloadWeights()
        }
    }
}

extension ParameterStore {
    /// scale[c] = γ / √(running variance + ε).
    func foldedNorm(_ name: String, scale: UnsafeMutablePointer<Float>) {
        let (gamma, variance) = (declared(name + ".weight"), pointer(declared(name + ".running_var")))
        for c in 0..<gamma.count { scale[c] = Float(Double(pointer(gamma)[c]) / (Double(variance[c]) + BatchNorm.epsilon).squareRoot()) }
    }

    /// Turns that scale into the bias β − scale · running mean.
    func foldedBias(_ name: String, scaleToBias bias: UnsafeMutablePointer<Float>) {
        let (beta, mean) = (declared(name + ".bias"), pointer(declared(name + ".running_mean")))
        for c in 0..<beta.count { bias[c] = pointer(beta)[c] - bias[c] * mean[c] }
    }
}
