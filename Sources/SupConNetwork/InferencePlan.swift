import CKernels
import SupConTensor

/// A network laid out to embed batches of one size. Batch norm (its running statistics) is folded into the convolutions, ReLU and the residual sum are fused behind them; running allocates
/// nothing. One thread at a time; several plans of one network may run at once. With a quantisation the encoder computes in int8: activations in bytes, sums in 32 bits.
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
        case maxPool(MaxPoolRows, x: UnsafeMutableRawPointer, y: UnsafeMutableRawPointer)
    }
    private struct Memory {
        var x, y, packed: UnsafeMutableRawPointer
        var bias: UnsafeMutablePointer<Float>
        /// Numbers in y.
        var count: Int
        /// Of int8.
        var steps: ByteSteps?
    }

    private let network: Network
    private let stored: StoredType
    private let threads: Int
    private let memory: AlignedBuffer
    private let steps: [Step]
    private let scratch: UnsafeMutableRawPointer
    /// One convolution's weights, folded, before they are packed.
    private let folded: UnsafeMutablePointer<Float>
    private let image: InputConversion
    private let output: UnsafeMutableRawPointer
    private let pool: AveragePoolRows
    private let featureBuffer: AlignedBuffer
    private let featureUnit: (layer: UnitLength, u: AlignedBuffer, lengths: AlignedBuffer)?
    private let head: HeadInference?
    private let classifier: HeadInference?

    /// - Parameter quantization: nil: the encoder computes in `precision`.
    /// Errors: argument, unsupported (precision, int8), memory (more than the context allows; says how much).
    public init(
        _ network: Network, images: Int, height: Int, width: Int, precision: Precision, quantization: Quantization? = nil, context: ExecutionContext,
        engine: Engine = .standard
    ) throws(SupConError) {
        try checkPlanSizes(network, images: images, height: height, width: width, precision: precision, engine: engine)
        if quantization != nil { try engine.checkInt8() }
        let configuration = network.configuration
        let blueprint = Blueprint(configuration, height: height, width: width)
        let stored = quantization != nil ? StoredType.byte : precision == .f32 ? .f32 : .bf16
        (self.network, self.stored, threads) = (network, stored, context.threads)
        let lastTick = blueprint.layers.count + 1
        func bytes(_ value: Int) -> Int { images * blueprint.values[value].area * blueprint.values[value].channels * stored.byteCount }

        var arena = Arena()
        let inputSlot = arena.reserve(byteCount: images * blueprint.values[0].area * blueprint.values[0].channels * 4, first: 0, last: lastTick)
        var values = [stored == .f32 ? inputSlot : arena.reserve(byteCount: bytes(0), first: 0, last: 0)]
        var convolutions: [(any Convolution, ByteSteps?, packed: Arena.Slot, bias: Arena.Slot)?] = []
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
                var purpose = ConvolutionPurpose.inference(relu: layer.relu, addsToOutput: layer.residual != nil)
                var steps: ByteSteps?
                if let quantization {
                    let weightSteps = network.parameters.weightSteps(layer)
                    steps = ByteSteps(weights: weightSteps, y: quantization.step(layer.output, in: blueprint))
                    purpose = .int8(QuantizedConvolution(layer, in: blueprint, quantization, weightSteps: weightSteps))
                }
                let convolution = try engine.convolution(shape, purpose, type: precision.activations, threads: context.threads)
                convolutions.append(
                    (
                        convolution, steps, arena.reserve(byteCount: convolution.packedByteCount, first: 0, last: lastTick),
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
        try context.checkMemory(total, for: "embedding \(images) images of \(height)×\(width) at a time in \(quantization == nil ? precision.rawValue : "int8")")
        let memory = try AlignedBuffer(byteCount: arena.byteCount)
        self.memory = memory
        func at(_ slot: Arena.Slot) -> UnsafeMutableRawPointer { memory.pointer + arena.offset(slot) }
        var steps: [Step] = []
        for (layer, convolution) in zip(blueprint.layers, convolutions) {
            switch layer {
            case .convolutionNorm(let layer):
                guard let (convolution, byteSteps, packed, bias) = convolution else { continue }
                steps.append(
                    .convolution(
                        convolution,
                        Memory(
                            x: at(values[layer.input]), y: at(values[layer.output]), packed: at(packed), bias: f32(at(bias)),
                            count: images * blueprint.values[layer.output].area * blueprint.values[layer.output].channels, steps: byteSteps), layer))
            case .maxPool(let input, let output):
                let pool = MaxPoolRows(images: images, input: blueprint.values[input], output: blueprint.values[output], stored: stored, threads: context.threads)
                steps.append(.maxPool(pool, x: at(values[input]), y: at(values[output])))
            }
        }
        self.steps = steps
        scratch = at(scratchSlot)
        folded = at(foldedSlot).assumingMemoryBound(to: Float.self)
        input = at(inputSlot).assumingMemoryBound(to: Float.self)
        image = InputConversion(
            from: input, to: at(values[0]), count: images * blueprint.values[0].area * blueprint.values[0].channels, stored: stored,
            step: quantization?.step(0, in: blueprint) ?? 1, threads: context.threads)
        output = at(values[blueprint.output])
        let last = blueprint.values[blueprint.output]
        pool = AveragePoolRows(
            images: images, area: last.area, channels: last.channels, stored: stored, step: quantization?.step(blueprint.output, in: blueprint) ?? 1,
            threads: context.threads)
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

    /// `input` → `features`, and where they are wanted `projection` and `logits`, for all images of the plan.
    public func run(projection: Bool = true, logits: Bool = true) {
        EngineTeam.run(threads) {
            runEncoder { _, _, _ in }
            if let featureUnit { featureUnit.layer.forward(w: features, z: featureUnit.u.floats, lengths: featureUnit.lengths.floats) }
            if projection { head?.forward(headInput) }
            if logits { classifier?.forward(headInput) }
        }
    }

    /// Runs the encoder and shows each value of the blueprint, f32, as it comes up: its number, its numbers, how many they are. For plans in f32.
    func run(observing observe: (Int, UnsafePointer<Float>, Int) -> Void) { EngineTeam.run(threads) { runEncoder(observe: observe) } }

    private func runEncoder(observe: (Int, UnsafePointer<Float>, Int) -> Void) {
        image.run()
        observe(0, input, image.count)
        for step in steps {
            switch step {
            case .convolution(let convolution, let memory, let layer):
                convolution.forward(x: memory.x, packed: memory.packed, bias: memory.bias, y: memory.y, scratch: scratch)
                observe(layer.output, f32(UnsafeRawPointer(memory.y)), memory.count)
            case .maxPool(let pool, let x, let y):
                pool.run(x: x, y: y)
            }
        }
        pool.run(x: output, y: features)
    }

    /// After the network's parameters have changed: folds and packs them anew. In int8 the steps stay those of the encoder's weights that the plan was made with.
    public func reloadWeights() {
        let parameters = network.parameters
        EngineTeam.run(threads) {
            for step in steps {
                guard case .convolution(let convolution, let memory, let layer) = step else { continue }
                // The bias's memory holds the scale first.
                parameters.foldedNorm(layer.normName, scale: memory.bias)
                parameters.fold(layer.convolutionName, scale: memory.bias, into: folded)
                parameters.foldedBias(layer.normName, scaleToBias: memory.bias)
                if let steps = memory.steps {
                    steps.quantize(folded, bias: memory.bias, perOutput: parameters.declared(layer.convolutionName + ".weight").count / steps.weights.count)
                    convolution.prepare(bias: memory.bias)
                }
                convolution.pack(folded, into: memory.packed, forGradient: memory.packed)
            }
            head?.reloadWeights()
        }
    }
}
