import SupConModel
import SupConTensor
import SupConVision

/// A training run carries out a plan epoch by epoch: it trains, judges its health, validates,
/// saves, reports, and decides whether to go on.
final class TrainingRun {
    private let plan: RunPlan
    private let reporter: Reporter
    private let isCanceled: () -> Bool
    private var health: Health
    /// The progress of the run, in the form that a checkpoint keeps.
    private var progress: Checkpoint
    /// The parameters with the best validation accuracy so far; nil unless they are to be restored.
    private var best: Model.Snapshot?
    /// The parameters that the callback has asked to keep.
    private var kept: Model.Snapshot?
    /// The number of times that the callback has kept the model: on this rank, and as agreed by all
    /// ranks.
    private var (keepCount, sharedKeepCount) = (0, 0.0)
    /// The last parameters without NaN, to which a failed run returns.
    private var sound: Model.Snapshot?
    /// The unreadable files that have been reported, as "path: reason".
    private var unreadable: Set<String> = []
    /// The number of the loader's unreadable files that have been examined.
    private var unreadableOfLoader = 0
    /// The number of the other ranks' unreadable files that have been reported.
    private var unreadableElsewhere = 0
    /// Whether the callback is being told of an epoch whose checkpoint has been written.
    private var isReporting = false
    /// Whether the model has been put back to an earlier state, which the average must not replace.
    private var isSettled = false

    /// Prepares a run. `isCanceled` is polled after each step and epoch.
    init(_ plan: RunPlan, _ reporter: Reporter, isCanceled: @escaping () -> Bool) {
        (self.plan, self.reporter, self.isCanceled) = (plan, reporter, isCanceled)
        progress = Checkpoint(run: plan.runDescription)
        health = Health(
            chance: plan.step.chance, isContrastive: plan.options.objective.isContrastive,
            chanceIsCollapse: plan.options.positives == .classes)
    }

    /// Runs all remaining epochs. However the run ends, the model is left with the parameters that
    /// the callback kept, or else with the average of the weights, if there is one, unless it was
    /// put back to an earlier state. Errors: those of `Trainer.run`.
    func run() throws(SupConError) {
        do throws(SupConError) {
            try runEpochs()
        } catch {
            let reason = error
            do throws(SupConError) { if let kept { try putBack(kept) } } catch {
                Log.write(.warning, "the model that was kept is lost: \(error.message)")
            }
            throw reason
        }
        if let kept { try putBack(kept) }
    }

    private func runEpochs() throws(SupConError) {
        let start = try RunStart(plan)
        (progress, best) = (start.progress, start.best)
        defer { if !isSettled { plan.average?.takeOver() } }
        let first = min(progress.epoch + 1, plan.options.epochs)
        var phases = plan.phases
        try phases.calibrate(plan.model, on: plan.training, from: first, plan.ranks)
        var phase = phases.phase(epoch: first)
        var loader = try plan.ranks.together { () throws(SupConError) in
            try plan.step.begin(
                phase, resumed: start.isResumed, isNew: start.isResumed || !plan.ranks.isFirst)
            sound = try plan.model.snapshot()
            return try makeLoader(phase)
        }
        reporter.begin(epochsDone: progress.epoch)
        while progress.epoch < plan.options.epochs {
            let epoch = progress.epoch + 1
            let next = phases.phase(epoch: epoch)
            loader = try plan.ranks.together { () throws(SupConError) in
                let isOfSize = (next.height, next.width) == (phase.height, phase.width)
                let loader = isOfSize ? loader : try makeLoader(next)
                try plan.step.enter(next)
                return loader
            }
            phase = next
            let sum = try train(epoch, loader)
            try judge(epoch, sum)
            try RankAgreement.checkParameters(plan, epoch: epoch)
            let accuracy = try validate(epoch)
            try keep(epoch)
            try report(epoch, sum, accuracy)
            if hasStoppedGaining(epoch) { break }
        }
        if let best { try putBack(best) }
    }

