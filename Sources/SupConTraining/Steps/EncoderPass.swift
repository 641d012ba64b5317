import CKernels
import Glibc
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision
import Synchronization

/// An encoder pass takes a group of images, a whole batch or a part of it, forward and backward
/// through the network. It holds the set-up that all steps share that train an encoder: the plan,
/// the optimizer of the trained parameters, and the classifier's objective where a classifier is
/// trained.
///
/// The gradient of a batch is the sum of the gradients of its parts, on this rank and on the
/// others. The contrastive loss is computed over the whole batch; a classifier's loss is a mean
/// over the rows of the part, weighted by the part's fraction of the batch.
final class EncoderPass {
    let network: Network
    let plan: TrainingPlan
    let optimizer: any Optimizer
    /// The number of images of one pass, counting each view.
    let images: Int
    /// The elements of one image, height · width · channels.
    let imageElements: Int
    let threads: Int
    private let part: BatchPart
    /// Whether forward and backward exchange batch norm's statistics with the other ranks.
    let synchronizes: Bool
    /// The running statistics of batch norm before the step; nil unless each rank updates them on
    /// its own.
    private let formerStatistics: AlignedBuffer?
    private let classifier: ClassifierObjective?
    private var buckets: GradientBuckets
    /// The sum of gradients in bf16; nil: ranks exchange them in f32.
    private let rounded: RoundedSum?
    /// The cache of the frozen stages' output; nil: the frozen stages run in each step.
    let cache: FeatureCache?
    /// One buffer per thread, for a view read from the cache.
    private let scratch: AlignedBuffer
    /// Whether the output of the frozen stages, rather than images, has been loaded.
    private var isPastFrozenStages = false

    /// Plans passes of `samples` samples of the batch, with `views` images each. Errors: argument,
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
        buckets = GradientBuckets(
            network.parameters.trainableCount, completedFrom: plan.completedOffsets)
        rounded = try options.roundedSum(part.ranks, count: buckets.largest)
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
            + scratch.byteCount + (formerStatistics?.byteCount ?? 0) + (rounded?.byteCount ?? 0)
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

    /// Marks the images that the caller has written to the plan's input as loaded.
    func loadInput() { isPastFrozenStages = false }

    /// Runs forward on the images that were loaded.
    func forward() {
        if isPastFrozenStages { plan.forwardFromFrozenOutput() } else { plan.forward() }
    }

    // MARK: The frozen stages

    /// Calls `body`, on several threads, with the frozen stages' output for each row of a batch;
    /// once the plan has taken what it needs, `forward` continues from there. `views` is the number
    /// per sample. Errors: io (of the feature cache).
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

    /// Writes the frozen stages' output for the views of `samples` in epoch `epoch` to the cache.
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

    /// Evaluates the classifier's loss after `forward`, and writes its gradient to the plan.
    /// Returns nil if no classifier is trained. `labels` and `weights` are per image, [images]; if
    /// `mixer` has mixed the images, its labels replace them. Errors: argument.
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

    /// Runs backward from the gradients that the losses have written. `labels`: [images].
    ///
    /// The gradients are this pass's, in `plan.gradients`, or are added to `total`, those of the
    /// passes before it. `isLast`: no pass of the step follows; the sums over the ranks begin with
    /// the last layers, while the first ones are computed, and `finish` waits for them.
    func backward(
        labels: UnsafePointer<Int64>, addedTo total: UnsafeMutablePointer<Float>? = nil,
        isLast: Bool = true
    ) {
        let own = plan.gradients
        func handOn(_ bucket: Range<Int>) {
            if let total { add(own, to: total, bucket) }
            guard isLast else { return }
            part.ranks.beginSum(
                (total ?? own) + bucket.lowerBound, count: bucket.count, rounded: rounded)
        }
        buckets.begin()
        var isHeadDone = false
        plan.backward(addedToFeatures: classifier?.featureGradient) { offset in
            if !isHeadDone { classifier?.finish(own, labels: labels) }
            isHeadDone = true
            buckets.complete(from: offset, handOn)
        }
    }

    private func add(
        _ gradients: UnsafePointer<Float>, to total: UnsafeMutablePointer<Float>,
        _ range: Range<Int>
    ) {
        let (from, to) = (gradients + range.lowerBound, total + range.lowerBound)
        Parallel.ranges(range.count, grain: 65536, threads: threads) {
            sc_accumulate(to + $0.lowerBound, from + $0.lowerBound, 1, Int64($0.count))
        }
    }

    private var statistics: UnsafeMutablePointer<Float> {
        network.parameters.values + network.parameters.trainableCount
    }

    /// Saves the running statistics before a step.
    func noteStatistics() {
        guard let formerStatistics else { return }
        formerStatistics.floats.update(from: statistics, count: formerStatistics.byteCount / 4)
    }

    /// Waits for the sums of `gradients` over the ranks, which the last backward pass began, and
    /// takes the optimizer's step; batch norm's running statistics become the mean of the ranks'.
    /// Errors: io.
    func finish(_ gradients: UnsafeMutablePointer<Float>, rate: Double) throws(SupConError) {
        let (parameters, ranks) = (network.parameters, part.ranks)
        try ranks.finishSums()
        if let former = formerStatistics?.floats {
            // Updates are linear in the statistics of the parts, so the mean update is that of the
            // whole batch. Statistics that no rank has updated keep every bit.
            let (now, count) = (statistics, parameters.count - parameters.trainableCount)
            for i in 0..<count { now[i] -= former[i] }
            try ranks.sum(now, count: count, factor: Float(part.fraction))
            for i in 0..<count { now[i] += former[i] }
        }
        optimizer.step(gradients: gradients, rate: rate, threads: threads)
    }
}

extension TrainOptions {
    /// Makes the contrastive loss of a step for a plan's z, which already has length 1: the plan
    /// differentiates through the normalization. Returns nil if the objective is not contrastive.
    /// Errors: argument, memory.
    ///
    /// `ranks` share the work of a large batch; for a small one communication would take longer.
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

    /// Returns the buffers that sum up to `count` gradients in bf16; nil if ranks exchange them in
    /// f32, or there is one process. Errors: memory.
    func roundedSum(_ ranks: Ranks, count: Int) throws(SupConError) -> RoundedSum? {
        gradientPrecision == .f32 || ranks.isAlone ? nil : try RoundedSum(ranks, count: count)
    }

    /// Returns the loss of random guessing, for a batch without a queue.
    func chance(classes: Int) -> Double {
        objective.isContrastive
            ? ContrastiveLoss.collapsedLoss(loss, samples: batchSize, views: effectiveViews)
            : log(Double(classes))
    }
}

/// The first error that any of several threads has thrown.
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
