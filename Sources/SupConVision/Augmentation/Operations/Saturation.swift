import CKernels

/// Saturation maps p to clamp(factor · p + (1 − factor) · gray), for images of three channels
/// (torchvision's adjust_saturation).
struct Saturation: ImageOperation {
    var factor: Float

    func apply(_ pixels: PlanarPixels, grayMean: Float) {
        sc_saturation(pixels.first, Int64(pixels.plane), Int64(pixels.count), factor)
    }
}
