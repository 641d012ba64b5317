import SupConTensor

/// z = w / max(|w|, ε), row by row: w [rows, dimension]; ε = 1e-12, PyTorch's.
///
/// Backward:   dw = (dz − z (z · dz)) / |w|.
struct L2Normalize {
    static let smallest: Float = 1e-12
    var rows: Int
    var dimension: Int

    /// Keeps each row's length for backward.
    func forward(
        w: UnsafePointer<Float>, z: UnsafeMutablePointer<Float>,
        lengths: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<rows {
            let (w, z) = (w + row * dimension, z + row * dimension)
            var squares: Float = 0
            for i in 0..<dimension { squares += w[i] * w[i] }
            let length = max(squares.squareRoot(), Self.smallest)
            lengths[row] = length
            for i in 0..<dimension { z[i] = w[i] / length }
        }
    }

    func backward(
        z: UnsafePointer<Float>, dz: UnsafePointer<Float>, lengths: UnsafePointer<Float>,
        dw: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<rows {
            let (z, dz, dw) = (z + row * dimension, dz + row * dimension, dw + row * dimension)
            var along: Float = 0
            for i in 0..<dimension { along += z[i] * dz[i] }
            for i in 0..<dimension { dw[i] = (dz[i] - z[i] * along) / lengths[row] }
        }
    }
}
