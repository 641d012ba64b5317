import CKernels
import SupConTensor

/// A network laid out to embed batches of one size; running allocates nothing. One thread at a
/// time; several plans of one network may run at once. With a quantization the encoder computes in
/// int8: activations in bytes, sums in 32 bits.
///
/// Where each thread can have images of its own it does: they meet once a pass and not behind each
/// layer, where a thread that the machine has taken away would hold up the others. Work so small
/// that meeting would cost more than it saves is done by one thread.
package final class InferencePlan {
    /// Bytes of activations, workspaces and weights.
    package let memoryByteCount: Int
    /// The input is [images, height, width, channels], normalized; behind frozen stages their
    /// output.
    package var input: UnsafeMutablePointer<Float> { inputBuffer.floats }
    /// r [images, embeddingDimension], not normalized, after `run`.
    package var features: UnsafeMutablePointer<Float> { featureBuffer.floats }
    /// What head and classifier take: r, or r/|r|, after `run`.
    package var headInput: UnsafeMutablePointer<Float> { featureUnit?.u.floats ?? features }
    /// w [images, projectionDimension], not normalized, after `run`; nil without a head.
    package var projection: UnsafeMutablePointer<Float>? { head?.output }
    /// [images, classes], after `run`; nil without a classifier.
    package var logits: UnsafeMutablePointer<Float>? { classifier?.output }

    private let network: Network
    /// That compute; and of them, that share a worker.
    private let (threads, threadsPerWorker): (Int, Int)
    private let imagesPerWorker: Int
    private let workers: [EncoderWorker]
    private let (inputBuffer, featureBuffer): (AlignedBuffer, AlignedBuffer)
    private let featureUnit: (layer: L2Normalize, u: AlignedBuffer, lengths: AlignedBuffer)?
    private let head: HeadInference?
    private let classifier: HeadInference?

    /// Multiplications of a pass, below which it is one thread's.
    static let smallWork = 50_000_000

    /// - Parameters:
    ///   - stages: that are left out, with the stem; `input` is what they make. 0: none.
    ///   - quantization: nil: the encoder computes in `precision`.
    ///   - watch: is looked at between layers, as the engine takes its time to lay one out.
    /// Errors: argument, unsupported (precision, int8), memory (more than the context allows; says
    /// how much), canceled.
    package init(
        _ network: Network, behind stages: Int = 0, images: Int, height: Int, width: Int,
        precision: Precision, quantization: Quantization? = nil, context: ExecutionContext,
        engine: Engine = .standard, watch: CancelWatch? = nil
    ) throws(SupConError) {
        try checkPlanSizes(
            network, images: images, height: height, width: width, precision: precision,
            engine: engine)
        if quantization != nil { try engine.checkInt8() }
        let configuration = network.configuration
        var graph = ComputeGraph(configuration, height: height, width: width)
        if stages > 0 { graph = graph.from(graph.borders[stages]) }
        // All stages make r, of which the mean over one pixel is a copy.
        if graph.layers.isEmpty { (graph.values[0].height, graph.values[0].width) = (1, 1) }
        self.network = network
        threads =
            graph.multiplications(images: images) < Double(Self.smallWork) ? 1 : context.threads
        let workerCount = images % threads == 0 ? threads : 1
        threadsPerWorker = threads / workerCount
        imagesPerWorker = images / workerCount
        let layout = try EncoderLayout(
            network, graph, images: imagesPerWorker,
            stored: quantization != nil
                ? .byte : precision == .f32 || graph.layers.isEmpty ? .f32 : .bf16,
            quantization: quantization, threads: threadsPerWorker, engine: engine, watch: watch)

        let headLayers = HeadLayer.head(of: configuration)
        let classifierLayers = [HeadLayer.classifier(of: configuration)].compactMap { $0 }
        let (imageCount, features) = (
            graph.values[0].elements, configuration.embeddingDimension
        )
        let total =
            layout.weightArena.byteCount + workerCount * layout.activationArena.byteCount + images
            * (imageCount + features * (configuration.normalizesFeatures ? 2 : 1) + 1) * 4
            + HeadInference.byteCount(headLayers + classifierLayers, rows: images)
        memoryByteCount = total
        try context.checkMemory(
            total,
            for:
                """
                embedding \(images) images of \(height)×\(width) at a time in \
                \(quantization == nil ? precision.rawValue : "int8")
                """
        )
        inputBuffer = try AlignedBuffer(Float.self, count: images * imageCount)
        featureBuffer = try AlignedBuffer(Float.self, count: images * features)
        let weights = try AlignedBuffer(byteCount: layout.weightArena.byteCount)
        var workers: [EncoderWorker] = []
        for worker in 0..<workerCount {
            let first = worker * layout.images
            workers.append(
                try EncoderWorker(
                    layout, isFirst: worker == 0, weights: weights,
                    input: inputBuffer.floats + first * imageCount,
                    features: featureBuffer.floats + first * features, watch: watch))
        }
        self.workers = workers
        featureUnit =
            configuration.normalizesFeatures
            ? (
                L2Normalize(rows: images, dimension: features),
                try AlignedBuffer(Float.self, count: images * features),
                try AlignedBuffer(Float.self, count: images)
            ) : nil
        head =
            headLayers.isEmpty
            ? nil : try HeadInference(headLayers, rows: images, network: network, threads: threads)
        classifier =
            classifierLayers.isEmpty
            ? nil
            : try HeadInference(classifierLayers, rows: images, network: network, threads: threads)
        reloadWeights()
    }

    /// `input` → `features`, and where they are wanted `projection` and `logits`, for all images of
    /// the plan. Once `watch` is canceled, the layers that are left are left out.
    package func run(projection: Bool = true, logits: Bool = true, watch: CancelWatch? = nil) {
        EngineTeam.run(images: imagesPerWorker, threads: threadsPerWorker) {
            Parallel.chunks(workers.count, threads: workers.count) {
                workers[$0].run(watch: watch)
            }
            if let featureUnit {
                featureUnit.layer.forward(
                    w: features, z: featureUnit.u.floats, lengths: featureUnit.lengths.floats)
            }
            if projection { head?.forward(headInput) }
            if logits { classifier?.forward(headInput) }
        }
    }

    /// Runs the encoder of a plan in f32 and shows each value of the graph, but for pooled ones:
    /// its index, its elements, and how many they are; worker by worker.
    func run(observing observe: (Int, UnsafePointer<Float>, Int) -> Void) {
        EngineTeam.run(images: imagesPerWorker, threads: threadsPerWorker) {
            for worker in workers { worker.run(observe: observe) }
        }
    }

    /// After the network's parameters have changed.
    package func reloadWeights() {
        EngineTeam.run(images: imagesPerWorker, threads: threadsPerWorker) {
            workers[0].reloadWeights(network.parameters)
            head?.reloadWeights()
        }
    }
}
