import CKernels

/// Brightness maps p to clamp(factor · p) in all channels (torchvision's adjust_brightness).
struct Brightness: ImageOperation {
    var factor: Float

    func apply(_ pixels: PlanarPixels, grayMean: Float) {
        sc_brightness(
            pixels.first, Int64(pixels.plane), Int64(pixels.channels), Int64(pixels.count), factor)
    }
}
