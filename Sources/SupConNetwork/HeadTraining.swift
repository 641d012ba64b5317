import SupConTensor

/// A head in training runs linear layers and batch norms on the encoder's output, x [rows, inputs]
/// f32, forward and backward. It keeps the outputs of all layers for the backward pass.
final class HeadTraining {
    private enum Step {
        case linear(
            LinearLayer, weightGradient: UnsafeMutablePointer<Float>,
            biasGradient: UnsafeMutablePointer<Float>)
        case norm(BatchNorm)
    }
    private let steps: [Step]
    private let rows: Int
    /// The outputs of each layer, and their gradients. The last ones are those of the head.
    private let values: [AlignedBuffer]
    private let gradients: [AlignedBuffer]
    let outputs: Int

    static func byteCount(_ layers: [HeadLayer], rows: Int) -> Int {
        layers.reduce(0) { $0 + 2 * rows * $1.outputs * 4 }
    }

    /// Allocates the memory of `layers` for `rows` rows. `synchronized` is passed to `BatchNorm`.
    /// Errors: memory.
    init(
        _ layers: [HeadLayer], rows: Int, network: Network, gradients: UnsafeMutablePointer<Float>,
        synchronized: Ranks?, threads: Int
    ) throws(SupConError) {
        let parameters = network.parameters
        var steps: [Step] = []
        var (values, valueGradients): ([AlignedBuffer], [AlignedBuffer]) = ([], [])
        for layer in layers {
            switch layer {
            case .linear(let name, let inputs, let outputs, let relu):
                let (weight, bias) = (
                    try parameters.declared(name + ".weight"),
                    try parameters.declared(name + ".bias")
                )
                steps.append(
                    .linear(
                        LinearLayer(
                            rows: rows, inputs: inputs, outputs: outputs, relu: relu,
                            weight: parameters.pointer(weight), bias: parameters.pointer(bias),
                            threads: threads),
                        weightGradient: gradients + weight.offset,
                        biasGradient: gradients + bias.offset))
            case .norm(let name, let channels):
                steps.append(
                    .norm(
                        try BatchNorm(
                            parameters.pointers(
                                try parameters.norm(name), gradients: gradients),
                            rows: rows, channels: channels, type: .f32, relu: true,
                            synchronized: synchronized, threads: threads
                        )))
            }
            values.append(try AlignedBuffer(Float.self, count: rows * layer.outputs))
            valueGradients.append(try AlignedBuffer(Float.self, count: rows * layer.outputs))
        }
        (self.steps, self.rows, self.values, self.gradients) = (steps, rows, values, valueGradients)
        outputs = layers.last?.outputs ?? 0
    }

    /// The output [rows, outputs], and its gradient, which the caller writes.
    var output: UnsafeMutablePointer<Float>? { values.last?.floats }
    var outputGradient: UnsafeMutablePointer<Float>? { gradients.last?.floats }

    func setMovesStatistics(_ moves: Bool) {
        for case .norm(let norm) in steps { norm.movesStatistics = moves }
    }

    func forward(_ x: UnsafePointer<Float>) {
        var x = x
        for (step, value) in zip(steps, values) {
            switch step {
            case .linear(let layer, _, _): layer.forward(x: x, y: value.floats)
            case .norm(let norm): norm.forward(x: x, residual: nil, y: value.pointer)
            }
            x = UnsafePointer(value.floats)
        }
    }

    /// Computes the gradients of the parameters from `outputGradient`, and that of the input in dx,
    /// unless it is nil. If `addsToInput` is true, it is added to dx, which is otherwise
    /// overwritten.
    func backward(_ x: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>?, addsToInput: Bool) {
        for index in steps.indices.reversed() {
            let input = index > 0 ? UnsafePointer(values[index - 1].floats) : x
            let inputGradient = index > 0 ? gradients[index - 1].floats : dx
            switch steps[index] {
            case .linear(let layer, let weightGradient, let biasGradient):
                layer.backward(
                    x: input, y: values[index].floats, dy: gradients[index].floats,
                    dWeight: weightGradient, dBias: biasGradient, dx: inputGradient,
                    addsToInput: index == 0 && addsToInput)
            case .norm(let norm):
                // A batch norm is never a head's first layer.
                guard let inputGradient else { continue }
                norm.backward(
                    dy: gradients[index].pointer, dy2: nil, x: input, y: nil, g: nil,
                    dx: inputGradient)
            }
        }
    }
}

extension HeadLayer {
    var outputs: Int {
        switch self {
        case .linear(_, _, let outputs, _): outputs
        case .norm(_, let channels): channels
        }
    }
}
