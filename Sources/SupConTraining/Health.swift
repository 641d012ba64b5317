import Glibc
import SupConTensor

/// Watches a run for the ways in which it fails: not a number, divergence, and collapse, where all embeddings become equal and the loss sits at ln(2N − 1).
struct Health {
    /// What is wrong, in words, and whether the run can go on at all.
    struct Finding {
        var message: String
        var isFatal: Bool
    }

    /// The loss that guessing gives: ln(views − 1) for the contrastive loss (scaled as it is), ln(classes) for cross-entropy.
    let chance: Double
    let isContrastive: Bool
    /// Embeddings count as equal below this share of the variance that uniform ones have.
    private static let leastSpread = 1e-3
    /// So many steps in a row make a verdict.
    private static let patience = 20
    /// The loss counts as chance within this share of it, over this many epochs and steps: in short epochs a run may take some to leave it.
    private static let nearChance = 2e-3
    private static let epochsAtChance = 3
    private static let stepsAtChance = 300

    private var average = 0.0
    private var lowest = Double.infinity
    private var steps = 0
    private var stepsCollapsed = 0
    private var stepsDiverged = 0
    private var epochsStuck = 0
    private var stepsBeforeStuck = 0
    /// A verdict is given once.
    private var hasReported = false

    init(chance: Double, isContrastive: Bool) {
        self.chance = chance
        self.isContrastive = isContrastive
    }

    /// After each step. `spread`: variance of the embeddings over that of uniform ones; 1 where there are none.
    mutating func step(loss: Double, spread: Double, rate: Double, place: @autoclosure () -> String) -> Finding? {
        if !loss.isFinite || !spread.isFinite {
            return Finding(
                message: "the loss became \(loss.isFinite ? "finite but the embeddings are not numbers" : "\(loss)") \(place()): the weights have diverged. "
                    + "Likely remedy: a lower learning rate (it was \(short(rate))), a longer warm-up, or images scaled to 0…1.",
                isFatal: true)
        }
        steps += 1
        average = steps == 1 ? loss : 0.9 * average + 0.1 * loss
        lowest = min(lowest, average)
        stepsDiverged = average > 3 * chance && average > 2 * lowest ? stepsDiverged + 1 : 0
        stepsCollapsed = isContrastive && spread < Self.leastSpread ? stepsCollapsed + 1 : 0
        guard !hasReported else { return nil }
        if stepsDiverged == Self.patience {
            hasReported = true
            return Finding(
                message: "the loss has grown to \(short(average)) from \(short(lowest)) \(place()), chance is \(short(chance)): the run diverges. "
                    + "Likely remedy: a lower learning rate (it was \(short(rate))) or a longer warm-up.",
                isFatal: false)
        }
        if stepsCollapsed == Self.patience {
            hasReported = true
            return Finding(message: collapse("their variance is \(short(spread)) of what it should be", loss: loss, rate: rate, place: place()), isFatal: false)
        }
        return nil
    }

    /// After each epoch, with its mean loss.
    mutating func epoch(loss: Double, rate: Double, place: @autoclosure () -> String) -> Finding? {
        let isStuck = isContrastive && abs(loss - chance) < Self.nearChance * chance
        epochsStuck = isStuck ? epochsStuck + 1 : 0
        if !isStuck { stepsBeforeStuck = steps }
        guard epochsStuck >= Self.epochsAtChance, steps - stepsBeforeStuck >= Self.stepsAtChance, !hasReported else { return nil }
        hasReported = true
        return Finding(
            message: collapse("the loss has stayed at ln(views − 1) for \(epochsStuck) epochs", loss: loss, rate: rate, place: place()), isFatal: false)
    }

    private func collapse(_ sign: String, loss: Double, rate: Double, place: String) -> String {
        "the embeddings have collapsed to one point \(place): \(sign) (loss \(short(loss)), where all are equal it is \(short(chance))). "
            + "Likely remedy: a lower learning rate (it was \(short(rate))), a longer warm-up, or a larger batch."
    }
}

/// Four significant digits, for sentences.
func short(_ x: Double) -> String {
    guard x.isFinite, x != 0 else { return "\(x)" }
    let digits = 3 - Int(floor(log10(abs(x))))
    guard (0...8).contains(digits) else { return "\(Float(x))" }
    let power = pow(10, Double(digits))
    return "\((x * power).rounded() / power)"
}
