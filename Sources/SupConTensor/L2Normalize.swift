import CKernels

/// L2 normalization divides each row by its length: z = w / max(|w|, ε), where w is [rows,
/// dimension] and ε = 1e-12 as in PyTorch. Lengths are computed in f64.
///
/// Backward:   dw = (dz − z (z · dz)) / |w|,   and below ε, where z = w / ε:   dw = dz / ε.
///
/// Embeddings, keys and the losses' features are all normalized by it. An evaluation's rows are
/// not: there only directions count (`CheckedRows.inverseLength`).
package struct L2Normalize {
    package static let epsilon = 1e-12
    package var rows: Int
    package var dimension: Int

    package init(rows: Int, dimension: Int) { (self.rows, self.dimension) = (rows, dimension) }

    /// Returns the factor that a row of this length is multiplied by.
    package static func factor(length: Double) -> Double { 1 / max(length, epsilon) }

    /// Computes z, which may be w itself. The length of each row goes to `lengths` [rows] for
    /// `backward`; nil: no backward follows.
    package func forward(
        w: UnsafePointer<Float>, z: UnsafeMutablePointer<Float>,
        lengths: UnsafeMutablePointer<Float>? = nil
    ) {
        for row in 0..<rows {
            let from = w + row * dimension
            let length = sc_sum_of_squares(from, Int64(dimension)).squareRoot()
            lengths?[row] = Float(length)
            sc_scale_f32(
                from, Self.factor(length: length), z + row * dimension, Int64(dimension))
        }
    }

    /// Computes dw, which may be dz itself.
    package func backward(
        z: UnsafePointer<Float>, dz: UnsafePointer<Float>, lengths: UnsafePointer<Float>,
        dw: UnsafeMutablePointer<Float>
    ) {
        if dw != dz { dw.update(from: dz, count: rows * dimension) }
        for row in 0..<rows {
            Self.finishGradient(
                dw + row * dimension, z: z + row * dimension, dimension: dimension,
                length: Double(lengths[row]))
        }
    }

    /// Converts a row's dz (+ `more`), in place, to dw times `factor`.
    package static func finishGradient(
        _ gradient: UnsafeMutablePointer<Float>, adding more: UnsafePointer<Float>? = nil,
        z: UnsafePointer<Float>, dimension: Int, length: Double, factor: Double = 1
    ) {
        sc_l2_gradient(
            gradient, more, length > epsilon ? z : nil, Int64(dimension),
            factor * Self.factor(length: length))
    }
}
