import CKernels

/// p ← clamp(factor · p + (1 − factor) · grey); three channels (torchvision's adjust_saturation).
struct Saturation: ImageOperation {
    var factor: Float

    func apply(_ pixels: PlanarPixels, greyMean: Float) { sc_saturation(pixels.first, Int64(pixels.plane), Int64(pixels.count), factor) }
}
