import Glibc
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision
import Synchronization

/// An encoder pass takes a group of images, all of a batch or a part of it, forward and backward
/// through the network. It is the set-up that all steps share that train an encoder: the plan, the
/// optimizer of the parts that are trained, and the classifier's objective where one is trained.
///
/// The gradient of a batch is the sum of those of its parts, at this rank and at others. The
/// contrastive loss has seen the whole batch; a classifier's is a mean over the rows of the part,
/// which counts as much as the part is of the batch.
final class EncoderPass {
    let network: Network
    let plan: TrainingPlan
    let optimizer: any Optimizer
    /// Images of one pass; each view counts.
    let images: Int
    /// Elements of one image: height · width · channels.
    let imageElements: Int
    let threads: Int
    private let part: BatchPart
    /// Whether forward and backward exchange batch norm's statistics with the other ranks.
    let synchronizes: Bool
    /// Batch norm's running statistics before the step, where each rank moves them its own way.
    private let formerStatistics: AlignedBuffer?
    private let classifier: ClassifierObjective?
    /// nil: the frozen stages run in each step.
    let cache: FeatureCache?
    /// A buffer of each thread, for a view of the cache.
    private let scratch: AlignedBuffer
    /// The frozen stages' output has been loaded.
    private var isPastFrozenStages = false

    /// Plans passes of `samples` samples of the batch, each `views` images. Errors: argument,
    /// state, unsupported, memory.
    init(
        _ model: Model, _ options: TrainOptions, _ phase: TrainingPhase, samples: Int, views: Int,
        part: BatchPart,
        context: ExecutionContext
    ) throws(SupConError) {
        network = model.network
        threads = context.threads
        (images, self.part) = (samples * views, part)
        synchronizes = options.syncBatchNorm && !part.ranks.isAlone
        imageElements = phase.height * phase.width * network.configuration.channels
        let isContrastive = options.objective.isContrastive
        var trained: TrainingPlan.Trained = [.encoder]
        var optimized: TrainedParameters = [.encoder]
        if isContrastive {
            trained.insert(.head)
            optimized.parts.insert(.head)
        }
        if options.trainsClassifier {
            trained.insert(.classifier)
            optimized.parts.insert(.classifier)
        }
        plan = try TrainingPlan(
            network, images: images, height: phase.height, width: phase.width,
            precision: model.precision, trained: trained, frozen: phase.frozen(options),
            classifierGradientReachesEncoder: !isContrastive,
            synchronized: synchronizes ? part.ranks : nil, context: context)
        (optimized.frozenStages, optimized.layerDecay) = (phase.frozenStages, options.layerDecay)
        optimizer = try SupConTraining.optimizer(
            options, network.parameters, trained: optimized)
        let statistics = network.parameters.count - network.parameters.trainableCount
        formerStatistics =
            part.ranks.isAlone || synchronizes
            ? nil : try AlignedBuffer(Float.self, count: statistics)
        classifier =
            trained.contains(.classifier)
            ? try ClassifierObjective(
                network, options, rows: images,
                fraction: Double(samples) / Double(part.batchSize)) : nil
        cache = try FeatureCache(
            options, samples: phase.samples, viewByteCount: plan.frozenOutputByteCount,
            context: context)
        scratch = try AlignedBuffer(
            byteCount: cache == nil ? 0 : threads * plan.frozenOutputByteCount)
    }

    var memoryByteCount: Int {
        plan.memoryByteCount + (classifier?.memoryByteCount ?? 0) + (cache?.memoryByteCount ?? 0)
            + scratch.byteCount + (formerStatistics?.byteCount ?? 0)
    }

    /// Prepares the first step, with the parameters as they are now.
    func begin() { plan.reloadFrozenStages() }

    /// Loads the views of a batch, [images], into the plan. Errors: io (of the feature cache).
    func load(_ batch: StepBatch) throws(SupConError) {
        switch batch.views {
        case .pixels(let pixels):
            plan.input.update(from: pixels, count: images * imageElements)
            isPastFrozenStages = false
        case .cached:
            try eachFrozenOutput(batch, views: images / batch.indices.count) {
                plan.takeFrozenOutput($1, image: $0)
            }
        }
    }

    /// Loads images that the caller has written to the plan's input.
    func loadInput() { isPastFrozenStages = false }

    /// Runs forward on what was loaded.
    func forward() {
        if isPastFrozenStages { plan.forwardFromFrozenOutput() } else { plan.forward() }
    }

    // MARK: The frozen stages

    /// Hands on what the frozen stages make of each of a batch's rows, on several threads;
    /// `forward` goes on from there, once the plan has taken what it needs. `views`: of each
    /// sample. Errors: io (of the feature cache).
    func eachFrozenOutput(
        _ batch: StepBatch, views: Int, _ body: (_ row: Int, _ output: UnsafeRawPointer) -> Void
    ) throws(SupConError) {
        isPastFrozenStages = true
        let (rows, bytes) = (batch.indices.count * views, plan.frozenOutputByteCount)
        switch batch.views {
        case .pixels(let pixels):
            plan.runFrozenStages(pixels, images: rows) { first, count, output in
                for i in 0..<count { body(first + i, output + i * bytes) }
            }
        case .cached(let entries):
            guard let cache else { throw SupConError(.internal, "there is no feature cache") }
            let failure = FirstError()
            Parallel.pieces(rows, threads: threads) { worker, row in
                failure.catching { () throws(SupConError) in
                    let (sample, view) = row.quotientAndRemainder(dividingBy: views)
                    body(
                        row,
                        try cache.read(
                            entries[sample], view: view,
                            scratch: scratch.pointer + worker * bytes))
                }
            }
            try failure.check()
        }
    }

