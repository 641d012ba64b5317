/// The way in which an image of another shape is brought to the size that a model is made for.
public enum Resizing: String, Sendable, CaseIterable {
    /// Each side is resized by itself: everything is seen, but its proportions change.
    case squash
    /// The shorter side, relative to what is wanted, to its length, the other in proportion, and of
    /// that the middle: torchvision's `Resize(side)` and `CenterCrop(side)`, with their rounding.
    case crop

    /// The part of an image of `size` that a view of `wanted` shows, in the image's pixels.
    package func box(of size: (height: Int, width: Int), for wanted: (height: Int, width: Int))
        -> CropBox
    {
        if self == .squash { return CropBox(height: size.height, width: size.width) }
        // Sides are at most 65,536: products do not overflow.
        let heightBinds = size.width * wanted.height >= size.height * wanted.width
        let resized =
            heightBinds
            ? (wanted.height, max(size.width * wanted.height / size.height, wanted.width))
            : (max(size.height * wanted.width / size.width, wanted.height), wanted.width)
        let y = Double(size.height) / Double(resized.0)
        let x = Double(size.width) / Double(resized.1)
        // Python's round: to even.
        let top = (Double(resized.0 - wanted.height) / 2).rounded(.toNearestOrEven)
        let left = (Double(resized.1 - wanted.width) / 2).rounded(.toNearestOrEven)
        return CropBox(
            top: top * y, left: left * x, height: Double(wanted.height) * y,
            width: Double(wanted.width) * x)
    }
}
