import CKernels

/// Gray sets R, G, B ← 0.2989 R + 0.587 G + 0.114 B; the image keeps three channels (torchvision's
/// rgb_to_grayscale).
struct Gray: ImageOperation {
    func apply(_ pixels: PlanarPixels, grayMean: Float) {
        sc_gray(pixels.first, Int64(pixels.plane), Int64(pixels.count))
    }
}