    /// Puts into the cache what the frozen stages make of the views of `samples` in epoch `epoch`.
    /// Errors: io, internal.
    func fillCache(_ batch: LoadedBatch, _ samples: [Int], epoch: Int) throws(SupConError) {
        guard let cache else { return }
        try cache.open()
        let failure = FirstError()
        try eachFrozenOutput(StepBatch(batch), views: cache.views) { row, output in
            let (sample, view) = row.quotientAndRemainder(dividingBy: cache.views)
            failure.catching { () throws(SupConError) in
                try cache.write(output, epoch: epoch, sample: samples[sample], view: view)
            }
        }
        try failure.check()
        cache.setFilled(epoch: epoch, samples, with: batch.indices)
    }

    /// Evaluates the classifier's loss after `forward`, and its gradient where the plan takes it;
    /// nil if no classifier is trained. `labels`, `weights`: [images]; `mixer`: it has mixed the
    /// images, and its labels count. Errors: argument.
    func classify(
        labels: UnsafePointer<Int64>, weights: UnsafePointer<Float>?, mixer: BatchMixer? = nil
    ) throws(SupConError) -> StepOutcome? {
        guard let classifier, let logits = plan.logits, let gradient = plan.logitsGradient else {
            return nil
        }
        let result = try classifier.evaluate(
            features: plan.headInput, logits: logits, labels: labels, weights: weights,
            mixer: mixer, gradient: gradient)
        return StepOutcome(loss: result.loss, classified: images, correct: result.correct)
    }

    /// Runs backward from the gradients that the losses have written; `plan.gradients` are complete
    /// afterwards. `labels`: [images].
    func backward(labels: UnsafePointer<Int64>) {
        plan.backward(addedToFeatures: classifier?.featureGradient)
        classifier?.finish(plan.gradients, labels: labels)
    }

    private var statistics: UnsafeMutablePointer<Float> {
        network.parameters.values + network.parameters.trainableCount
    }

    /// Keeps the running statistics as they are before a step.
    func noteStatistics() {
        guard let formerStatistics else { return }
        formerStatistics.floats.update(from: statistics, count: formerStatistics.byteCount / 4)
    }

    /// Turns this rank's `gradients` into those of the batch, and applies them; batch norm's
    /// running statistics become the mean of the ranks'. Errors: io.
    func finish(_ gradients: UnsafeMutablePointer<Float>, rate: Double) throws(SupConError) {
        let (parameters, ranks) = (network.parameters, part.ranks)
        try ranks.check()
        try ranks.sum(gradients, count: parameters.trainableCount)
        if let former = formerStatistics?.floats {
            // They are linear in the statistics of the parts: the mean move is that of all. What no
            // rank has moved keeps every bit.
            let (now, count) = (statistics, parameters.count - parameters.trainableCount)
            for i in 0..<count { now[i] -= former[i] }
            try ranks.sum(now, count: count, factor: Float(part.fraction))
            for i in 0..<count { now[i] += former[i] }
        }
        optimizer.step(gradients: gradients, rate: rate, threads: threads)
    }
}

extension TrainOptions {
    /// Makes the contrastive loss of a step for a plan's z, which has length 1 already: the plan
    /// differentiates through the normalization. nil: the objective is not contrastive. Errors:
    /// argument, memory.
    ///
    /// `ranks`: share the work of a large batch; of a small one it takes less time than telling.
    func contrastiveLoss(dimension: Int, ranks: Ranks, context: ExecutionContext)
        throws(SupConError) -> ContrastiveLoss?
    {
        guard objective.isContrastive else { return nil }
        var options = loss
        options.normalize = false
        options.seed = seed
        return try ContrastiveLoss(
            options, samples: batchSize, views: effectiveViews, dimension: dimension,
            context: context, ranks: batchSize * effectiveViews >= 2048 ? ranks : nil)
    }

    /// The loss that guessing gives, of a batch without a queue.
    func chance(classes: Int) -> Double {
        objective.isContrastive
            ? ContrastiveLoss.collapsedLoss(loss, samples: batchSize, views: effectiveViews)
            : log(Double(classes))
    }
}

/// The first error of several threads.
private final class FirstError: Sendable {
    private let error = Mutex<SupConError?>(nil)

    func catching(_ body: () throws(SupConError) -> Void) {
        do throws(SupConError) {
            try body()
        } catch {
            let caught = error
            self.error.withLock { $0 = $0 ?? caught }
        }
    }

    func check() throws(SupConError) {
        if let error = error.withLock({ $0 }) { throw error }
    }
}
