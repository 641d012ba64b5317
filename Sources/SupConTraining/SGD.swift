import CKernels
import SupConNetwork
import SupConTensor

/// Stochastic gradient descent with momentum, PyTorch's form (Sutskever et al., "On the importance of initialization and momentum", ICML 2013, with the rate outside):
///
///     d = g + λ w,   v ← m v + d,   w ← w − η v;   Nesterov: w ← w − η (d + m v).
package final class SGD {
    private struct Group {
        var range: Range<Int>
        var decay: Float
    }
    /// Runs of neighbouring parameters that are treated alike.
    private let groups: [Group]
    private let momentum: Float
    private let nesterov: Bool
    private let parameters: ParameterStore
    /// v, one float for each trainable parameter; what a checkpoint keeps.
    let velocity: AlignedBuffer

    /// Trains the parameters of `parts`; `decaysNormAndBias` false spares batch norms and biases the weight decay λ. Errors: memory.
    package init(
        _ parameters: ParameterStore, parts: Set<ParameterStore.Part>, momentum: Double, nesterov: Bool, weightDecay: Double, decaysNormAndBias: Bool
    ) throws(SupConError) {
        var groups: [Group] = []
        for entry in parameters.entries where entry.role.isTrainable && parts.contains(entry.part) {
            let isWeight = entry.role == .convolution || entry.role == .linearWeight
            let decay = isWeight || decaysNormAndBias ? Float(weightDecay) : 0
            if let last = groups.last, last.range.upperBound == entry.range.lowerBound, last.decay == decay {
                groups[groups.count - 1].range = last.range.lowerBound..<entry.range.upperBound
            } else {
                groups.append(Group(range: entry.range, decay: decay))
            }
        }
        self.groups = groups
        self.parameters = parameters
        self.momentum = Float(momentum)
        self.nesterov = nesterov
        velocity = try AlignedBuffer(Float.self, count: parameters.trainableCount)
    }

    package func step(gradients: UnsafePointer<Float>, rate: Double, threads: Int) {
        let (w, v) = (parameters.values, velocity.floats)
        for group in groups {
            Parallel.ranges(group.range.count, grain: 65536, threads: threads) { part in
                let at = group.range.lowerBound + part.lowerBound
                sc_sgd(w + at, gradients + at, v + at, Int64(part.count), Float(rate), momentum, group.decay, nesterov ? 1 : 0)
            }
        }
    }
}