    private func makeLoader(_ phase: TrainingPhase) throws(SupConError) -> Loader {
        let (options, model) = (plan.options, plan.model)
        unreadableOfLoader = 0
        return try Loader(
            plan.training, options.augmentation, second: options.augmentationSecond,
            views: options.effectiveViews, height: phase.height, width: phase.width,
            mean: model.mean, std: model.std, seed: options.seed,
            threads: options.loaderThreads > 0 ? options.loaderThreads : plan.context.threads,
            batchSize: plan.step.chunks.size, resizing: model.resizing,
            context: plan.context)
    }

    // MARK: An epoch

    /// Runs the steps of an epoch.
    private func train(_ epoch: Int, _ loader: Loader) throws(SupConError) -> EpochSum {
        let batches = plan.sampler.batches(epoch: epoch)
        let next = try plan.ranks.together { () throws(SupConError) in
            try begin(epoch, batches, loader)
        }
        var sum = EpochSum()
        for number in 0..<plan.stepsPerEpoch {
            let (index, step) = ((epoch - 1) * plan.stepsPerEpoch + number, number + 1)
            let rate = plan.rates.rate(index) * progress.rateFactor
            let outcome = try plan.step.run(
                step: index, rate: rate, samples: batches[number], next: next)
            sum.add(outcome)
            tell(of: loader.unreadable(from: unreadableOfLoader), epoch, step)
            try judge(outcome, epoch, step, rate)
            plan.average?.step(index + 1, threads: plan.context.threads)
            try goOn("in epoch \(epoch), step \(step)", epoch, step) {
                reporter.step(
                    epoch: epoch, step: step, outcome, rate: rate, images: plan.options.batchSize)
            }
        }
        return sum
    }

    /// Reports images that have become unreadable and have been replaced by others.
    private func tell(of reasons: [String], _ epoch: Int, _ step: Int) {
        unreadableOfLoader += reasons.count
        // The loader of another image size finds the same files again.
        for reason in reasons where unreadable.insert(reason).inserted {
            let count = unreadable.count
            guard count % Self.power(count) == 0 else { continue }
            warn(count, "; another of the class takes its place. The last: \(reason)", epoch, step)
        }
    }

    /// Reports the number `count` of unreadable images that other ranks have found.
    private func tellOfOthers(_ count: Int, _ epoch: Int, _ step: Int) {
        let before = unreadableElsewhere
        unreadableElsewhere = count
        let power = Self.power(count)
        guard count / power > before / power else { return }
        warn(count, " at other ranks; another of the class takes its place", epoch, step)
    }

    /// Returns the largest power of ten up to `count`. Unreadable files are reported at multiples
    /// of it.
    private static func power(_ count: Int) -> Int {
        var power = 1
        while power * 10 <= count { power *= 10 }
        return power
    }

    private func warn(_ count: Int, _ rest: String, _ epoch: Int, _ step: Int) {
        guard plan.ranks.isFirst else { return }
        let message =
            "\(count) \(count == 1 ? "image has" : "images have") become unreadable\(rest)"
        if plan.writesLog { Log.write(.warning, message) }
        reporter.warn(message, epoch: epoch, step: step, loss: .nan)
    }

    /// Begins the epoch's batches, of which this rank takes its part from the loader or the feature
    /// cache. Returns a closure that delivers them. Errors: those of the loader, canceled.
    private func begin(_ epoch: Int, _ batches: [[Int]], _ loader: Loader) throws(SupConError)
        -> () throws(SupConError) -> StepBatch
    {
        func sources(_ number: Int) -> [Int] {
            plan.step.sources(step: (epoch - 1) * plan.stepsPerEpoch + number)
        }
        let chunks = plan.step.chunks
        guard let pass = plan.step.cachingPass, let cache = pass.cache else {
            try loader.begin(epoch: epoch, batches: batches, chunks: chunks, sources: sources)
            return { () throws(SupConError) in StepBatch(try loader.next()) }
        }
        let entries = cache.entries(epoch: epoch, batches).enumerated().map { number, entries in
            sources(number).map { entries[$0] }
        }
        try fill(pass, cache.missing(entries), loader)
        var cached = CachedBatches(cache, entries, chunks: chunks)
        return { () throws(SupConError) in cached.next() }
    }

