import CKernels

/// Solarize maps p to 1 − p where p ≥ threshold (torchvision's solarize); with a threshold of 0 it
/// inverts.
struct Solarize: ImageOperation {
    var threshold: Float

    func apply(_ pixels: PlanarPixels, grayMean: Float) {
        for c in 0..<pixels.channels {
            sc_solarize(pixels.first + c * pixels.plane, Int64(pixels.count), threshold)
        }
    }
}
