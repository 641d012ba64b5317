import CKernels
import Glibc

/// Gaussian blur is a convolution with exp(−½ (k/σ)²), k = −radius…radius, normalized, in both
/// directions; borders are reflected without repeating the edge pixel (torchvision's
/// gaussian_blur).
struct GaussianBlur: ImageOperation {
    var sigma: Float
    var radius: Int

    /// Makes a blur with a kernel of a tenth of the smaller side, made odd.
    init(sigma: Float, height: Int, width: Int) {
        self.sigma = sigma
        radius = min(height, width) / 10 / 2
    }

    var needs: OperationNeeds { .neighbors }

    func scratchCount(height: Int, width: Int) -> Int {
        roundedUp(radius + 1) + width + 2 * radius + 64
    }

    func apply(_ image: PlanarImage, into result: PlanarImage, scratch: UnsafeMutablePointer<Float>)
    {
        let reach = weights(scratch)
        for c in 0..<image.channels {
            sc_blur(
                image.first + c * image.plane, Int64(image.height), Int64(image.width), scratch,
                Int64(reach), scratch + roundedUp(radius + 1),
                result.first + c * result.plane)
        }
    }

    /// Writes the weights from the center outwards, and returns the number beside the center; those
    /// too small to matter in f32 are omitted.
    private func weights(_ w: UnsafeMutablePointer<Float>) -> Int {
        w[0] = 1
        var (sum, reach) = (1.0, 0)
        while reach < radius {
            let distance = Double(reach + 1) / Double(sigma)
            let weight = exp(-0.5 * distance * distance)
            if weight < 1e-8 { break }
            reach += 1
            w[reach] = Float(weight)
            sum += 2 * weight
        }
        for k in 0...reach { w[k] = Float(Double(w[k]) / sum) }
        return reach
    }
}
