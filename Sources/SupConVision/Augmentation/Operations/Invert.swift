import CKernels

/// Invert maps p to 1 − p.
struct Invert: ImageOperation {
    func apply(_ pixels: PlanarPixels, grayMean: Float) {
        for c in 0..<pixels.channels {
            sc_solarize(pixels.first + c * pixels.plane, Int64(pixels.count), -.infinity)
        }
    }
}
