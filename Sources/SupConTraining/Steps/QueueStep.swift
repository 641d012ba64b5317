import CKernels
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// What a queue of earlier keys is used for; the raw values are those of the C header.
public enum QueueMode: Int32, Sendable, CaseIterable {
    case off = 0
    /// Entries of other labels are negatives; those of the same take no part.
    case negatives
    /// Entries of the same label are positives too.
    case positivesAndNegatives
}

/// A step of the memory variant (Khosla et al., arXiv:2004.11362, §"memory"; MoCo,
/// arXiv:1911.05722): the first view of each image goes through the network, the other views
/// through its slow copy, and each query is contrasted with the batch's keys and the queue of
/// earlier ones.
final class QueueStep: TrainingStep {
    private let network: Network
    private let plan: TrainingPlan
    private let keys: KeyEncoder
    private let queue: LabeledQueue
    private let loss: QueueLoss
    private let mode: QueueMode
    private let classifier: ClassifierObjective?
    private let usesLabels: Bool
    private let labels: [Int]?
    private let (batchSize, views, imageCount): (Int, Int, Int)
    private let threads: Int
    let optimizer: any Optimizer
    let chance: Double

    /// Labels of the queries and of the keys; of all embeddings, image by image, the rows and what
    /// makes them positives of each other.
    private let queryLabels: AlignedBuffer
    private let keyLabels: AlignedBuffer
    private let rows: AlignedBuffer
    private let groups: AlignedBuffer
    private let rowSum: AlignedBuffer

    /// `labels`: of the data set that samples index. Errors: argument, state, unsupported, memory.
    init(_ model: Model, _ options: TrainOptions, labels: [Int]?, context: ExecutionContext)
        throws(SupConError)
    {
        network = model.network
        (self.labels, threads, mode) = (labels, context.threads, options.queueMode)
        (batchSize, views) = (options.batchSize, options.views)
        usesLabels = options.objective != .simclr
        let keyCount = batchSize * (views - 1)
        plan = try TrainingPlan(
            network, images: batchSize, height: model.imageHeight, width: model.imageWidth,
            precision: model.precision,
            trained: options.jointClassifier ? [.encoder, .head, .classifier] : [.encoder, .head],
            classifierGradientReachesEncoder: false, context: context)
        optimizer = try SupConTraining.optimizer(
            options, network.parameters,
            parts: options.jointClassifier ? [.encoder, .head, .classifier] : [.encoder, .head])
        classifier =
            options.jointClassifier
            ? try ClassifierObjective(network, options, rows: batchSize) : nil
        keys = try KeyEncoder(
            model, images: keyCount, momentum: options.keyMomentum, context: context)
        let dimension = keys.dimension
        try context.checkMemory(
            (keyCount + options.queueSize) * (dimension * 4 + 8),
            for: "a queue of \(options.queueSize) keys of \(dimension) numbers")
        queue = try LabeledQueue(capacity: options.queueSize, keys: keyCount, dimension: dimension)
        var lossOptions = options.loss
        lossOptions.seed = options.seed
        loss = try QueueLoss(
            lossOptions, queries: batchSize, keysPerQuery: views - 1,
            queueCapacity: options.queueSize, dimension: dimension, context: context)
        // Once the queue is full: a query and all that it is contrasted with are its "views".
        chance = ContrastiveLoss.collapsedLoss(
            lossOptions, samples: keyCount + options.queueSize + 1, views: 1, positives: views - 1)
        imageCount = model.imageHeight * model.imageWidth * network.configuration.channels
        queryLabels = try AlignedBuffer(Int64.self, count: batchSize)
        keyLabels = try AlignedBuffer(Int64.self, count: keyCount)
        rows = try AlignedBuffer(Float.self, count: batchSize * views * dimension)
        groups = try AlignedBuffer(Int64.self, count: batchSize * views)
        rowSum = try AlignedBuffer(Double.self, count: dimension)
    }

