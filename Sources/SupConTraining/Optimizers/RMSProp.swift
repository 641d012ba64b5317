import CKernels
import SupConNetwork
import SupConTensor

/// RMSProp (Tieleman and Hinton, Coursera lecture 6.5, 2012) is implemented in TensorFlow's form,
/// with ε inside the root, the rate inside the momentum, and s beginning at 1:
///
///     d = g + λ w,   s ← ρ s + (1 − ρ) d²,   v ← m v + η d / √(s + ε),   w ← w − v.
package final class RMSProp: Optimizer {
    private let groups: ParameterGroups
    private let (decay, momentum, epsilon): (Float, Float, Float)
    private let parameters: ParameterStore
    private let squares: AlignedBuffer
    private let velocity: AlignedBuffer

    /// Makes an optimizer with the decay ρ = `decay`. Errors: memory.
    package init(
        _ parameters: ParameterStore, trained: TrainedParameters, decay: Double,
        momentum: Double, epsilon: Double, weightDecay: Double, decaysNormAndBias: Bool
    ) throws(SupConError) {
        groups = ParameterGroups(
            parameters, trained, weightDecay: weightDecay, decaysNormAndBias: decaysNormAndBias
        )
        (self.parameters, self.decay, self.momentum, self.epsilon) = (
            parameters, Float(decay), Float(momentum), Float(epsilon)
        )
        squares = try AlignedBuffer(Float.self, count: parameters.trainableCount)
        squares.floats.update(repeating: 1, count: parameters.trainableCount)
        velocity = try AlignedBuffer(Float.self, count: parameters.trainableCount)
    }

    package var state: [StateBuffer] {
        [
            StateBuffer("optimizer.mean_square", squares, .notNegative),
            StateBuffer("optimizer.velocity", velocity),
        ]
    }

    package func step(gradients: UnsafePointer<Float>, rate: Double, threads: Int) {
        let (w, s, v) = (parameters.values, squares.floats, velocity.floats)
        groups.eachPiece(threads: threads) { at, count, group in
            sc_rmsprop(
                w + at, gradients + at, s + at, v + at, count, Float(rate * group.rateFactor),
                decay, momentum, epsilon, group.decay)
        }
    }
}
