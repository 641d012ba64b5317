/// A change of an image's colors or shape, with its numbers drawn: what a view is made with, one
/// after the other. To add one, write a file like those beside it and let `Augmentation.draw`
/// append it.
///
/// An operation that looks at one pixel at a time works on strips that are in the nearest cache, in
/// one pass with its neighbors in the list.
protocol ImageOperation: Sendable {
    var needs: OperationNeeds { get }
    /// `needs` is `.pixel` or `.grayMean`: changes some pixels in place.
    func apply(_ pixels: PlanarPixels, grayMean: Float)
    /// `needs` is `.neighbors`: writes all of `result`.
    func apply(_ image: PlanarImage, into result: PlanarImage, scratch: UnsafeMutablePointer<Float>)
    /// Floats of scratch that it then takes.
    func scratchCount(height: Int, width: Int) -> Int
}

enum OperationNeeds {
    /// One pixel at a time.
    case pixel
    /// One pixel at a time and the mean of the whole image's gray values, as it is before this
    /// operation.
    case grayMean
    /// The whole image.
    case neighbors
}

extension ImageOperation {
    var needs: OperationNeeds { .pixel }
    func apply(_ pixels: PlanarPixels, grayMean: Float) {}
    func apply(_ image: PlanarImage, into result: PlanarImage, scratch: UnsafeMutablePointer<Float>)
    {}
    func scratchCount(height: Int, width: Int) -> Int { 0 }
}

/// Some pixels: `channels` planes of f32, `plane` apart, 0…1.
struct PlanarPixels {
    var first: UnsafeMutablePointer<Float>
    var plane, channels, count: Int
}

/// A whole image: plane c at `first + c * plane`, rows dense.
struct PlanarImage {
    var first: UnsafeMutablePointer<Float>
    var plane, channels, height, width: Int
}
