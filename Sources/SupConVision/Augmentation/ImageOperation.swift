/// An image operation changes an image's colors or shape, with its random parameters already drawn.
/// A view is made by a list of them. To add one, write a file like those beside it, and let
/// `Augmentation.draw` append it.
///
/// An operation that needs one pixel at a time works on strips that are in the first-level cache,
/// in one pass with its neighbors in the list.
protocol ImageOperation: Sendable {
    var needs: OperationNeeds { get }
    /// Changes some pixels in place; called if `needs` is `.pixel` or `.grayMean`.
    func apply(_ pixels: PlanarPixels, grayMean: Float)
    /// Writes all of `result`; called if `needs` is `.neighbors`.
    func apply(_ image: PlanarImage, into result: PlanarImage, scratch: UnsafeMutablePointer<Float>)
    /// Returns the number of floats of scratch that the latter takes.
    func scratchCount(height: Int, width: Int) -> Int
}

enum OperationNeeds {
    /// The operation needs one pixel at a time.
    case pixel
    /// The operation needs one pixel at a time, and the mean of the whole image's gray values
    /// before this operation.
    case grayMean
    /// The operation needs the whole image.
    case neighbors
}

extension ImageOperation {
    var needs: OperationNeeds { .pixel }
    func apply(_ pixels: PlanarPixels, grayMean: Float) {}
    func apply(_ image: PlanarImage, into result: PlanarImage, scratch: UnsafeMutablePointer<Float>)
    {}
    func scratchCount(height: Int, width: Int) -> Int { 0 }
}

/// Planar pixels are some pixels of an image: `channels` planes of f32, `plane` apart, 0…1.
struct PlanarPixels {
    var first: UnsafeMutablePointer<Float>
    var plane, channels, count: Int
}

/// A planar image is a whole image: plane c begins at `first + c * plane`, and rows are dense.
struct PlanarImage {
    var first: UnsafeMutablePointer<Float>
    var plane, channels, height, width: Int
}
