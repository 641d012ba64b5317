import CKernels
import SupConTensor

/// A head in inference runs linear layers and batch norms on the encoder's output; batch norms use
/// their running statistics.
final class HeadInference {
    private enum Step {
        case linear(LinearLayer)
        /// A batch norm: its parameters, its channels, and the buffer [scale, shift].
        case norm(NormEntries, Int, AlignedBuffer)
    }
    private let steps: [Step]
    private let rows: Int
    private let values: [AlignedBuffer]
    private let parameters: ParameterStore

    static func byteCount(_ layers: [HeadLayer], rows: Int) -> Int {
        layers.reduce(0) { $0 + rows * $1.outputs * 4 }
    }

    /// Allocates the memory of `layers` for `rows` rows. Errors: memory.
    init(_ layers: [HeadLayer], rows: Int, network: Network, threads: Int) throws(SupConError) {
        let parameters = network.parameters
        var (steps, values): ([Step], [AlignedBuffer]) = ([], [])
        for layer in layers {
            switch layer {
            case .linear(let name, let inputs, let outputs, let relu):
                steps.append(
                    .linear(
                        LinearLayer(
                            rows: rows, inputs: inputs, outputs: outputs, relu: relu,
                            weight: parameters.pointer(try parameters.declared(name + ".weight")),
                            bias: parameters.pointer(try parameters.declared(name + ".bias")),
                            threads: threads)))
            case .norm(let name, let channels):
                steps.append(
                    .norm(
                        try parameters.norm(name), channels,
                        try AlignedBuffer(Float.self, count: 2 * channels)))
            }
            values.append(try AlignedBuffer(Float.self, count: rows * layer.outputs))
        }
        (self.steps, self.rows, self.values, self.parameters) = (steps, rows, values, parameters)
    }

    /// The output [rows, outputs].
    var output: UnsafeMutablePointer<Float>? { values.last?.floats }

    func forward(_ x: UnsafePointer<Float>) {
        var x = x
        for (step, value) in zip(steps, values) {
            switch step {
            case .linear(let layer): layer.forward(x: x, y: value.floats)
            case .norm(_, let channels, let coefficients):
                sc_norm_apply_f32(
                    x, nil, coefficients.floats, coefficients.floats + channels, 1, value.floats,
                    Int64(rows), Int64(channels))
            }
            x = UnsafePointer(value.floats)
        }
    }

    /// Recomputes scales and shifts after the parameters have changed. Linear layers read their
    /// parameters in place.
    func reloadWeights() {
        for case .norm(let norm, let channels, let coefficients) in steps {
            let (scale, shift) = (coefficients.floats, coefficients.floats + channels)
            parameters.foldedNorm(norm, scale: scale)
            shift.update(from: scale, count: channels)
            parameters.foldedBias(norm, scaleToBias: shift)
        }
    }
}
