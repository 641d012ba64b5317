import Glibc
import SupConTensor

/// A crop box is a part of an image, in its pixels; pixel i extends from i to i + 1.
package struct CropBox: Equatable {
    package var top, left, height, width: Double

    /// Makes the box of a whole image.
    package init(height: Int, width: Int) {
        self.init(top: 0, left: 0, height: Double(height), width: Double(width))
    }

    init(top: Double, left: Double, height: Double, width: Double) {
        (self.top, self.left, self.height, self.width) = (top, left, height, width)
    }

    /// Draws a random part with a fraction of the area within `scale` and width / height within
    /// `ratio`, uniform in the logarithm: torchvision's RandomResizedCrop. After ten tries that do
    /// not fit, it is the largest centered part with a ratio within the bounds. It has whole
    /// pixels, and at least one.
    init(
        randomIn size: (height: Int, width: Int), scale: (min: Float, max: Float),
        ratio: (min: Float, max: Float), _ random: inout Philox
    ) {
        let (height, width) = (Double(size.height), Double(size.width))
        let (low, high) = (log(Double(ratio.min)), log(Double(ratio.max)))
        for _ in 0..<10 {
            let area =
                height * width
                * (Double(scale.min) + Double(scale.max - scale.min) * Double(random.uniform()))
            let aspect = exp(low + (high - low) * Double(random.uniform()))
            let w = (area * aspect).squareRoot().rounded(.toNearestOrEven)
            let h = (area / aspect).squareRoot().rounded(.toNearestOrEven)
            if w >= 1 && w <= width && h >= 1 && h <= height {
                let top = random.index(below: size.height - Int(h) + 1)
                let left = random.index(below: size.width - Int(w) + 1)
                self.init(top: Double(top), left: Double(left), height: h, width: w)
                return
            }
        }
        var (w, h) = (width, height)
        if width / height < Double(ratio.min) {
            h = max((width / Double(ratio.min)).rounded(.toNearestOrEven), 1)
        } else if width / height > Double(ratio.max) {
            w = max((height * Double(ratio.max)).rounded(.toNearestOrEven), 1)
        }
        self.init(
            top: ((height - h) / 2).rounded(.down), left: ((width - w) / 2).rounded(.down),
            height: h, width: w)
    }

    /// Returns this part of an image of size `from` in the coordinates of `frame`, in which the
    /// image lies.
    package func mapped(from: (height: Int, width: Int), to frame: CropBox) -> CropBox {
        if frame == CropBox(height: from.height, width: from.width) { return self }
        let (y, x) = (frame.height / Double(from.height), frame.width / Double(from.width))
        return CropBox(
            top: frame.top + top * y, left: frame.left + left * x, height: height * y,
            width: width * x)
    }

    /// Returns the smallest part that contains both.
    func union(_ other: CropBox) -> CropBox {
        let (top, left) = (min(top, other.top), min(left, other.left))
        return CropBox(
            top: top, left: left, height: max(self.top + height, other.top + other.height) - top,
            width: max(self.left + width, other.left + other.width) - left)
    }

    /// Returns the fraction to which the image may be shrunk before this part has fewer pixels than
    /// a view; at most 1.
    package func smallestFraction(height: Int, width: Int) -> Double {
        min(max(Double(height) / self.height, Double(width) / self.width), 1)
    }
}
