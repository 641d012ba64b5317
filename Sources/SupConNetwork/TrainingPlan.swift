import SupConTensor

/// A training plan trains a network on batches of one size. All memory is allocated and all
/// primitives are made once; a step allocates nothing.
///
/// In each step the caller writes `input`, calls `forward()`, writes dL/dz to `projectionGradient`
/// (and dL/dlogits to `logitsGradient`), calls `backward()`, and lets an optimizer apply
/// `gradients` to the network's parameters. Batch norm uses the batch's statistics and updates the
/// running ones (`movesStatistics`). A plan serves one thread at a time.
package final class TrainingPlan {
    /// The parts of the network that a step runs and trains.
    package struct Trained: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }
        package static let encoder = Trained(rawValue: 1)
        /// The projection head and the normalization z = w/|w|. Without a head, z is r/|r|.
        package static let head = Trained(rawValue: 2)
        package static let classifier = Trained(rawValue: 4)
    }

    /// The part of the encoder that a plan runs but does not train.
    package struct Frozen: Sendable, Equatable {
        /// The number of frozen stages: 0 for none, 1 for the stem and the first stage, … 4 for
        /// all. They run in inference form.
        package var stages: Int
        /// Whether the batch norms after them use their running statistics and leave them
        /// unchanged; γ and β are trained.
        package var normStatistics: Bool
        /// The quantization with which the frozen stages compute in int8; nil: they compute in the
        /// plan's precision.
        package var quantization: Quantization?

        package init(
            stages: Int = 0, normStatistics: Bool = false, quantization: Quantization? = nil
        ) {
            (self.stages, self.normStatistics, self.quantization) = (
                stages, normStatistics, quantization
            )
        }
    }

    /// The bytes of activations, gradients, workspaces and packed weights.
    package let memoryByteCount: Int
    /// The normalized images [images, height, width, channels], which the caller writes.
    package let input: UnsafeMutablePointer<Float>
    /// The number of views per step.
    package let images: Int
    /// The features r [images, embeddingDimension], after `forward`.
    package var features: UnsafeMutablePointer<Float> { featureBuffer.floats }
    /// The embeddings z [images, projectionDimension], of length 1, after `forward`; nil without
    /// `.head`.
    package var projection: UnsafeMutablePointer<Float>? { unit?.rows.z }
    /// The gradient dL/dz, which the caller writes.
    package var projectionGradient: UnsafeMutablePointer<Float>? { unit?.dz.floats }
    /// The logits [images, classes], after `forward`; nil without `.classifier`.
    package var logits: UnsafeMutablePointer<Float>? { classifier?.output }
    /// The gradient dL/dlogits, which the caller writes.
    package var logitsGradient: UnsafeMutablePointer<Float>? { classifier?.outputGradient }
    /// The gradients, laid out like the network's `parameters.values[0..<trainableCount]`, after
    /// `backward`; 0 for parameters that are not trained.
    package var gradients: UnsafeMutablePointer<Float> { gradientBuffer.floats }
    /// The offsets that `backward` passes to `completed`, in that order. The gradients before the
    /// last of them belong to parameters that are not trained.
    package var completedOffsets: [Int] {
        [headOffset] + (encoder?.offsets ?? []).reversed().compactMap { $0 }
    }

    /// The offset of the first gradient of head or classifier; the encoder's come before it.
    private let headOffset: Int
    let threads: Int
    /// The frozen stages and their input; nil: no stage is frozen.
    private let frozen: (stages: FrozenStages, input: AlignedBuffer)?
    /// The trained stages of the encoder; nil: all stages are frozen.
    let encoder: EncoderTraining?
    private let type: ElementType
    private let head: HeadTraining?
    private let classifier: HeadTraining?
    private let classifierReachesEncoder: Bool
    private let featureBuffer: AlignedBuffer
    private let featureGradientBuffer: AlignedBuffer
    private let gradientBuffer: AlignedBuffer
    /// The embeddings z and their gradient; nil without `.head`.
    private let unit: (rows: NormalizedRows, dz: AlignedBuffer)?
    /// The normalized features u = r/|r|; nil unless head and classifier take u.
    private let featureUnit: NormalizedRows?
    /// The input of head and classifier, u or r, after `forward`.
    package var headInput: UnsafeMutablePointer<Float> { featureUnit?.z ?? features }

    /// Plans the steps, and allocates their memory.
    /// - Parameters:
    ///   - images: the number of views per step.
    ///   - trained: `[.encoder, .head]` for a contrastive loss; all three for a joint classifier;
    ///     `[.encoder, .classifier]` for cross-entropy. There is no plan without `.encoder`.
    ///   - frozen: the stages whose parameters stay unchanged.
    ///   - classifierGradientReachesEncoder: false puts a stop-gradient between r and the
    ///     classifier.
    ///   - synchronized: the ranks over whose images batch norm's statistics are computed; nil:
    ///     over this rank's images alone. If an exchange fails, the results are meaningless, and
    ///     `Ranks.check` throws.
    /// Errors: argument, unsupported (precision), memory (more than the context allows; the message
    /// says how much).
    package init(
        _ network: Network, images: Int, height: Int, width: Int, precision: Precision,
        trained: Trained, frozen: Frozen = Frozen(), classifierGradientReachesEncoder: Bool,
        synchronized: Ranks? = nil,
        context: ExecutionContext, engine: Engine = .standard
    ) throws(SupConError) {
        let configuration = network.configuration
        try checkPlanSizes(
            network, images: images, height: height, width: width, precision: precision,
            engine: engine)
        try Self.check(configuration, trained, frozen, engine)
        (threads, type, self.images) = (context.threads, precision.activations, images)
        classifierReachesEncoder = classifierGradientReachesEncoder
        let parameters = network.parameters
        headOffset =
            parameters.entries.first { $0.part != .encoder && $0.role.isTrainable }?.offset
            ?? parameters.trainableCount
        let graph = ComputeGraph(configuration, height: height, width: width)
        let frozenLayout =
            frozen.stages == 0
            ? nil
            : try FrozenLayout(
                network, graph, stages: frozen.stages, images: images, type: type,
                quantization: frozen.quantization, threads: threads, engine: engine)
        let layout =
            frozenLayout?.isPooled == true
            ? nil
            : try TrainingLayout(
                network, frozen.stages == 0 ? graph : graph.from(graph.borders[frozen.stages]),
                takesImages: frozen.stages == 0, images: images, type: type, threads: threads,
                engine: engine)
        let inputCount = images * graph.values[0].elements

        let headLayers = trained.contains(.head) ? HeadLayer.head(of: configuration) : []
        let classifierLayers =
            trained.contains(.classifier)
            ? [HeadLayer.classifier(of: configuration)].compactMap { $0 } : []
        let zDimension = configuration.contrastedDimension
        memoryByteCount =
            (layout?.byteCount ?? 0) + (frozenLayout.map { $0.byteCount + inputCount * 4 } ?? 0)
            + network.parameters.trainableCount * 4 + 2 * images
            * configuration.embeddingDimension * 4
            + HeadTraining.byteCount(headLayers + classifierLayers, rows: images)
            + (trained.contains(.head)
                ? NormalizedRows.byteCount(rows: images, dimension: zDimension) + images
                    * zDimension
                    * 4 : 0)
            + (configuration.normalizesFeatures
                ? NormalizedRows.byteCount(
                    rows: images, dimension: configuration.embeddingDimension) : 0)
        let bytes = memoryByteCount
        try context.checkMemory(
            bytes,
            for: "a training step of \(images) views of \(height)×\(width) in \(precision.rawValue)"
        )
        try MatrixProduct.prepare()

        gradientBuffer = try AlignedBuffer(Float.self, count: network.parameters.trainableCount)
        featureBuffer = try AlignedBuffer(
            Float.self, count: images * configuration.embeddingDimension)
        featureGradientBuffer = try AlignedBuffer(
            Float.self, count: images * configuration.embeddingDimension)
        let gradients = gradientBuffer.floats
        encoder = try layout.map { (layout) throws(SupConError) in
            try EncoderTraining(
                layout, network, gradients: gradients, freezesNorm: frozen.normStatistics,
                synchronized: synchronized)
        }
        self.frozen = try frozenLayout.map { (layout) throws(SupConError) in
            (
                try FrozenStages(layout, network),
                try AlignedBuffer(Float.self, count: inputCount)
            )
        }
        input = self.frozen?.input.floats ?? encoder.map { f32($0.input) } ?? featureBuffer.floats
        func part(_ layers: [HeadLayer], _ gradients: UnsafeMutablePointer<Float>)
            throws(SupConError) -> HeadTraining?
        {
            layers.isEmpty
                ? nil
                : try HeadTraining(
                    layers, rows: images, network: network, gradients: gradients,
                    synchronized: synchronized, threads: context.threads)
        }
        head = try part(headLayers, gradientBuffer.floats)
        classifier = try part(classifierLayers, gradientBuffer.floats)
        featureUnit =
            configuration.normalizesFeatures
            ? try NormalizedRows(rows: images, dimension: configuration.embeddingDimension) : nil
        unit =
            trained.contains(.head)
            ? (
                try NormalizedRows(rows: images, dimension: zDimension),
                try AlignedBuffer(Float.self, count: images * zDimension)
            ) : nil
    }

    /// Throws unless there is something to train, and the network has it. Errors: argument,
    /// unsupported.
    private static func check(
        _ configuration: NetworkConfiguration, _ trained: Trained, _ frozen: Frozen,
        _ engine: Engine
    ) throws(SupConError) {
        try require(
            trained.contains(.encoder), .argument,
            "a training plan trains the encoder; a classifier alone is trained on embeddings")
        try require(
            trained.contains(.head) || trained.contains(.classifier), .argument,
            "a training plan needs a head or a classifier to give the encoder a gradient")
        try require(
            !trained.contains(.classifier) || configuration.classes > 0, .argument,
            "the network has no classifier to train")
        try require(
            (0...4).contains(frozen.stages), .argument,
            "freeze_stages is \(frozen.stages); expected 0 to 4")
        try require(
            frozen.stages < 4 || trained.contains(.classifier) || configuration.head != .none,
            .argument,
            "all 4 stages are frozen and there is no projection head: nothing is left to train")
        if frozen.stages > 0, frozen.quantization != nil { try engine.checkInt8() }
    }

    /// Whether `forward` updates batch norm's running statistics, as it does by default. A batch
    /// that runs forward twice must update them only once.
    package var movesStatistics = true {
        didSet {
            guard movesStatistics != oldValue else { return }
            encoder?.setMovesStatistics(movesStatistics)
            head?.setMovesStatistics(movesStatistics)
        }
    }

    /// Computes `features`, `projection` and `logits` from `input`.
    package func forward() {
        runFrozenStages(input, images: images) { first, count, output in
            for i in 0..<count {
                takeFrozenOutput(output + i * frozenOutputByteCount, image: first + i)
            }
        }
        forwardFromFrozenOutput()
    }

    /// Runs forward from the frozen stages' output, which has been taken.
    package func forwardFromFrozenOutput() {
        EngineTeam.run(images: images, threads: threads) {
            encoder?.forward(features: features)
            featureUnit?.forward(features)
            head?.forward(headInput)
            unit?.rows.forward(head?.output ?? headInput)
            classifier?.forward(headInput)
        }
    }

    /// Computes `gradients`, overwriting them, from `projectionGradient` and `logitsGradient`.
    /// `addedToFeatures` [images, embeddingDimension] is added to the gradient that the classifier
    /// computes for its input, `headInput`, for losses that depend on more than the logits.
    /// `completed` receives the offset from which on the gradients are final: first when head and
    /// classifier are done, then after each layer of the encoder, down to the first trained one.
    package func backward(
        addedToFeatures: UnsafePointer<Float>? = nil, completed: (_ offset: Int) -> Void = { _ in }
    ) {
        EngineTeam.run(images: images, threads: threads) {
            let featureGradient = featureGradientBuffer.floats
            if let unit {
                unit.rows.backward(
                    dz: unit.dz.floats, dw: head?.outputGradient ?? featureGradient)
                head?.backward(headInput, dx: featureGradient, addsToInput: false)
            }
            classifier?.backward(
                headInput, dx: classifierReachesEncoder ? featureGradient : nil,
                addsToInput: unit != nil)
            completed(headOffset)
            if let addedToFeatures, classifierReachesEncoder {
                for i in 0..<featureBuffer.byteCount / 4 {
                    featureGradient[i] += addedToFeatures[i]
                }
            }
            featureUnit?.backward(dz: featureGradient, dw: featureGradient)
            encoder?.backward(featureGradient: featureGradient, completed: completed)
        }
    }
}

