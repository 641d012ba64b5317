import SupConTensor

extension ParameterStore {
    /// scale[c] = γ / √(running variance + ε).
    func foldedNorm(_ name: String, scale: UnsafeMutablePointer<Float>) {
        let (gamma, variance) = (
            declared(name + ".weight"), pointer(declared(name + ".running_var"))
        )
        for c in 0..<gamma.count {
            scale[c] = Float(
                Double(pointer(gamma)[c]) / (Double(variance[c]) + BatchNorm.epsilon).squareRoot())
        }
    }

    /// Turns that scale into the bias β − scale · running mean.
    func foldedBias(_ name: String, scaleToBias bias: UnsafeMutablePointer<Float>) {
        let (beta, mean) = (declared(name + ".bias"), pointer(declared(name + ".running_mean")))
        for c in 0..<beta.count { bias[c] = pointer(beta)[c] - bias[c] * mean[c] }
    }

    /// A convolution's weights, times `scale` [outputs], → folded [outputs, inputs, kernel,
    /// kernel].
    func fold(
        _ convolution: String, scale: UnsafePointer<Float>, into folded: UnsafeMutablePointer<Float>
    ) {
        let weight = declared(convolution + ".weight")
        let from = pointer(weight)
        let perOutput = weight.count / weight.shape[0]
        for o in 0..<weight.shape[0] {
            for i in (o * perOutput)..<((o + 1) * perOutput) { folded[i] = from[i] * scale[o] }
        }
    }

    /// The step in which each output channel of the folded weights is told in bytes: its largest
    /// magnitude / 127.
    func weightSteps(_ layer: ComputeGraph.ConvolutionNorm) -> [Float] {
        let weight = declared(layer.convolutionName + ".weight")
        let from = pointer(weight)
        let perOutput = weight.count / weight.shape[0]
        var steps = [Float](repeating: 0, count: weight.shape[0])
        foldedNorm(layer.normName, scale: &steps)
        for o in steps.indices {
            var largest: Float = 0
            for i in (o * perOutput)..<((o + 1) * perOutput) {
                largest = max(largest, abs(from[i]))
            }
            // Where all are 0, any step is right.
            steps[o] = max(largest * abs(steps[o]) / 127, 1e-20)
        }
        return steps
    }
}
