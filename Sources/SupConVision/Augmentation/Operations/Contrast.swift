import CKernels

/// p ← clamp(factor · p + (1 − factor) · mean), the mean of the grey image (torchvision's adjust_contrast); of images without three channels, whose channels'
/// meaning is not known, that of all values.
struct Contrast: ImageOperation {
    var factor: Float

    var needs: OperationNeeds { .greyMean }

    func apply(_ pixels: PlanarPixels, greyMean: Float) {
        sc_contrast(pixels.first, Int64(pixels.plane), Int64(pixels.channels), Int64(pixels.count), factor, (1 - factor) * greyMean)
    }
}

extension PlanarPixels {
    /// Sum of the grey values, 0.2989 R + 0.587 G + 0.114 B; without three channels the sum of all values divided by the channels.
    func greySum() -> Double {
        let sum = sc_grey_sum(first, Int64(plane), Int64(channels), Int64(count))
        return channels == 3 ? sum : sum / Double(channels)
    }
}
