import CKernels
import Glibc
import SupConTensor

/// Anchor terms hold the values of each anchor: first sums over its pairs, then its loss, then the
/// factors in its gradient. Each array is [anchors].
///
/// With c = 1/anchors, σ the logistic function, n the logarithm of the sum over the negatives, and
/// R_i = Σ_p w_ip/W_i σ(n_i − s_ip), the gradient of c·L_i is
///
///     all          ∂/∂s_ij = c/D_i exp s_ij − (out: c/W_i w_ij; in: c/E_i w_ij exp s_ij)
///                  with E_i = Σ_p w_ip exp s_ip
///     negatives    the same, the first term for negatives alone
///     onePositive  ∂/∂s_in = c R_i/D_i exp s_in,   ∂/∂s_ip = −c/W_i w_ip σ(n_i − s_ip)
///                  with D_i over the negatives
struct AnchorTerms {
    let count: Int
    /// The values that are subtracted from s in exponents.
    let shift: Buffer<Float>
    let positiveShift: Buffer<Float>
    let sum: Buffer<Double>
    /// The sum over the positives: for the outside form Σ_p w s; for the inside form Σ_p w exp(s −
    /// positiveShift).
    let positive: Buffer<Double>
    /// The terms of denominator onePositive: n, −∞ if there is nothing to do, with its rounding
    /// error in f32; the sum over the negatives in f32; Σ_p w log(1 + exp(n − s)); Σ_p w σ(n − s).
    let negatives: Buffer<Float>
    let negativesRest: Buffer<Float>
    let negativeSum: Buffer<Float>
    let oneLoss: Buffer<Double>
    let oneFraction: Buffer<Double>
    /// The factors of exp s and of the positives' term.
    let weight: Buffer<Float>
    let positiveWeight: Buffer<Float>

    static let bytesPerAnchor = 7 * 4 + 4 * 8

    /// Allocates the arrays. Errors: memory.
    init(_ count: Int) throws(SupConError) {
        self.count = count
        shift = try Buffer(count)
        positiveShift = try Buffer(count)
        sum = try Buffer(count)
        positive = try Buffer(count)
        negatives = try Buffer(count)
        negativesRest = try Buffer(count)
        negativeSum = try Buffer(count)
        oneLoss = try Buffer(count)
        oneFraction = try Buffer(count)
        weight = try Buffer(count)
        positiveWeight = try Buffer(count)
    }

    /// Clears the sums before the first tile. Without shifts, these are 0 and remain so.
    func clear(shifted: Bool) {
        shift.start.update(repeating: shifted ? -Float.greatestFiniteMagnitude : 0, count: count)
        positiveShift.start.update(
            repeating: shifted ? -Float.greatestFiniteMagnitude : 0, count: count)
        for values in [sum, positive, oneLoss, oneFraction] {
            values.start.update(repeating: 0, count: count)
        }
    }

    /// Adds up the sums of the ranks, each of which has processed its own tiles, without shifts;
    /// `scratch` is [2, count]. Errors: io.
    func add(over ranks: Ranks, _ scratch: UnsafeMutablePointer<Float>) throws(SupConError) {
        for anchor in 0..<count {
            (scratch[anchor], scratch[count + anchor]) = (
                Float(sum.start[anchor]), Float(positive.start[anchor])
            )
        }
        try ranks.sum(scratch, count: 2 * count)
        for anchor in 0..<count {
            (sum.start[anchor], positive.start[anchor]) = (
                Double(scratch[anchor]), Double(scratch[count + anchor])
            )
        }
    }

    /// Completes the sums over negatives between the first and the second pass, for denominator
    /// onePositive.
    func closeNegatives(_ weights: PairWeights) {
        for anchor in 0..<count {
            let useful = weights.totals.start[anchor] > 0 && weights.negatives.start[anchor] > 0
            let logarithm = Double(shift.start[anchor]) + log(sum.start[anchor])
            negatives.start[anchor] = useful ? Float(logarithm) : -.infinity
            negativesRest.start[anchor] = useful ? Float(logarithm - Double(Float(logarithm))) : 0
            negativeSum.start[anchor] = useful ? Float(sum.start[anchor]) : 0
        }
    }

    /// Computes the losses from the sums, and the factors of the gradients. `each` is called with
    /// every anchor's loss; `importance` returns the factor of an anchor's loss.
    /// - Returns: the sum of the losses, and the number of anchors without a positive.
    func close(
        _ weights: PairWeights, kind: Int32, importance: (_ anchor: Int) -> Double,
        each: (_ anchor: Int, _ loss: Double) -> Void
    ) -> (loss: Double, without: Int) {
        let mean = 1 / Double(count)
        var (total, without) = (0.0, 0)
        for anchor in 0..<count {
            let (all, negatives) = (weights.totals.start[anchor], weights.negatives.start[anchor])
            let (sum, positive) = (self.sum.start[anchor], self.positive.start[anchor])
            var (loss, weight, positiveWeight) = (0.0, 0.0, 0.0)
            let logarithm = Double(shift.start[anchor]) + log(sum)
            switch kind {
            case _ where !(all > 0): without += 1
            case Int32(SC_LOSS_OUT_ONE):
                if negatives > 0 {
                    loss = oneLoss.start[anchor] / all
                    (weight, positiveWeight) = (
                        mean * oneFraction.start[anchor] / all / sum, mean / all
                    )
                }
            case Int32(SC_LOSS_OUT_ALL), Int32(SC_LOSS_OUT_NEGATIVES):
                if sum > 0 {
                    loss = logarithm - positive / all
                    (weight, positiveWeight) = (mean / sum, mean / all)
                }
            default:
                if sum > 0 {
                    loss = logarithm - (Double(positiveShift.start[anchor]) + log(positive / all))
                    (weight, positiveWeight) = (mean / sum, mean / positive)
                }
            }
            let factor = importance(anchor)
            loss *= factor
            self.weight.start[anchor] = Float(factor * weight)
            self.positiveWeight.start[anchor] = Float(factor * positiveWeight)
            total += loss
            each(anchor, loss)
        }
        return (total, without)
    }
}
