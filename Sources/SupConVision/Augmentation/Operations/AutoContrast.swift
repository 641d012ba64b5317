import CKernels

/// Autocontrast makes the darkest pixel of each channel 0 and the lightest 1 (torchvision's
/// autocontrast).
struct AutoContrast: ImageOperation {
    var needs: OperationNeeds { .neighbors }

    func apply(_ image: PlanarImage, into result: PlanarImage, scratch: UnsafeMutablePointer<Float>)
    {
        for c in 0..<image.channels {
            sc_stretch(
                image.first + c * image.plane, Int64(image.height * image.width),
                result.first + c * result.plane)
        }
    }
}
