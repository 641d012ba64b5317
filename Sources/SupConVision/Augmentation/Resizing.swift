/// A resizing is the way in which an image of another shape is brought to the size that a model
/// takes.
public enum Resizing: String, Sendable, CaseIterable {
    /// Both sides are resized independently: the whole image is used, but its proportions change.
    case squash
    /// The image is resized in proportion until it covers the wanted size, and its center is cut
    /// out: torchvision's `Resize(side)` and `CenterCrop(side)`, with their rounding.
    case crop

    /// Returns the part of an image of `size`, in its pixels, that a view of `wanted` shows.
    package func box(of size: (height: Int, width: Int), for wanted: (height: Int, width: Int))
        -> CropBox
    {
        if self == .squash { return CropBox(height: size.height, width: size.width) }
        // Sides are at most 65,536, so products do not overflow.
        let heightBinds = size.width * wanted.height >= size.height * wanted.width
        let resized =
            heightBinds
            ? (wanted.height, max(size.width * wanted.height / size.height, wanted.width))
            : (max(size.height * wanted.width / size.width, wanted.height), wanted.width)
        let y = Double(size.height) / Double(resized.0)
        let x = Double(size.width) / Double(resized.1)
        // Python rounds to even.
        let top = (Double(resized.0 - wanted.height) / 2).rounded(.toNearestOrEven)
        let left = (Double(resized.1 - wanted.width) / 2).rounded(.toNearestOrEven)
        return CropBox(
            top: top * y, left: left * x, height: Double(wanted.height) * y,
            width: Double(wanted.width) * x)
    }
}
