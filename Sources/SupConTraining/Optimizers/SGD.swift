import CKernels
import SupConNetwork
import SupConTensor

/// SGD is stochastic gradient descent with momentum, in PyTorch's form (Sutskever et al., "On the
/// importance of initialization and momentum", ICML 2013, with the rate outside):
///
///     d = g + λ w,   v ← m v + d,   w ← w − η v;   Nesterov: w ← w − η (d + m v).
package final class SGD: Optimizer {
    private let groups: ParameterGroups
    private let momentum: Float
    private let nesterov: Bool
    private let parameters: ParameterStore
    /// The velocity v of each parameter.
    private let velocity: AlignedBuffer

    /// Makes an optimizer of the parameters of `trained`. If `decaysNormAndBias` is false, batch
    /// norms and biases have no weight decay λ. Errors: memory.
    package init(
        _ parameters: ParameterStore, trained: TrainedParameters, momentum: Double,
        nesterov: Bool, weightDecay: Double, decaysNormAndBias: Bool
    ) throws(SupConError) {
        groups = ParameterGroups(
            parameters, trained, weightDecay: weightDecay, decaysNormAndBias: decaysNormAndBias
        )
        self.parameters = parameters
        self.momentum = Float(momentum)
        self.nesterov = nesterov
        velocity = try AlignedBuffer(Float.self, count: parameters.trainableCount)
    }

    package var state: [StateBuffer] { [StateBuffer("optimizer.velocity", velocity)] }

    package func step(gradients: UnsafePointer<Float>, rate: Double, threads: Int) {
        let (w, v) = (parameters.values, velocity.floats)
        groups.eachPiece(threads: threads) { at, count, group in
            sc_sgd(
                w + at, gradients + at, v + at, count, Float(rate * group.rateFactor), momentum,
                group.decay, nesterov ? 1 : 0)
        }
    }
}