    /// Fills the feature cache. Errors: those of the loader, io (of the cache), canceled.
    private func fill(
        _ pass: EncoderPass, _ missing: [(epoch: Int, samples: [Int])], _ loader: Loader
    ) throws(SupConError) {
        let size = plan.step.chunks.size
        for (epoch, samples) in missing {
            let batches = stride(from: 0, to: samples.count, by: size).map {
                Array(samples[$0..<min($0 + size, samples.count)])
            }
            try loader.begin(epoch: epoch, batches: batches)
            for batch in batches {
                try pass.fillCache(try loader.next(), batch, epoch: epoch)
                try require(
                    !isCanceled(), .canceled,
                    "the run was stopped while the feature cache was filled")
            }
        }
    }

    /// Examines a step's health. Errors: state (NaN, after which the model is put back; divergence;
    /// collapse).
    private func judge(_ outcome: StepOutcome, _ epoch: Int, _ step: Int, _ rate: Double)
        throws(SupConError)
    {
        guard
            let finding = health.step(
                loss: outcome.loss, spread: plan.step.spread, rate: rate,
                moment: "in epoch \(epoch), step \(step)")
        else { return }
        if finding.weight == .fatal {
            if let sound { try putBack(sound) }
            let message =
                finding.message + " The model was put back to the end of epoch \(epoch - 1)."
            reporter.warn(message, epoch: epoch, step: step, loss: .nan)
            throw SupConError(.state, message)
        }
        try act(on: finding, epoch, step, loss: outcome.loss)
    }

    /// Examines an epoch's health. Errors: state (collapse).
    private func judge(_ epoch: Int, _ sum: EpochSum) throws(SupConError) {
        if let finding = health.epoch(
            loss: sum.meanLoss, isLast: epoch == plan.options.epochs,
            moment: "by the end of epoch \(epoch)")
        {
            try act(on: finding, epoch, plan.stepsPerEpoch, loss: sum.meanLoss)
        }
    }

    private func act(on finding: Health.Finding, _ epoch: Int, _ step: Int, loss: Double)
        throws(SupConError)
    {
        try require(
            !plan.options.stopsOnCollapse || finding.weight == .note, .state, finding.message)
        if plan.writesLog { Log.write(.warning, finding.message) }
        reporter.warn(finding.message, epoch: epoch, step: step, loss: loss)
    }

    // MARK: After an epoch

    /// Measures the accuracy if it is due, and keeps the best model. Returns NaN if nothing is
    /// measured.
    private func validate(_ epoch: Int) throws(SupConError) -> Double {
        guard let validation = plan.validation,
            epoch % plan.options.validationEvery == 0 || epoch == plan.options.epochs
        else { return .nan }
        return try withAverage { () throws(SupConError) in
            let accuracy = try validation.measure()
            progress.validationsWithoutGain += 1
            guard accuracy > progress.bestAccuracy else { return accuracy }
            (progress.bestAccuracy, progress.validationsWithoutGain) = (accuracy, 0)
            try plan.ranks.together { () throws(SupConError) in
                if plan.options.restoresBest { best = try plan.model.snapshot() }
                if let folder = plan.folder { try plan.model.saveWhileExclusive(folder.best) }
            }
            return accuracy
        }
    }

    /// Marks the epoch as completed, writes the checkpoint, and saves the parameters as the last
    /// sound ones.
    private func keep(_ epoch: Int) throws(SupConError) {
        progress.epoch = epoch
        try plan.ranks.together { () throws(SupConError) in
            if let folder = plan.folder {
                try progress.write(folder.last, plan.network.parameters, plan.state)
            }
            let before = sound
            sound = try withAverage { () throws(SupConError) in
                try plan.model.snapshot(over: before)
            }
        }
    }

