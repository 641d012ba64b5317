import CKernels

/// Contrast maps p to clamp(factor · p + (1 − factor) · mean), with the mean of the gray image
/// (torchvision's adjust_contrast). Without three channels, where the meaning of the channels is
/// unknown, it is the mean of all values.
struct Contrast: ImageOperation {
    var factor: Float

    var needs: OperationNeeds { .grayMean }

    func apply(_ pixels: PlanarPixels, grayMean: Float) {
        sc_contrast(
            pixels.first, Int64(pixels.plane), Int64(pixels.channels), Int64(pixels.count), factor,
            (1 - factor) * grayMean)
    }
}

extension PlanarPixels {
    /// Returns the sum of the gray values, 0.2989 R + 0.587 G + 0.114 B; without three channels,
    /// the sum of all values divided by the number of channels.
    func graySum() -> Double {
        let sum = sc_gray_sum(first, Int64(plane), Int64(channels), Int64(count))
        return channels == 3 ? sum : sum / Double(channels)
    }
}
