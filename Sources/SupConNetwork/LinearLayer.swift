import SupConTensor

/// A linear layer computes y = relu?(x Wᵀ + b): x [rows, inputs], W [outputs, inputs], y [rows,
/// outputs], all f32.
///
/// Backward, with g = dy where y > 0:   dW = gᵀ x,   db = Σ g,   dx = g W.
package struct LinearLayer {
    package var rows: Int
    package var inputs: Int
    package var outputs: Int
    package var relu: Bool
    package var weight: UnsafePointer<Float>
    package var bias: UnsafePointer<Float>
    package var threads: Int

    package init(
        rows: Int, inputs: Int, outputs: Int, relu: Bool = false, weight: UnsafePointer<Float>,
        bias: UnsafePointer<Float>, threads: Int
    ) {
        (self.rows, self.inputs, self.outputs, self.relu) = (rows, inputs, outputs, relu)
        (self.weight, self.bias, self.threads) = (weight, bias, threads)
    }

    package func forward(x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
        for row in 0..<rows { (y + row * outputs).update(from: bias, count: outputs) }
        MatrixProduct.parallelMultiply(
            transposeB: true, m: rows, n: outputs, k: inputs, a: x, lda: inputs, b: weight,
            ldb: inputs, beta: 1, c: y, ldc: outputs, threads: threads)
        if relu { for i in 0..<(rows * outputs) where !(y[i] > 0) { y[i] = 0 } }
    }

    /// Computes the gradients, overwriting them; dy is masked in place by the ReLU. dx may be nil;
    /// if `addsToInput` is true, it is added to.
    package func backward(
        x: UnsafePointer<Float>, y: UnsafePointer<Float>, dy: UnsafeMutablePointer<Float>,
        dWeight: UnsafeMutablePointer<Float>,
        dBias: UnsafeMutablePointer<Float>, dx: UnsafeMutablePointer<Float>?,
        addsToInput: Bool = false
    ) {
        if relu { for i in 0..<(rows * outputs) where !(y[i] > 0) { dy[i] = 0 } }
        dBias.update(repeating: 0, count: outputs)
        for row in 0..<rows {
            let g = dy + row * outputs
            for o in 0..<outputs { dBias[o] += g[o] }
        }
        MatrixProduct.parallelMultiply(
            transposeA: true, m: outputs, n: inputs, k: rows, a: dy, lda: outputs, b: x,
            ldb: inputs, c: dWeight, ldc: inputs, threads: threads)
        guard let dx else { return }
        MatrixProduct.parallelMultiply(
            m: rows, n: inputs, k: outputs, a: dy, lda: outputs, b: weight, ldb: inputs,
            beta: addsToInput ? 1 : 0, c: dx, ldc: inputs, threads: threads)
    }
}
