import CKernels
import SupConTensor

/// An inference plan embeds batches of one size with a network; running it allocates nothing. A
/// plan serves one thread at a time, but several plans of one network may run at once. With a
/// quantization the encoder computes in int8: activations are bytes, and sums have 32 bits.
///
/// If there are enough images, each thread has its own. Threads then meet once per pass instead of
/// after each layer, where a thread that has lost its CPU would delay the others. Work so small
/// that synchronization would cost more than it saves is done by one thread.
package final class InferencePlan {
    /// The bytes of activations, workspaces and weights.
    package let memoryByteCount: Int
    /// The normalized input [images, height, width, channels]; behind frozen stages their output.
    package var input: UnsafeMutablePointer<Float> { inputBuffer.floats }
    /// The features r [images, embeddingDimension], not normalized, after `run`.
    package var features: UnsafeMutablePointer<Float> { featureBuffer.floats }
    /// The input of head and classifier, r or r/|r|, after `run`.
    package var headInput: UnsafeMutablePointer<Float> { featureUnit?.z ?? features }
    /// The projection w [images, projectionDimension], not normalized, after `run`; nil without a
    /// head.
    package var projection: UnsafeMutablePointer<Float>? { head?.output }
    /// The logits [images, classes], after `run`; nil without a classifier.
    package var logits: UnsafeMutablePointer<Float>? { classifier?.output }

    private let network: Network
    /// The number of threads that compute, and of those that share a worker.
    private let (threads, threadsPerWorker): (Int, Int)
    private let imagesPerWorker: Int
    private let workers: [EncoderWorker]
    private let (inputBuffer, featureBuffer): (AlignedBuffer, AlignedBuffer)
    private let featureUnit: NormalizedRows?
    private let head: HeadInference?
    private let classifier: HeadInference?

    /// The number of multiplications per pass below which one thread does all of the work.
    static let smallWork = 50_000_000

    /// Plans inference on batches of `images` images.
    /// - Parameters:
    ///   - stages: the number of stages to skip, together with the stem; `input` is then their
    ///     output. 0: none.
    ///   - quantization: nil: the encoder computes in `precision`.
    ///   - watch: is checked between layers, as the engine takes its time to prepare one.
    /// Errors: argument, unsupported (precision, int8), memory (more than the context allows; the
    /// message says how much), canceled.
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
        // If all stages are skipped, the input is r, which pooling over one pixel copies.
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
            * (imageCount + features) * 4
            + (configuration.normalizesFeatures
                ? NormalizedRows.byteCount(rows: images, dimension: features) : 0)
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
        try MatrixProduct.prepare()
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
            ? try NormalizedRows(rows: images, dimension: features) : nil
        head =
            headLayers.isEmpty
            ? nil : try HeadInference(headLayers, rows: images, network: network, threads: threads)
        classifier =
            classifierLayers.isEmpty
            ? nil
            : try HeadInference(classifierLayers, rows: images, network: network, threads: threads)
        reloadWeights()
    }

    /// Computes `features` from `input` for all images of the plan, and `projection` and `logits`
    /// if they are wanted. Once `watch` is canceled, the remaining layers are skipped.
    package func run(projection: Bool = true, logits: Bool = true, watch: CancelWatch? = nil) {
        EngineTeam.run(images: imagesPerWorker, threads: threadsPerWorker) {
            Parallel.chunks(workers.count, threads: workers.count) {
                workers[$0].run(watch: watch)
            }
            featureUnit?.forward(features)
            if projection { head?.forward(headInput) }
            if logits { classifier?.forward(headInput) }
        }
    }

    /// Runs the encoder of a plan in f32, worker by worker. `observe` is called with each value of
    /// the graph except pooled ones: its index, its elements, and their number.
    func run(observing observe: (Int, UnsafePointer<Float>, Int) -> Void) {
        EngineTeam.run(images: imagesPerWorker, threads: threadsPerWorker) {
            for worker in workers { worker.run(observe: observe) }
        }
    }

    /// Prepares the weights again after the network's parameters have changed.
    package func reloadWeights() {
        EngineTeam.run(images: imagesPerWorker, threads: threadsPerWorker) {
            workers[0].reloadWeights(network.parameters)
            head?.reloadWeights()
        }
    }
}
