import Glibc
import SupConTensor

/// The learning rate of every step: base · warm-up · schedule.
///
/// - Warm-up (Goyal et al., arXiv:1706.02677, §2.2): from `warmupStart` linearly to 1 over `warmupSteps` steps.
/// - cosine (Loshchilov and Hutter, arXiv:1608.03983, without restarts): final + (1 − final) · ½ (1 + cos(π step/steps)).
/// - step: `stepFactor` to the power of the milestones (in epochs) that have passed.
/// - exponential: `exponentialFactor` to the power of the whole intervals of `exponentialEpochs` that have passed (a staircase).
public struct LearningRate: Sendable {
    public enum Schedule: Int32, Sendable, CaseIterable { case constant = 0, cosine, step, exponential }

    var base: Double
    var schedule: Schedule
    var warmupSteps: Int
    var warmupStart: Double
    var finalShare: Double
    var milestones: [Int]
    var stepFactor: Double
    var exponentialFactor = 0.97
    var exponentialEpochs = 0.5
    var stepsPerEpoch: Int
    var epochs: Int

    /// The rate of step number `step` of the run, from 0.
    func rate(_ step: Int) -> Double {
        let total = max(stepsPerEpoch * epochs, 1)
        var share: Double
        switch schedule {
        case .constant: share = 1
        case .cosine: share = finalShare + (1 - finalShare) * 0.5 * (1 + cos(Double.pi * Double(step) / Double(total)))
        case .step: share = pow(stepFactor, Double(milestones.count { step >= $0 * stepsPerEpoch }))
        case .exponential: share = pow(exponentialFactor, (Double(step) / (exponentialEpochs * Double(stepsPerEpoch))).rounded(.down))
        }
        if step < warmupSteps { share *= warmupStart + (1 - warmupStart) * Double(step + 1) / Double(warmupSteps) }
        return base * share
    }
}