// MARK: The frozen stages

extension TrainingPlan {
    /// Reloads the frozen stages' parameters after they have changed.
    package func reloadFrozenStages() {
        guard let frozen else { return }
        let encoder = frozen.stages.layout.encoder
        EngineTeam.run(images: encoder.images, threads: encoder.threads) {
            frozen.stages.reloadWeights()
        }
    }

    /// The bytes of the frozen stages' output for a view; 0 if no stage is frozen.
    package var frozenOutputByteCount: Int { frozen?.stages.layout.outputByteCount ?? 0 }
    /// The elements of the frozen stages' output for a view; 0 if no stage is frozen.
    package var frozenOutputElements: Int { frozen?.stages.layout.outputElements ?? 0 }

    /// Runs the frozen stages on any number of views [images, height, width, channels]. `body` is
    /// called piece by piece, on several threads, with the index of the first view, the number of
    /// views, and their output, in bytes that `takeFrozenOutput` understands.
    package func runFrozenStages(
        _ pixels: UnsafePointer<Float>, images: Int,
        _ body: (_ first: Int, _ images: Int, _ output: UnsafeRawPointer) -> Void
    ) {
        guard let frozen else { return }
        let encoder = frozen.stages.layout.encoder
        EngineTeam.run(images: encoder.images, threads: encoder.threads) {
            frozen.stages.run(pixels, count: images, body)
        }
    }

    /// Loads an output of the frozen stages as that of view `image`, for `forwardFromFrozenOutput`.
    package func takeFrozenOutput(_ output: UnsafeRawPointer, image: Int) {
        guard let frozen else { return }
        let elements = image * frozen.stages.layout.outputElements
        let to =
            encoder.map { $0.input + elements * type.byteCount }
            ?? UnsafeMutableRawPointer(features + elements)
        frozen.stages.convert(output, images: 1, to: to, type: type)
    }

    /// Converts an output of the frozen stages for one view to floats [frozenOutputElements].
    package func convertFrozenOutput(
        _ output: UnsafeRawPointer, to floats: UnsafeMutablePointer<Float>
    ) {
        frozen?.stages.convert(
            output, images: 1, to: UnsafeMutableRawPointer(floats), type: .f32)
    }
}
