import SupConTensor

/// A batch borrows images of one size from the caller's memory, in any layout that strides can
/// describe.
public struct ImageBatch: @unchecked Sendable {
    /// The first element of the first image.
    public var data: UnsafeRawPointer
    /// The type of the elements.
    public var element: ImageView.Element
    /// The number of images.
    public var count: Int
    /// The height in pixels, 1 to 65,536.
    public var height: Int
    /// The width in pixels, 1 to 65,536.
    public var width: Int
    /// The number of channels, 1 to 4.
    public var channels: Int
    /// The step from one image to the next, in elements; steps may be negative.
    public var imageStride: Int
    /// The step from one row to the next, in elements.
    public var rowStride: Int
    /// The step from one pixel of a row to the next, in elements.
    public var columnStride: Int
    /// The step from one channel of a pixel to the next, in elements.
    public var channelStride: Int

    /// Describes images by the steps between their elements.
    public init(
        data: UnsafeRawPointer, element: ImageView.Element, count: Int, height: Int, width: Int,
        channels: Int, imageStride: Int, rowStride: Int, columnStride: Int,
        channelStride: Int
    ) {
        (self.data, self.element, self.count) = (data, element, count)
        (self.height, self.width, self.channels) = (height, width, channels)
        (self.imageStride, self.rowStride, self.columnStride, self.channelStride) = (
            imageStride, rowStride, columnStride, channelStride
        )
    }

    /// Describes dense images, [count, height, width, channels].
    public init(
        dense data: UnsafeRawPointer, element: ImageView.Element, count: Int, height: Int,
        width: Int, channels: Int
    ) {
        self.init(
            data: data, element: element, count: count, height: height, width: width,
            channels: channels, imageStride: height * width * channels,
            rowStride: width * channels, columnStride: channels, channelStride: 1)
    }

    /// Throws unless all sizes are possible and no product of sizes and strides overflows. Errors:
    /// argument, shape.
    package func validate() throws(SupConError) {
        try Dataset.checkCount(count)
        try require(
            height > 0 && width > 0 && height <= 65536 && width <= 65536, .argument,
            "images are \(height)×\(width); expected 1 to 65536 pixels a side")
        try require(
            (1...4).contains(channels), .argument,
            "images have \(channels) channels; expected 1 to 4")
        var total = 0
        for (steps, stride) in [
            (count, imageStride), (height, rowStride), (width, columnStride),
            (channels, channelStride),
        ] {
            let (reach, overflow) = max(steps - 1, 0).multipliedReportingOverflow(by: stride)
            let (size, overflow2) = reach.magnitude.addingReportingOverflow(total.magnitude)
            try require(
                !overflow && !overflow2 && size < 1 << 60, .shape,
                """
                images of \(count)×\(height)×\(width)×\(channels) with a stride of \(stride) \
                are larger than memory
                """
            )
            total = Int(size)
        }
    }

    /// Returns the image at an index, 0 to count − 1.
    package subscript(index: Int) -> ImageView {
        ImageView(
            data: data + index * imageStride * element.byteCount, element: element, height: height,
            width: width, channels: channels, rowStride: rowStride,
            columnStride: columnStride, channelStride: channelStride)
    }
}
