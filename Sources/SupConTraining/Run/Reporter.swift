import SupConEvaluation
import SupConTensor

/// A reporter creates the events of a run, passes them to its caller, and measures time.
final class Reporter {
    private let callback: ((TrainEvent) -> Bool)?
    private let options: TrainOptions
    private let steps: Int
    private let clock = ContinuousClock()
    private var runStart: ContinuousClock.Instant
    private var epochStart: ContinuousClock.Instant
    private var lastStep: ContinuousClock.Instant
    private var stepsDone = 0
    private var epochsDone = 0
    /// The smoothed duration of a step, in seconds.
    private var stepSeconds = 0.0

    init(_ callback: ((TrainEvent) -> Bool)?, options: TrainOptions, steps: Int) {
        self.callback = callback
        self.options = options
        self.steps = steps
        runStart = clock.now
        epochStart = runStart
        lastStep = runStart
    }

    func begin(epochsDone: Int) {
        self.epochsDone = epochsDone
        runStart = clock.now
        epochStart = runStart
        lastStep = runStart
    }

    /// Reports a step. Returns false if the run is to stop.
    func step(epoch: Int, step: Int, _ outcome: StepOutcome, rate: Double, images: Int) -> Bool {
        let now = clock.now
        let seconds = (now - lastStep) / .seconds(1)
        lastStep = now
        stepsDone += 1
        stepSeconds = stepsDone == 1 ? seconds : 0.9 * stepSeconds + 0.1 * seconds
        guard callback != nil else { return true }
        var event = TrainEvent(
            kind: .step, epoch: epoch, epochs: options.epochs, step: step, steps: steps)
        event.loss = outcome.loss
        event.learningRate = rate
        event.imagesPerSecond = Double(images) / max(stepSeconds, 1e-9)
        event.secondsLeft = secondsLeft(now, epoch: epoch, step: step)
        event.anchorsWithoutPositive = outcome.anchorsWithoutPositive
        return send(event)
    }

    /// Reports an epoch. Returns false if the run is to stop. Errors: memory.
    func epoch(
        _ epoch: Int, _ sum: EpochSum, embeddings: Embeddings?, rate: Double, knnAccuracy: Double,
        context: ExecutionContext
    ) throws(SupConError) -> Bool {
        let now = clock.now
        let seconds = (now - epochStart) / .seconds(1)
        epochStart = now
        lastStep = now
        guard callback != nil else { return true }
        var event = TrainEvent(
            kind: .epoch, epoch: epoch, epochs: options.epochs, step: steps, steps: steps)
        event.loss = sum.meanLoss
        event.learningRate = rate
        event.imagesPerSecond = Double(steps * options.batchSize) / max(seconds, 1e-9)
        event.secondsLeft = secondsLeft(now, epoch: epoch, step: steps)
        event.knnAccuracy = knnAccuracy
        event.trainAccuracy = sum.accuracy
        event.anchorsWithoutPositive = sum.anchorsWithoutPositive
        if let rows = embeddings {
            event.alignment = try rows.alignment(context: context) ?? .nan
            event.uniformity =
                try uniformity(
                    rows.rows, count: rows.count, dimension: rows.dimension, context: context)
                ?? .nan
        }
        return send(event)
    }

    /// Reports a warning. `loss` is NaN if the run ends with it.
    func warn(_ message: String, epoch: Int, step: Int, loss: Double) {
        var event = TrainEvent(
            kind: .warning, epoch: epoch, epochs: options.epochs, step: step, steps: steps)
        (event.message, event.loss) = (message, loss)
        _ = send(event)
    }

    private func send(_ event: TrainEvent) -> Bool { callback?(event) ?? true }

    private func secondsLeft(_ now: ContinuousClock.Instant, epoch: Int, step: Int) -> Double {
        let done = (epoch - 1 - epochsDone) * steps + step
        let left = (options.epochs - epoch) * steps + steps - step
        return (now - runStart) / .seconds(1) / Double(max(done, 1)) * Double(left)
    }
}
