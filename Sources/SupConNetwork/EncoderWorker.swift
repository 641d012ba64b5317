import SupConTensor

/// An encoder worker runs a group of images through an encoder together. A plan has either one
/// worker on which all threads work, or one worker per thread, so that its images need not wait for
/// those of the others.
final class EncoderWorker {
    private enum Step {
        case convolution(any Convolution, Memory, PlannedConvolution)
        case maxPool(MaxPool, x: UnsafeMutableRawPointer, y: UnsafeMutableRawPointer)
    }
    private struct Memory {
        var x, y, packed: UnsafeMutableRawPointer
        var bias: UnsafeMutablePointer<Float>
        /// The elements of y.
        var count: Int
        /// The quantization steps of an int8 convolution.
        var steps: ByteSteps?
    }
    private let activations: AlignedBuffer
    private let weights: AlignedBuffer
    private let steps: [Step]
    private let scratch: UnsafeMutableRawPointer
    /// The folded weights of one convolution, before they are packed.
    private let folded: UnsafeMutablePointer<Float>
    private let image: InputConversion
    private let pool: AveragePool
    private let stored: StoredType
    /// The quantization step of the last value in int8.
    private let lastStep: Float
    /// The last value of the graph, after `run`.
    let output: UnsafeMutableRawPointer
    private let features: UnsafeMutablePointer<Float>?

    /// Allocates the memory of a layout, and makes the steps.
    /// - Parameters:
    ///   - isFirst: takes the layout's convolutions; other workers make their own.
    ///   - weights: memory for the packed weights, which workers share.
    /// Allocates the memory of a layout, and makes the steps.
    ///   - input: [images, height, width, channels] of this worker.
    ///   - features: [images, channels] of this worker; nil: the last value is not pooled.
    /// Errors: memory, unsupported, canceled.
    init(
        _ layout: EncoderLayout, isFirst: Bool, weights: AlignedBuffer,
        input: UnsafeMutablePointer<Float>, features: UnsafeMutablePointer<Float>?,
        watch: CancelWatch? = nil
    ) throws(SupConError) {
        let (graph, stored, threads) = (layout.graph, layout.stored, layout.threads)
        let activations = try AlignedBuffer(byteCount: layout.activationArena.byteCount)
        (self.activations, self.weights, self.features) = (activations, weights, features)
        func at(_ value: Int) -> UnsafeMutableRawPointer {
            layout.values[value].map { activations.pointer + layout.activationArena.offset($0) }
                ?? UnsafeMutableRawPointer(input)
        }
        func at(_ slot: Arena.Slot) -> UnsafeMutableRawPointer {
            weights.pointer + layout.weightArena.offset(slot)
        }
        var steps: [Step] = []
        for layer in layout.layers {
            try watch?.check()
            switch layer {
            case .convolution(let planned, let slots):
                let (input, output) = (planned.layer.input, planned.layer.output)
                let memory = Memory(
                    x: at(input), y: at(output), packed: at(slots.packed),
                    bias: f32(at(slots.bias)), count: layout.count(output), steps: slots.steps)
                let convolution =
                    isFirst ? planned.convolution : try layout.anotherConvolution(planned)
                steps.append(.convolution(convolution, memory, planned))
            case .maxPool(let planned, _):
                let pool = MaxPool(
                    images: layout.images, input: graph.values[planned.input],
                    output: graph.values[planned.output], threads: threads)
                steps.append(.maxPool(pool, x: at(planned.input), y: at(planned.output)))
            }
        }
        self.steps = steps
        scratch = activations.pointer + layout.activationArena.offset(layout.scratch)
        folded = f32(at(layout.folded))
        image = InputConversion(
            from: input, to: at(0), count: layout.count(0), stored: stored,
            step: layout.quantization?.step(0, in: graph) ?? 1, threads: threads)
        output = at(graph.output)
        let last = graph.values[graph.output]
        pool = AveragePool(
            images: layout.images, area: last.area, channels: last.channels, threads: threads)
        self.stored = stored
        lastStep = layout.quantization?.step(graph.output, in: graph) ?? 1
    }

    /// Computes the features of the input. `observe` is called with each value of the graph as it
    /// is computed in f32: its index, its elements, and their number. Once `watch` is canceled, the
    /// remaining layers are skipped.
    func run(
        watch: CancelWatch? = nil,
        observe: (Int, UnsafePointer<Float>, Int) -> Void = { _, _, _ in }
    ) {
        image.run()
        observe(0, image.from, image.count)
        for step in steps {
            if watch?.isCanceled == true { return }
            switch step {
            case .convolution(let convolution, let memory, let planned):
                convolution.forward(
                    x: memory.x, packed: memory.packed, bias: memory.bias, y: memory.y,
                    scratch: scratch)
                observe(planned.layer.output, f32(UnsafeRawPointer(memory.y)), memory.count)
            case .maxPool(let pool, let x, let y):
                pool.forward(x: x, y: y, stored: stored)
            }
        }
        if let features { pool.forward(x: output, y: features, stored: stored, step: lastStep) }
    }

    /// Folds the batch norms into the weights and packs these, for all workers that share them. In
    /// int8 the quantization steps remain those of the weights that the plan was made with.
    func reloadWeights(_ parameters: ParameterStore) {
        for step in steps {
            // A pool has no weights.
            guard case .convolution(let convolution, let memory, let planned) = step else {
                continue
            }
            let (weight, norm) = (planned.parameters.weight, planned.parameters.norm)
            // The bias's memory holds the scale first.
            parameters.foldedNorm(norm, scale: memory.bias)
            parameters.fold(weight, scale: memory.bias, into: folded)
            parameters.foldedBias(norm, scaleToBias: memory.bias)
            if let steps = memory.steps {
                steps.quantize(
                    folded, bias: memory.bias, perOutput: weight.count / steps.weights.count)
                convolution.prepare(bias: memory.bias)
            }
            convolution.pack(folded, into: memory.packed, forGradient: memory.packed)
        }
    }
}
