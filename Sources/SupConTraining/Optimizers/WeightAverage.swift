import CKernels
import SupConNetwork
import SupConTensor

/// The exponential moving average of all parameters, running statistics too (Polyak and Juditsky,
/// 1992; in TensorFlow's form, which lets it start quickly): after step t, from 1,
///
///     a ← d a + (1 − d) w   with d = min(decay, (1 + t)/(10 + t)).
final class WeightAverage {
    private let parameters: ParameterStore
    private let decay: Double
    private let average: AlignedBuffer
    /// The parameters' own numbers while the averages stand in their place.
    private let own: AlignedBuffer

    /// Errors: memory.
    init(_ parameters: ParameterStore, decay: Double) throws(SupConError) {
        (self.parameters, self.decay) = (parameters, decay)
        average = try AlignedBuffer(Float.self, count: parameters.count)
        own = try AlignedBuffer(Float.self, count: parameters.count)
    }

    /// The average is the parameters as they are.
    func begin() { average.floats.update(from: parameters.values, count: parameters.count) }

    /// For a checkpoint to keep.
    var state: [StateBuffer] {
        parameters.entries.map {
            StateBuffer("average." + $0.name, $0, average.floats + $0.offset)
        }
    }

    /// After step number `step` of the run, from 1.
    func step(_ step: Int, threads: Int) {
        let fraction = Float(1 - min(decay, Double(1 + step) / Double(10 + step)))
        let (a, w) = (average.floats, parameters.values)
        Parallel.ranges(parameters.count, grain: 65536, threads: threads) {
            sc_move_towards(a + $0.lowerBound, w + $0.lowerBound, Int64($0.count), fraction)
        }
    }

    /// Runs `body` with the averages in the parameters' place. Errors: `body`'s.
    func whileStandingIn<R>(_ body: () throws(SupConError) -> R) throws(SupConError) -> R {
        own.floats.update(from: parameters.values, count: parameters.count)
        takeOver()
        defer { parameters.values.update(from: own.floats, count: parameters.count) }
        return try body()
    }

    /// The averages become the parameters.
    func takeOver() { parameters.values.update(from: average.floats, count: parameters.count) }
}
