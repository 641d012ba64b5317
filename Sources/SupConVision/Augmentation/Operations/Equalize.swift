import CKernels

/// Equalize gives each of 256 levels about as many pixels, channel by channel (Pillow's and
/// torchvision's equalize). A channel with too few pixels or levels is unchanged.
struct Equalize: ImageOperation {
    var needs: OperationNeeds { .neighbors }

    func apply(_ image: PlanarImage, into result: PlanarImage, scratch: UnsafeMutablePointer<Float>)
    {
        for c in 0..<image.channels {
            sc_equalize(
                image.first + c * image.plane, Int64(image.height * image.width),
                result.first + c * result.plane)
        }
    }
}
