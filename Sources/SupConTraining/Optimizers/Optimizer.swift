import Glibc
import SupConNetwork
import SupConTensor

extension OptimizerKind {
    /// The ε that applies if the caller chose none: PyTorch's for AdamW, and for RMSProp that of
    /// the linear stage of google-research's recipe.
    var usualEpsilon: Double { self == .rmsprop ? 1e-3 : 1e-8 }
}

/// An optimizer updates the parameters from their gradients, and keeps state between updates.
package protocol Optimizer: AnyObject {
    /// The state, which a checkpoint keeps.
    var state: [StateBuffer] { get }
    /// Updates the parameters. `gradients` is laid out like the trainable parameters; elements of
    /// parameters that are not this optimizer's are ignored.
    func step(gradients: UnsafePointer<Float>, rate: Double, threads: Int)
}

/// A state buffer is a named array that a checkpoint keeps beside the parameters.
package struct StateBuffer {
    package var name: String
    package var shape: [Int]
    package var values: UnsafeMutablePointer<Float>
    /// The values that the elements can have; others mean that the file is damaged.
    package var range: Range

    /// The range of a buffer's elements.
    package enum Range: Sendable {
        case finite
        /// Finite values that are not negative: means of squares, variances.
        case notNegative
        /// A count from 0 on, stored as a float.
        case count
        /// Int64 values within these bounds, each stored as two words that pass through f32 bit for
        /// bit.
        case integers(ClosedRange<Int64>)
    }

    package var count: Int { shape.reduce(1, *) }

    package init(_ name: String, _ buffer: AlignedBuffer, _ range: Range = .finite) {
        self.init(name, shape: [buffer.byteCount / 4], buffer.floats, range)
    }
    package init(
        _ name: String, shape: [Int], _ values: UnsafeMutablePointer<Float>,
        _ range: Range = .finite
    ) {
        (self.name, self.shape, self.values, self.range) = (name, shape, values, range)
    }
    /// Makes a buffer of a network's parameter, or of an average of it.
    package init(
        _ name: String, _ entry: ParameterStore.Entry, _ values: UnsafeMutablePointer<Float>
    ) {
        self.init(
            name, shape: entry.shape, values,
            entry.role == .runningVariance ? .notNegative : .finite)
    }

    /// Returns a description of an element of `candidates`, [count], that is out of range; nil:
    /// there is none.
    func impossible(in candidates: UnsafePointer<Float>) -> String? {
        func first(_ expected: String, _ isPossible: (Float) -> Bool) -> String? {
            (0..<count).first { !isPossible(candidates[$0]) }.map {
                "\(name) has \(candidates[$0]) as element \($0); expected \(expected)"
            }
        }
        switch range {
        case .finite: return first("a finite number", \.isFinite)
        case .notNegative: return first("a finite number from 0 on") { $0.isFinite && $0 >= 0 }
        case .count:
            return first("a count from 0 to 2^24") {
                $0 >= 0 && $0 <= 0x1p24 && $0 == $0.rounded()
            }
        case .integers(let bounds):
            let words = UnsafeRawPointer(candidates)
            return (0..<count / 2).lazy.map {
                words.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self)
            }.first { !bounds.contains($0) }.map {
                "\(name) has \($0); expected \(bounds.lowerBound) to \(bounds.upperBound)"
            }
        }
    }
}

/// The set of trained parameters, and the way in which the learning rate falls towards the image.
package struct TrainedParameters: ExpressibleByArrayLiteral {
    package var parts: Set<ParameterStore.Part>
    /// The last frozen stage; the stem and the stages up to it are not updated. 0: none are frozen.
    package var frozenStages = 0
    /// The ratio of a stage's rate to that of the next stage: `layerDecay` to the power of the
    /// number of stages that follow, where head and classifier count as the last (Howard and Ruder,
    /// arXiv:1801.06146, §3.2; as in timm, with a stage for a layer).
    package var layerDecay = 1.0

    package init(arrayLiteral parts: ParameterStore.Part...) { self.parts = Set(parts) }

    func contains(_ entry: ParameterStore.Entry) -> Bool {
        entry.role.isTrainable && parts.contains(entry.part)
            && (frozenStages == 0 || entry.depth > frozenStages)
    }

    /// Returns the fraction of the learning rate at a depth.
    func rateFactor(depth: Int) -> Double {
        pow(layerDecay, Double(ParameterStore.headDepth - depth))
    }
}

/// Parameter groups are runs of neighboring parameters that an optimizer treats alike.
struct ParameterGroups {
    struct Group {
        var range: Range<Int>
        /// The weight decay λ.
        var decay: Float
        /// Whether these are weights of a convolution or a linear layer, rather than batch norm
        /// parameters or biases.
        var isWeight: Bool
        var depth: Int
        /// The fraction of the learning rate.
        var rateFactor: Double
    }
    let all: [Group]

    /// Groups the parameters of `trained`. If `decaysNormAndBias` is false, batch norms and biases
    /// have no weight decay. If `merges` is true, neighbors that are treated alike become one
    /// group.
    init(
        _ parameters: ParameterStore, _ trained: TrainedParameters, weightDecay: Double,
        decaysNormAndBias: Bool, merges: Bool = true
    ) {
        var groups: [Group] = []
        for entry in parameters.entries where trained.contains(entry) {
            let isWeight = entry.role == .convolution || entry.role == .linearWeight
            let group = Group(
                range: entry.range, decay: isWeight || decaysNormAndBias ? Float(weightDecay) : 0,
                isWeight: isWeight, depth: entry.depth,
                rateFactor: trained.rateFactor(depth: entry.depth))
            if merges, let last = groups.last, last.range.upperBound == group.range.lowerBound,
                last.decay == group.decay, last.depth == group.depth
            {
                groups[groups.count - 1].range = last.range.lowerBound..<group.range.upperBound
            } else {
                groups.append(group)
            }
        }
        all = groups
    }

    /// Calls `body(offset, count, group)` for all parameters, in pieces, on `threads` threads.
    func eachPiece(threads: Int, _ body: (Int, Int64, Group) -> Void) {
        for group in all {
            Parallel.ranges(group.range.count, grain: 65536, threads: threads) {
                body(group.range.lowerBound + $0.lowerBound, Int64($0.count), group)
            }
        }
    }
}

/// Makes the optimizer that the options call for, for `trained`. Errors: memory.
func optimizer(
    _ options: TrainOptions, _ parameters: ParameterStore, trained: TrainedParameters
) throws(SupConError) -> any Optimizer {
    let epsilon = options.epsilon >= 0 ? options.epsilon : options.optimizer.usualEpsilon
    switch options.optimizer {
    case .sgd:
        return try SGD(
            parameters, trained: trained, momentum: options.momentum, nesterov: options.nesterov,
            weightDecay: options.weightDecay,
            decaysNormAndBias: options.decaysNormAndBias)
    case .lars:
        return try LARS(
            parameters, trained: trained, momentum: options.momentum, nesterov: options.nesterov,
            weightDecay: options.weightDecay, trust: options.trustCoefficient)
    case .rmsprop:
        return try RMSProp(
            parameters, trained: trained, decay: options.rmspropDecay, momentum: options.momentum,
            epsilon: epsilon, weightDecay: options.weightDecay,
            decaysNormAndBias: options.decaysNormAndBias)
    case .adamw:
        return try AdamW(
            parameters, trained: trained, beta1: options.beta1, beta2: options.beta2,
            epsilon: epsilon,
            weightDecay: options.weightDecay,
            decaysNormAndBias: options.decaysNormAndBias)
    }
}
