import SupConTensor

/// Normalized rows are the output of an L2 normalization in a plan, with the lengths that its
/// backward pass needs.
struct NormalizedRows {
    private let layer: L2Normalize
    private let output: AlignedBuffer
    private let lengths: AlignedBuffer

    /// Allocates the memory for z [rows, dimension]. Errors: memory.
    init(rows: Int, dimension: Int) throws(SupConError) {
        layer = L2Normalize(rows: rows, dimension: dimension)
        output = try AlignedBuffer(Float.self, count: rows * dimension)
        lengths = try AlignedBuffer(Float.self, count: rows)
    }

    /// Returns the bytes of the memory.
    static func byteCount(rows: Int, dimension: Int) -> Int { rows * (dimension + 1) * 4 }

    /// The output z [rows, dimension], after `forward`.
    var z: UnsafeMutablePointer<Float> { output.floats }

    /// Computes z from w.
    func forward(_ w: UnsafePointer<Float>) {
        layer.forward(w: w, z: z, lengths: lengths.floats)
    }

    /// Computes dw, which may be dz itself.
    func backward(dz: UnsafePointer<Float>, dw: UnsafeMutablePointer<Float>) {
        layer.backward(z: z, dz: dz, lengths: lengths.floats, dw: dw)
    }
}
