import SupConTensor

extension ParameterStore {
    /// Computes scale[c] = γ / √(running variance + ε).
    func foldedNorm(_ norm: NormEntries, scale: UnsafeMutablePointer<Float>) {
        let (gamma, variance) = (pointer(norm.gamma), pointer(norm.runningVariance))
        for c in 0..<norm.gamma.count {
            scale[c] = Float(
                Double(gamma[c]) / (Double(variance[c]) + BatchNorm.epsilon).squareRoot())
        }
    }

    /// Replaces that scale by the bias β − scale · running mean.
    func foldedBias(_ norm: NormEntries, scaleToBias bias: UnsafeMutablePointer<Float>) {
        let (beta, mean) = (pointer(norm.beta), pointer(norm.runningMean))
        for c in 0..<norm.beta.count { bias[c] = beta[c] - bias[c] * mean[c] }
    }

    /// Writes a convolution's weights [outputs, inputs / groups, kernel, kernel], times `scale`
    /// [outputs], to `folded`.
    func fold(
        _ weight: Entry, scale: UnsafePointer<Float>, into folded: UnsafeMutablePointer<Float>
    ) {
        let from = pointer(weight)
        let perOutput = weight.count / weight.shape[0]
        for o in 0..<weight.shape[0] {
            for i in (o * perOutput)..<((o + 1) * perOutput) { folded[i] = from[i] * scale[o] }
        }
    }

    /// Computes the int8 step of each output channel of the folded weights: its largest magnitude
    /// over that of `bytes`.
    func weightSteps(_ layer: ConvolutionNormEntries, _ bytes: ByteWeights) -> [Float] {
        let weight = layer.weight
        let from = pointer(weight)
        let perOutput = weight.count / weight.shape[0]
        var steps = [Float](repeating: 0, count: weight.shape[0])
        foldedNorm(layer.norm, scale: &steps)
        for o in steps.indices {
            var largest: Float = 0
            for i in (o * perOutput)..<((o + 1) * perOutput) {
                largest = max(largest, abs(from[i]))
            }
            // If all weights are 0, any step will do.
            steps[o] = max(largest * abs(steps[o]) / bytes.largest, 1e-20)
        }
        return steps
    }
}
