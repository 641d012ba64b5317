import CKernels
import Glibc
import SupConNetwork
import SupConTensor

/// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101), in
/// PyTorch's form, which scales the decay λ by the rate η: in step t, from 1,
///
///     m ← β₁ m + (1 − β₁) g,   s ← β₂ s + (1 − β₂) g²,
///     w ← (1 − η λ) w − η/(1 − β₁ᵗ) · m / (√(s/(1 − β₂ᵗ)) + ε).
package final class AdamW: Optimizer {
    private let groups: ParameterGroups
    private let (beta1, beta2, epsilon): (Double, Double, Double)
    private let parameters: ParameterStore
    private let mean: AlignedBuffer
    private let squares: AlignedBuffer
    /// The step count t of each depth, since a stage that was frozen begins later. It is exact up
    /// to 2²⁴, by which time the corrections have long been 1.
    private let steps: AlignedBuffer

    /// Makes an optimizer of the parameters of `trained`. Errors: memory.
    package init(
        _ parameters: ParameterStore, trained: TrainedParameters, beta1: Double, beta2: Double,
        epsilon: Double, weightDecay: Double, decaysNormAndBias: Bool
    ) throws(SupConError) {
        groups = ParameterGroups(
            parameters, trained, weightDecay: weightDecay, decaysNormAndBias: decaysNormAndBias
        )
        (self.parameters, self.beta1, self.beta2, self.epsilon) = (
            parameters, beta1, beta2, epsilon
        )
        mean = try AlignedBuffer(Float.self, count: parameters.trainableCount)
        squares = try AlignedBuffer(Float.self, count: parameters.trainableCount)
        steps = try AlignedBuffer(Float.self, count: ParameterStore.headDepth + 1)
    }

    package var state: [StateBuffer] {
        [
            StateBuffer("optimizer.mean", mean),
            StateBuffer("optimizer.mean_square", squares, .notNegative),
            StateBuffer("optimizer.steps", steps, .count),
        ]
    }

    package func step(gradients: UnsafePointer<Float>, rate: Double, threads: Int) {
        let (w, m, s) = (parameters.values, mean.floats, squares.floats)
        for depth in Set(groups.all.map(\.depth)) { steps.floats[depth] += 1 }
        groups.eachPiece(threads: threads) { at, count, group in
            let (t, rate) = (Double(steps.floats[group.depth]), rate * group.rateFactor)
            let correctedRate = Float(rate / (1 - pow(beta1, t)))
            let rootCorrection = Float(1 / (1 - pow(beta2, t)).squareRoot())
            sc_adamw(
                w + at, gradients + at, m + at, s + at, count,
                Float(1 - rate * Double(group.decay)), correctedRate, Float(beta1), Float(beta2),
                rootCorrection, Float(epsilon))
        }
    }
}
