import CKernels

/// Posterize maps p to ⌊2^bits p⌋ / 2^bits (torchvision's posterize of floats).
struct Posterize: ImageOperation {
    /// The number of bits, 1 to 8.
    var bits: Int

    func apply(_ pixels: PlanarPixels, grayMean: Float) {
        for c in 0..<pixels.channels {
            sc_posterize(pixels.first + c * pixels.plane, Int64(pixels.count), Float(1 << bits))
        }
    }
}
