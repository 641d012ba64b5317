/// Cutout paints a square of `fill`, clipped to the image: DeVries and Taylor (arXiv:1708.04552).
struct Cutout: ImageOperation {
    /// The position and side of the square, which may begin outside the image.
    var top, left, side: Int
    var fill: Float

    var needs: OperationNeeds { .neighbors }

    func apply(_ image: PlanarImage, into result: PlanarImage, scratch: UnsafeMutablePointer<Float>)
    {
        let rows = max(top, 0)..<max(min(top + side, image.height), max(top, 0))
        let columns = max(left, 0)..<max(min(left + side, image.width), max(left, 0))
        for c in 0..<image.channels {
            let to = result.first + c * result.plane
            to.update(from: image.first + c * image.plane, count: image.height * image.width)
            for y in rows {
                (to + y * image.width + columns.lowerBound).update(
                    repeating: fill, count: columns.count)
            }
        }
    }
}