    var memoryByteCount: Int {
        plan.memoryByteCount + keys.memoryByteCount + queue.memoryByteCount + loss.memoryByteCount
            + rows.byteCount + (classifier?.memoryByteCount ?? 0)
    }

    var embeddings: Embeddings? {
        Embeddings(
            rows: rows.floats, count: batchSize * views, dimension: keys.dimension,
            groups: UnsafeBufferPointer(
                start: groups.values(of: Int64.self), count: batchSize * views))
    }

    var spread: Double { embeddings.map { $0.spread(rowSum.values(of: Double.self)) } ?? 1 }

    var state: [StateBuffer] { keys.state + queue.state }

    /// The slow copy begins as the network is when the run begins.
    func begin(resumed: Bool) { if !resumed { keys.begin(network.parameters) } }

    var chunks: Loader.Chunks { Loader.Chunks(size: batchSize, passes: 1) }

    func run(turn: Int, rate: Double, next: () throws(SupConError) -> LoadedBatch)
        throws(SupConError) -> StepOutcome
    {
        let batch = try next()
        share(batch.pixels, batch.indices)
        plan.forward()
        keys.run(into: queue.contrasts)
        gatherRows()
        let labels = UnsafePointer(queryLabels.values(of: Int64.self))
        let outcome = try lossOrNaN { () throws(SupConError) in try outcomeOfForward(labels, turn) }
        guard outcome.loss.isFinite else { return outcome }
        plan.backward()
        optimizer.step(gradients: plan.gradients, rate: rate, threads: threads)
        keys.follow(network.parameters, turn: turn)
        queue.push(labels: keyLabels.values(of: Int64.self))
        return outcome
    }

    /// The first view of each image to the network, the others to its copy.
    private func share(_ input: UnsafePointer<Float>, _ samples: [Int]) {
        let (queryLabels, keyLabels, groups) = (
            queryLabels.values(of: Int64.self), keyLabels.values(of: Int64.self),
            groups.values(of: Int64.self)
        )
        for (place, sample) in samples.enumerated() {
            let (first, others) = (input + place * views * imageCount, views - 1)
            (plan.input + place * imageCount).update(from: first, count: imageCount)
            (keys.input + place * others * imageCount).update(
                from: first + imageCount, count: others * imageCount)
            queryLabels[place] = Int64(labels?[sample] ?? 0)
            for key in (place * others)..<((place + 1) * others) {
                keyLabels[key] = queryLabels[place]
            }
            for row in (place * views)..<((place + 1) * views) {
                groups[row] = usesLabels ? queryLabels[place] : Int64(place)
            }
        }
    }

    private func outcomeOfForward(_ labels: UnsafePointer<Int64>, _ turn: Int) throws(SupConError)
        -> StepOutcome
    {
        var outcome = StepOutcome(loss: 0)
        if let z = plan.projection, let dz = plan.projectionGradient {
            let result = try loss.evaluate(
                queries: z, contrasts: queue.contrasts,
                queue: .init(
                    count: queue.count, labels: usesLabels ? queue.labels : nil,
                    arePositives: mode == .positivesAndNegatives),
                positives: usesLabels ? .labels(labels) : .views, perAnchor: nil, gradient: dz,
                draw: turn)
            (outcome.loss, outcome.anchorsWithoutPositive) = (
                result.loss, result.anchorsWithoutPositive
            )
        }
        if let classifier, let logits = plan.logits, let gradient = plan.logitsGradient {
            let result = try classifier.evaluate(
                features: plan.headInput, logits: logits, labels: labels, mixer: nil,
                gradient: gradient)
            (outcome.classified, outcome.correct) = (batchSize, result.correct)
        }
        return outcome
    }

    /// Queries and keys image by image, for who watches the run.
    private func gatherRows() {
        guard let z = plan.projection else { return }
        let (dimension, others) = (keys.dimension, views - 1)
        for place in 0..<batchSize {
            let to = rows.floats + place * views * dimension
            to.update(from: z + place * dimension, count: dimension)
            (to + dimension).update(
                from: queue.contrasts + place * others * dimension, count: others * dimension)
        }
    }
}
