import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// A queue step trains with a MoCo-style queue (the "memory" variant of Khosla et al.,
/// arXiv:2004.11362; MoCo, arXiv:1911.05722). The first view of each image goes through the
/// network, and its other views go through the key encoder, a slowly moving copy. Each query is
/// then contrasted with the keys of the batch and with the queue of earlier keys.
final class QueueStep: TrainingStep {
    private let pass: EncoderPass
    private let keys: KeyEncoder
    private let queue: LabeledQueue
    private let loss: QueueLoss
    private let mode: QueueMode
    private let usesLabels: Bool
    private let (batchSize, views): (Int, Int)
    private let part: BatchPart
    let chance: Double

    /// The labels and weights of the batch's rows. Their embeddings are stored as [batch, views,
    /// dimension]: for each image its query, then its keys.
    private let rows: BatchRows
    private let rowEmbeddings: AlignedBuffer
    private let keyLabels: AlignedBuffer
    /// The queries of all ranks and their keys, gathered for the loss.
    private let queries: BatchProjections
    private let keyRows: RankRows

    /// Plans the step. `labels` and `weights` are those of the data set that sample indices refer
    /// to. Errors: argument, state, unsupported, memory.
    init(
        _ model: Model, _ options: TrainOptions, _ phase: TrainingPhase? = nil,
        labels: [Int]?, weights: [Float]? = nil, part: BatchPart, context: ExecutionContext
    ) throws(SupConError) {
        let phase = phase ?? TrainingPhase(model)
        self.part = part
        mode = options.queueMode
        (batchSize, views) = (options.batchSize, options.views)
        usesLabels = options.objective != .simclr
        let keyCount = batchSize * (views - 1)
        pass = try EncoderPass(
            model, options, phase, samples: part.own.count, views: 1, part: part, context: context)
        keys = try KeyEncoder(
            model, phase, images: part.own.count * (views - 1), momentum: options.keyMomentum,
            context: context)
        let dimension = keys.dimension
        try context.checkMemory(
            (keyCount + options.queueSize) * (dimension * 4 + 8),
            for: "a queue of \(options.queueSize) keys of \(dimension) elements")
        queue = try LabeledQueue(capacity: options.queueSize, keys: keyCount, dimension: dimension)
        var lossOptions = options.loss
        lossOptions.seed = options.seed
        loss = try QueueLoss(
            lossOptions, queries: batchSize, keysPerQuery: views - 1,
            queueCapacity: options.queueSize, dimension: dimension, context: context)
        // This holds once the queue is full: a query and all of its contrasts are its "views".
        chance = ContrastiveLoss.collapsedLoss(
            lossOptions, samples: keyCount + options.queueSize + 1, views: 1, positives: views - 1)
        rows = try BatchRows(
            options, labels: labels, targets: nil, weights: weights, dimension: dimension,
            context: context)
        rowEmbeddings = try AlignedBuffer(Float.self, count: rows.count * dimension)
        keyLabels = try AlignedBuffer(Int64.self, count: keyCount)
        queries = try BatchProjections(part, views: 1, dimension: dimension)
        keyRows = try RankRows(
            part.ranks, parts: part.rows(perSample: views - 1), rowByteCount: dimension * 4)
    }

    var optimizer: any Optimizer { pass.optimizer }
    var encoderPass: EncoderPass? { pass }
    var memoryByteCount: Int {
        pass.memoryByteCount + keys.memoryByteCount + queue.memoryByteCount + loss.memoryByteCount
            + rowEmbeddings.byteCount + queries.memoryByteCount + keyRows.byteCount
            + keyLabels.byteCount + rows.memoryByteCount
    }
    var embeddings: Embeddings? { rows.embeddings(rowEmbeddings.floats) }
    var spread: Double { rows.spread(rowEmbeddings.floats) }
    var state: [StateBuffer] { keys.state + queue.state }
    var chunks: Loader.Chunks { Loader.Chunks(size: part.own.count, passes: 1) }

    func sources(step: Int) -> [Int] { Array(part.own) }

