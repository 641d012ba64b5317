import CKernels
import SupConModel
import SupConNetwork
import SupConTensor

/// A key encoder is the slowly moving copy of encoder and head that computes keys (He et al.,
/// "Momentum Contrast", arXiv:1911.05722): after each step
///
///     key ← m key + (1 − m) query
///
/// Batch norm's running statistics are averaged likewise, and keys are computed with them in
/// evaluation mode (EMAN, Cai et al., arXiv:2101.08482). A key therefore depends on its image
/// alone, so that no information about the batch leaks into it, which MoCo prevents by shuffling
/// batches over several devices. The statistics of a new network mean nothing yet; they therefore
/// move with min(m, (1 + t)/(10 + t)), TensorFlow's bound for moving averages, and follow quickly
/// at first. (The weights must not: queries would learn to tell fresh keys from stale ones and to
/// run away from a queue whose keys move fast.) No gradient flows here.
final class KeyEncoder {
    private let network: Network
    /// The network that the copy follows, and its parameter for each one of the copy.
    private let followed: Network
    private let pairs: [(own: ParameterStore.Entry, followed: ParameterStore.Entry)]
    private let plan: InferencePlan
    private let momentum: Double
    private let images: Int
    private let threads: Int
    let dimension: Int

    /// Copies the model's network, for `images` images per step. The phase's frozen stages do not
    /// run here, since those of the copy equal the network's bit for bit. Errors: argument,
    /// unsupported, memory.
    init(
        _ model: Model, _ phase: TrainingPhase, images: Int, momentum: Double,
        context: ExecutionContext
    ) throws(SupConError) {
        followed = model.network
        var configuration = followed.configuration
        configuration.classes = 0
        network = try followed.renewing(.classifier, as: configuration, seed: 0)
        pairs = try network.parameters.entries.map { [followed] (entry) throws(SupConError) in
            (entry, try followed.parameters.declared(entry.name))
        }
        plan = try InferencePlan(
            network, behind: phase.frozenStages, images: images, height: phase.height,
            width: phase.width,
            precision: model.precision, context: context)
        (self.momentum, self.images, threads) = (momentum, images, context.threads)
        dimension = network.configuration.contrastedDimension
    }

    var memoryByteCount: Int { plan.memoryByteCount + network.parameters.count * 4 }

    /// The images [images, height, width, channels], or the frozen stages' output for them, which
    /// the caller writes.
    var input: UnsafeMutablePointer<Float> { plan.input }

    /// Computes the keys [images, dimension] of `input`, each of length 1.
    func run(into keys: UnsafeMutablePointer<Float>) {
        plan.reloadWeights()
        plan.run()
        let rows = UnsafePointer(plan.projection ?? plan.headInput)
        L2Normalize(rows: images, dimension: dimension).forward(w: rows, z: keys)
    }

    /// Moves the copy towards the network after step `step`, counted from 0.
    func follow(step: Int) {
        let (slow, ofStatistics) = (
            Float(1 - momentum), Float(1 - min(momentum, Double(1 + step) / Double(10 + step)))
        )
        for pair in pairs {
            let (to, from, fraction) = (
                network.parameters.pointer(pair.own), followed.parameters.pointer(pair.followed),
                pair.own.role.isTrainable ? slow : ofStatistics
            )
            Parallel.ranges(pair.own.count, grain: 65536, threads: threads) {
                sc_move_towards(to + $0.lowerBound, from + $0.lowerBound, Int64($0.count), fraction)
            }
        }
    }

    /// Copies the network's parameters before the first step.
    func begin() {
        for pair in pairs {
            network.parameters.pointer(pair.own).update(
                from: followed.parameters.pointer(pair.followed), count: pair.own.count)
        }
    }

    /// The state that a checkpoint keeps.
    var state: [StateBuffer] {
        network.parameters.entries.map {
            StateBuffer("key." + $0.name, $0, network.parameters.pointer($0))
        }
    }
}
