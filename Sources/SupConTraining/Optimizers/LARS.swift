import CKernels
import SupConNetwork
import SupConTensor

/// LARS computes layer-wise adaptive rates (You, Gitman and Ginsburg, arXiv:1708.03888), in the
/// form of google-research's supcon: with a trust ratio ρ for each weight tensor,
///
///     d = g + λ w,   ρ = trust · |w|/|d| (1 if either is 0),   v ← m v + η ρ d,   w ← w − v
///     Nesterov: w ← w − (m v + η ρ d)
///
/// Batch norms and biases have ρ = 1 and λ = 0. Norms are sums in double over fixed pieces, in
/// order: they do not depend on the number of threads.
package final class LARS: Optimizer {
    /// The number of elements of a tensor that are summed at a time.
    private static let piece = 1 << 16

    private let groups: [ParameterGroups.Group]
    private let pieces: [(group: Int, range: Range<Int>)]
    private let momentum: Float
    private let nesterov: Bool
    private let trust: Double
    private let parameters: ParameterStore
    private let velocity: AlignedBuffer
    /// The sums Σ w² and Σ d² of each piece.
    private let squares: AlignedBuffer
    private var rates: [Float]

    /// Makes an optimizer of the parameters of `trained`. Errors: memory.
    package init(
        _ parameters: ParameterStore, trained: TrainedParameters, momentum: Double,
        nesterov: Bool, weightDecay: Double, trust: Double
    ) throws(SupConError) {
        groups =
            ParameterGroups(
                parameters, trained, weightDecay: weightDecay, decaysNormAndBias: false,
                merges: false
            ).all
        pieces = groups.enumerated().flatMap { number, group in
            stride(from: group.range.lowerBound, to: group.range.upperBound, by: Self.piece).map {
                (number, $0..<min($0 + Self.piece, group.range.upperBound))
            }
        }
        rates = [Float](repeating: 0, count: groups.count)
        (self.parameters, self.momentum, self.nesterov, self.trust) = (
            parameters, Float(momentum), nesterov, trust
        )
        velocity = try AlignedBuffer(Float.self, count: parameters.trainableCount)
        squares = try AlignedBuffer(Double.self, count: 2 * pieces.count)
    }

    package var state: [StateBuffer] { [StateBuffer("optimizer.velocity", velocity)] }

    package func step(gradients: UnsafePointer<Float>, rate: Double, threads: Int) {
        let (w, v, squares) = (parameters.values, velocity.floats, squares.values(of: Double.self))
        Parallel.chunks(pieces.count, threads: threads) { number in
            let (group, range) = pieces[number]
            if groups[group].isWeight {
                sc_lars_norms(
                    w + range.lowerBound, gradients + range.lowerBound, Int64(range.count),
                    groups[group].decay, squares + 2 * number)
            }
        }
        var next = 0
        for (number, group) in groups.enumerated() {
            var (ww, dd) = (0.0, 0.0)
            while next < pieces.count, pieces[next].group == number {
                ww += squares[2 * next]
                dd += squares[2 * next + 1]
                next += 1
            }
            let rate = rate * group.rateFactor
            rates[number] = Float(
                group.isWeight && ww > 0 && dd > 0 ? rate * trust * (ww / dd).squareRoot() : rate)
        }
        Parallel.chunks(pieces.count, threads: threads) { number in
            let (group, range) = pieces[number]
            sc_lars(
                w + range.lowerBound, gradients + range.lowerBound, v + range.lowerBound,
                Int64(range.count), rates[group], momentum, groups[group].decay, nesterov ? 1 : 0)
        }
    }
}
