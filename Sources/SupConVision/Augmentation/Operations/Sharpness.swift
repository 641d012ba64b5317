import CKernels

/// Sharpness maps p to clamp(factor · p + (1 − factor) · s), where s is a mean of 3×3 pixels in
/// which the center counts five times; the outermost pixels are unchanged (torchvision's
/// adjust_sharpness).
struct Sharpness: ImageOperation {
    var factor: Float

    var needs: OperationNeeds { .neighbors }

    func apply(_ image: PlanarImage, into result: PlanarImage, scratch: UnsafeMutablePointer<Float>)
    {
        for c in 0..<image.channels {
            sc_sharpen(
                image.first + c * image.plane, Int64(image.height), Int64(image.width), factor,
                result.first + c * result.plane)
        }
    }
}
