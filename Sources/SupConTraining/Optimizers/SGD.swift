import CKernels
import SupConNetwork
import SupConTensor

/// Stochastic gradient descent with momentum, PyTorch's form (Sutskever et al., "On the importance
/// of initialization and momentum", ICML 2013, with the rate outside):
///
///     d = g + λ w,   v ← m v + d,   w ← w − η v;   Nesterov: w ← w − η (d + m v).
package final class SGD: Optimizer {
    private let groups: ParameterGroups
    private let momentum: Float
    private let nesterov: Bool
    private let parameters: ParameterStore
    /// v
    private let velocity: AlignedBuffer

    /// Trains the parameters of `parts`; `decaysNormAndBias` false spares batch norms and biases
    /// the weight decay λ. Errors: memory.
    package init(
        _ parameters: ParameterStore, parts: Set<ParameterStore.Part>, momentum: Double,
        nesterov: Bool, weightDecay: Double, decaysNormAndBias: Bool
    ) throws(SupConError) {
        groups = ParameterGroups(
            parameters, parts: parts, weightDecay: weightDecay, decaysNormAndBias: decaysNormAndBias
        )
        self.parameters = parameters
        self.momentum = Float(momentum)
        self.nesterov = nesterov
        velocity = try AlignedBuffer(Float.self, count: parameters.trainableCount)
    }

    package var state: [StateBuffer] { [StateBuffer("optimizer.velocity", velocity)] }

    package func step(gradients: UnsafePointer<Float>, rate: Double, threads: Int) {
        let (w, v) = (parameters.values, velocity.floats)
        groups.eachPiece(threads: threads) { at, count, decay in
            sc_sgd(
                w + at, gradients + at, v + at, count, Float(rate), momentum, decay,
                nesterov ? 1 : 0)
        }
    }
}