    /// Reports the epoch. Errors: canceled (by the callback's answer or by `cancel`), memory.
    private func report(_ epoch: Int, _ sum: EpochSum, _ accuracy: Double) throws(SupConError) {
        try goOn("after epoch \(epoch)", epoch, plan.stepsPerEpoch) { () throws(SupConError) in
            isReporting = true
            defer { isReporting = false }
            return try reporter.epoch(
                epoch, sum, embeddings: plan.step.embeddings,
                rate: plan.rates.rate(epoch * plan.stepsPerEpoch - 1) * progress.rateFactor,
                knnAccuracy: accuracy,
                context: plan.context)
        }
    }

    /// Returns whether early stopping ends the run here.
    private func hasStoppedGaining(_ epoch: Int) -> Bool {
        let patience = plan.options.patience
        guard patience > 0, progress.validationsWithoutGain >= patience else { return false }
        guard plan.ranks.isFirst else { return true }
        Log.write(
            .info,
            """
            stops after epoch \(epoch): kNN@1 has not risen above \
            \(short(progress.bestAccuracy)) in \(patience) validations
            """
        )
        return true
    }

    /// Reports on every rank. The run ends on all ranks if `report` ends it on one, or one was
    /// canceled. The requests of rank 0's callback are sent to the others. `moment` says where the
    /// run is. Errors: canceled, those of `report`, io, memory.
    private func goOn(
        _ moment: String, _ epoch: Int, _ step: Int, _ report: () throws(SupConError) -> Bool
    ) throws(SupConError) {
        let ranks = plan.ranks
        let (goesOn, reports) = try ranks.together {
            () throws(SupConError) in
            try report() && !isCanceled()
        } reporting: {
            [$0 ? 1 : 0, progress.rateFactor, Double(keepCount), Double(unreadable.count)]
        }
        if !ranks.isAlone {
            progress.rateFactor = reports[0][1]
            if reports[0][2] != sharedKeepCount {
                try ranks.together { () throws(SupConError) in
                    if !ranks.isFirst { try keepModel() }
                }
                sharedKeepCount = reports[0][2]
            }
            var elsewhere = 0
            for report in reports.dropFirst() {
                elsewhere += try ranks.whole(report[3], in: 0...Dataset.mostImages)
            }
            tellOfOthers(elsewhere, epoch, step)
        }
        guard reports.contains(where: { $0[0] == 0 }) else { return }
        try ranks.together { () throws(SupConError) in
            try require(
                goesOn, .canceled, "the run was stopped \(moment); the model keeps what it learned")
        }
    }

    // MARK: From the callback

    /// Multiplies the learning rate from here on. A checkpoint that was written before the callback
    /// of its epoch is written again. Errors: argument, io.
    func scaleRate(by factor: Double) throws(SupConError) {
        let product = progress.rateFactor * factor
        try require(
            Checkpoint.rateFactors.contains(product), .argument,
            """
            the learning rate is scaled by \(factor), and by \(product) since the run began; \
            expected numbers above 0, from 1e-12 to 1e12 together
            """
        )
        progress.rateFactor = product
        if isReporting, let folder = plan.folder {
            try progress.write(folder.last, plan.network.parameters, plan.state)
        }
    }

    /// Saves the model in its current state. Errors: argument, io.
    func save(_ path: RawPath) throws(SupConError) {
        try withAverage { () throws(SupConError) in try plan.model.saveWhileExclusive(path) }
    }

    /// Keeps the current parameters as the run's result. Errors: memory.
    func keepModel() throws(SupConError) {
        kept = try withAverage { () throws(SupConError) in try plan.model.snapshot() }
        keepCount += 1
    }

    // MARK: The model's parameters

    private func putBack(_ snapshot: Model.Snapshot) throws(SupConError) {
        try plan.model.restore(snapshot)
        isSettled = true
    }

    /// Runs `body` with the average of the weights in place of the parameters, if there is one.
    private func withAverage<R>(_ body: () throws(SupConError) -> R) throws(SupConError) -> R {
        guard let average = plan.average else { return try body() }
        return try average.whileStandingIn(body)
    }
}
