import CKernels
import SupConNetwork
import SupConTensor

/// A weight average is the exponential moving average of all parameters, including running
/// statistics (Polyak and Juditsky, 1992; in TensorFlow's form, which lets it start quickly): after
/// step t, from 1,
///
///     a ← d a + (1 − d) w   with d = min(decay, (1 + t)/(10 + t)).
final class WeightAverage {
    private let parameters: ParameterStore
    private let decay: Double
    private let average: AlignedBuffer
    /// The parameters' own values while the averages stand in for them.
    private let own: AlignedBuffer

    /// Allocates the averages of `parameters`. Errors: memory.
    init(_ parameters: ParameterStore, decay: Double) throws(SupConError) {
        (self.parameters, self.decay) = (parameters, decay)
        average = try AlignedBuffer(Float.self, count: parameters.count)
        own = try AlignedBuffer(Float.self, count: parameters.count)
    }

    /// Sets the average to the current parameters.
    func begin() { average.floats.update(from: parameters.values, count: parameters.count) }

    /// The state that a checkpoint keeps.
    var state: [StateBuffer] {
        parameters.entries.map {
            StateBuffer("average." + $0.name, $0, average.floats + $0.offset)
        }
    }

    /// Updates the average after step `step`, counted from 1 over the whole run.
    func step(_ step: Int, threads: Int) {
        let fraction = Float(1 - min(decay, Double(1 + step) / Double(10 + step)))
        let (a, w) = (average.floats, parameters.values)
        Parallel.ranges(parameters.count, grain: 65536, threads: threads) {
            sc_move_towards(a + $0.lowerBound, w + $0.lowerBound, Int64($0.count), fraction)
        }
    }

    /// Runs `body` with the averages in place of the parameters. Errors: those of `body`.
    func whileStandingIn<R>(_ body: () throws(SupConError) -> R) throws(SupConError) -> R {
        own.floats.update(from: parameters.values, count: parameters.count)
        takeOver()
        defer { parameters.values.update(from: own.floats, count: parameters.count) }
        return try body()
    }

    /// Replaces the parameters by their averages.
    func takeOver() { parameters.values.update(from: average.floats, count: parameters.count) }
}
