import Glibc
import SupConTensor

/// The learning rate of every step is base · warm-up · schedule.
///
/// - Warm-up (Goyal et al., arXiv:1706.02677, §2.2): from `warmupStart` linearly to 1 over
///   `warmupSteps` steps.
/// - cosine (Loshchilov and Hutter, arXiv:1608.03983, without restarts): m + (1 − m) · ½ (1 + cos(π
///   step/steps)), with m = `minimumFraction`, that of the smallest rate.
/// - step: `gamma` to the power of the milestones (in epochs) that have passed.
/// - exponential: `exponentialFactor` to the power of the whole intervals of `exponentialEpochs`
///   that have passed (a staircase).
///
/// Steps count from the beginning of the run, or with `followsWarmup` (as in google-research's
/// supcon) from the end of warm-up; the cosine ends with the run either way.
package struct LearningRate: Sendable {
    var base: Double
    var schedule: LearningRateSchedule
    var warmupSteps: Int
    var warmupStart: Double
    var followsWarmup = false
    var minimumFraction: Double
    var milestones: [Int]
    var gamma: Double
    var exponentialFactor = 0.97
    var exponentialEpochs = 0.5
    var stepsPerEpoch: Int
    var epochs: Int

    /// Returns the rate of step `step`, counted from 0 over the whole run.
    func rate(_ step: Int) -> Double {
        let delay = followsWarmup ? warmupSteps : 0
        let (elapsed, total) = (max(step - delay, 0), max(stepsPerEpoch * epochs - delay, 1))
        var factor: Double
        switch schedule {
        case .constant: factor = 1
        case .cosine:
            factor =
                minimumFraction + (1 - minimumFraction) * 0.5
                * (1 + cos(Double.pi * Double(elapsed) / Double(total)))
        case .step: factor = pow(gamma, Double(milestones.count { elapsed >= $0 * stepsPerEpoch }))
        case .exponential:
            factor = pow(
                exponentialFactor,
                (Double(elapsed) / (exponentialEpochs * Double(stepsPerEpoch))).rounded(.down))
        }
        if step < warmupSteps {
            factor *= warmupStart + (1 - warmupStart) * Double(step + 1) / Double(warmupSteps)
        }
        return base * factor
    }
}

extension LearningRate {
    /// Makes the schedule of a run with these options, which must be valid, and for which
    /// stepsPerEpoch · epochs does not overflow.
    init(_ options: TrainOptions, stepsPerEpoch: Int) {
        let warmup =
            if options.warmupSteps >= 0 {
                options.warmupSteps
            } else if options.warmupEpochs >= 0 {
                // Bounded, since a product that overflows Int would trap.
                Int(min((options.warmupEpochs * Double(stepsPerEpoch)).rounded(), 1e15))
            } else {
                min(10 * stepsPerEpoch, stepsPerEpoch * options.epochs / 10)
            }
        self.init(
            base: options.learningRate
                * (options.referenceBatch > 0
                    ? Double(options.batchSize) / Double(options.referenceBatch) : 1),
            schedule: options.schedule,
            warmupSteps: warmup, warmupStart: options.warmupStart,
            followsWarmup: options.schedulesAfterWarmup,
            minimumFraction: options.minLr / options.learningRate,
            milestones: options.milestones, gamma: options.gamma,
            exponentialFactor: options.exponentialFactor,
            exponentialEpochs: options.exponentialEpochs, stepsPerEpoch: stepsPerEpoch,
            epochs: options.epochs)
    }
}
