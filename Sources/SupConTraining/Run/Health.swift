import Glibc
import SupConTensor

/// A health monitor watches a run for the ways in which it fails: values that are not numbers,
/// divergence, and collapse, where all embeddings become equal and the loss remains at ln(2N − 1).
struct Health {
    struct Finding {
        enum Weight {
            /// The run cannot continue.
            case fatal
            /// The run should stop.
            case stops
            /// The run has ended in this state.
            case note
        }
        /// The message that says what is wrong.
        var message: String
        var weight: Weight
    }

    /// The loss of random guessing: ln(views − 1) for the contrastive loss, times its scale;
    /// ln(classes) for cross-entropy.
    let chance: Double
    let isContrastive: Bool
    /// Whether a loss near chance indicates collapse. It does not where a sound run's loss may lie
    /// there too, because shared labels or a wide kernel make nearly all pairs positives.
    let chanceIsCollapse: Bool
    /// The fraction of the variance of uniform embeddings below which embeddings count as equal.
    private static let leastSpread = 1e-3
    /// The numbers of consecutive steps that make a verdict. A healthy run may pass close to a
    /// single point in its first hundred steps.
    private static let stepsDiverging = 20
    private static let stepsAtOnePoint = 300
    /// The number of steps below which a loss near chance is no sign of anything, and more steps
    /// are the likeliest remedy.
    private static let stepsOfBeginning = 100
    /// The relative distance within which a loss counts as chance.
    private static let nearChance = 2e-3

    private var highestRate = 0.0
    private var average = 0.0
    private var lowest = Double.infinity
    private var steps = 0
    private var stepsCollapsed = 0
    private var stepsDiverged = 0
    private var stepsBeforeEpoch = 0
    private var stepsAtChance = 0
    /// Whether a verdict has been given, as one is only given once.
    private var hasReported = false

    init(chance: Double, isContrastive: Bool, chanceIsCollapse: Bool = true) {
        self.chance = chance
        self.isContrastive = isContrastive
        self.chanceIsCollapse = chanceIsCollapse
    }

    /// Examines a step. `spread` is the variance of the embeddings divided by that of uniform ones;
    /// 1 if there are none.
    mutating func step(
        loss: Double, spread: Double, rate: Double, moment: @autoclosure () -> String
    )
        -> Finding?
    {
        highestRate = max(highestRate, rate)
        if !loss.isFinite || !spread.isFinite {
            let sign = loss.isFinite ? "finite but the embeddings are not numbers" : "\(loss)"
            return Finding(
                message: """
                    the loss became \(sign) \(moment()): the weights have diverged. Likely remedy: \
                    \(lowerRate), a longer warm-up, or images scaled to 0…1.
                    """,
                weight: .fatal)
        }
        steps += 1
        average = steps == 1 ? loss : 0.9 * average + 0.1 * loss
        lowest = min(lowest, average)
        stepsDiverged = average > 3 * chance && average > 2 * lowest ? stepsDiverged + 1 : 0
        stepsCollapsed = isContrastive && spread < Self.leastSpread ? stepsCollapsed + 1 : 0
        guard !hasReported else { return nil }
        if stepsDiverged == Self.stepsDiverging {
            hasReported = true
            return Finding(
                message: """
                    the loss has grown to \(short(average)) from \(short(lowest)) \(moment()), \
                    where guessing gives \(short(chance)): the run diverges. Likely remedy: \
                    \(lowerRate) or a longer warm-up.
                    """,
                weight: .stops)
        }
        if stepsCollapsed == Self.stepsAtOnePoint {
            hasReported = true
            return Finding(
                message: collapse(
                    "their variance is \(short(spread)) of that of spread-out embeddings",
                    moment: moment()),
                weight: .stops)
        }
        return nil
    }

    /// Examines an epoch, given its mean loss.
    mutating func epoch(loss: Double, isLast: Bool, moment: @autoclosure () -> String)
        -> Finding?
    {
        let isAtChance =
            isContrastive && chanceIsCollapse && abs(loss - chance) < Self.nearChance * chance
        stepsAtChance = isAtChance ? stepsAtChance + steps - stepsBeforeEpoch : 0
        stepsBeforeEpoch = steps
        let least = isLast ? Self.stepsOfBeginning : Self.stepsAtOnePoint
        guard !hasReported, stepsAtChance >= least || isLast && stepsCollapsed > 0 else {
            return nil
        }
        hasReported = true
        let sign =
            stepsAtChance >= least
            ? """
            the loss has stayed at \(short(chance)), its value where all embeddings are equal, \
            for \(stepsAtChance) steps
            """
            : "their variance is nearly 0"
        return Finding(
            message: collapse(sign, moment: moment()),
            weight: stepsAtChance >= Self.stepsAtOnePoint ? .stops : .note)
    }

    private func collapse(_ sign: String, moment: String) -> String {
        let more = steps < Self.stepsOfBeginning ? "more steps than \(steps), " : ""
        return """
            the embeddings have collapsed to one point \(moment): \(sign). Likely remedy: \
            \(more)\(lowerRate), a longer warm-up, or a larger batch; images that are all alike \
            cannot be told apart either.
            """
    }

    /// The advice to lower the learning rate. It names the run's highest rate, since at the end of
    /// a schedule the current one is near 0.
    private var lowerRate: String {
        "a lower learning rate (the highest so far was \(short(highestRate)))"
    }
}

/// Returns the number with four significant digits, for messages.
func short(_ x: Double) -> String {
    guard x.isFinite, x != 0 else { return "\(x)" }
    let digits = 3 - Int(floor(log10(abs(x))))
    guard (0...8).contains(digits) else { return "\(Float(x))" }
    let power = pow(10, Double(digits))
    return "\((x * power).rounded() / power)"
}