    /// Copies the network into the key encoder at the beginning of a run.
    func begin(resumed: Bool) {
        pass.begin()
        if !resumed { keys.begin() }
    }

    func run(
        step: Int, rate: Double, samples: [Int], next: () throws(SupConError) -> StepBatch
    ) throws(SupConError) -> StepOutcome {
        let (_, delivered) = try part.load(samples) { () throws(SupConError) in
            let batch = try next()
            try distribute(batch)
            return ((), batch.indices)
        }
        try rows.fill(delivered[...], at: 0)
        for key in 0..<(batchSize * (views - 1)) {
            keyLabels.values(of: Int64.self)[key] = rows.sampleLabels[key / (views - 1)]
        }
        pass.noteStatistics()
        pass.forward()
        keys.run(into: queue.contrasts + part.own.lowerBound * (views - 1) * keys.dimension)
        try part.ranks.check()
        if let z = pass.plan.projection { try queries.gather(z) }
        try keyRows.gather(queue.contrasts)
        gatherEmbeddings()
        let outcome = try part.merge { () throws(SupConError) in
            try lossOrNaN { () throws(SupConError) in try evaluate(step) }
        }
        guard outcome.loss.isFinite else { return outcome }
        if let dz = pass.plan.projectionGradient { queries.scatter(into: dz) }
        pass.backward(labels: rows.sampleLabels + part.own.lowerBound)
        try pass.finish(pass.plan.gradients, rate: rate)
        keys.follow(step: step)
        queue.push(labels: keyLabels.values(of: Int64.self))
        return outcome
    }

    /// Loads the first view of each image into the network and the others into the key encoder;
    /// where stages are frozen, loads their output. Errors: io (of the feature cache).
    private func distribute(_ batch: StepBatch) throws(SupConError) {
        let others = views - 1
        if pass.plan.frozenOutputElements == 0, case .pixels(let pixels) = batch.views {
            let count = pass.imageElements
            for image in 0..<part.own.count {
                let first = pixels + image * views * count
                (pass.plan.input + image * count).update(from: first, count: count)
                (keys.input + image * others * count).update(
                    from: first + count, count: others * count)
            }
            pass.loadInput()
            return
        }
        let count = pass.plan.frozenOutputElements
        try pass.eachFrozenOutput(batch, views: views) { row, output in
            let (image, view) = row.quotientAndRemainder(dividingBy: views)
            if view == 0 {
                pass.plan.takeFrozenOutput(output, image: image)
            } else {
                pass.plan.convertFrozenOutput(
                    output, to: keys.input + (image * others + view - 1) * count)
            }
        }
    }

    /// Evaluates the losses, and writes their gradients to the plan.
    private func evaluate(_ step: Int) throws(SupConError) -> StepOutcome {
        var outcome = StepOutcome(loss: 0)
        let result = try loss.evaluate(
            queries: queries.z, contrasts: queue.contrasts,
            queue: .init(
                count: queue.count, labels: usesLabels ? queue.labels : nil,
                arePositives: mode == .positivesAndNegatives),
            positives: rows.positives(), perAnchor: nil, gradient: queries.gradient,
            sampleWeights: rows.sampleWeights, draw: step)
        (outcome.loss, outcome.anchorsWithoutPositive) = (
            result.loss, result.anchorsWithoutPositive
        )
        let first = part.own.lowerBound
        if let found = try pass.classify(
            labels: rows.sampleLabels + first, weights: rows.sampleWeights.map { $0 + first })
        {
            (outcome.classified, outcome.correct) = (found.classified, found.correct)
        }
        return outcome
    }

    /// Gathers queries and keys image by image, for the measures that monitor the run.
    private func gatherEmbeddings() {
        let (z, dimension, others) = (queries.z, keys.dimension, views - 1)
        for image in 0..<batchSize {
            let to = rowEmbeddings.floats + image * views * dimension
            to.update(from: z + image * dimension, count: dimension)
            (to + dimension).update(
                from: queue.contrasts + image * others * dimension, count: others * dimension)
        }
    }
}
