import SupConTensor

/// Images of one size in the caller's memory, in any layout that strides can say. Borrowed.
public struct ImageBatch: @unchecked Sendable {
    public var data: UnsafeRawPointer
    public var element: ImageView.Element
    public var count: Int
    public var height: Int
    public var width: Int
    public var channels: Int
    /// In elements; may be negative.
    public var imageStride: Int
    public var rowStride: Int
    public var columnStride: Int
    public var channelStride: Int

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

    /// Dense [count, height, width, channels].
    public init(
        dense data: UnsafeRawPointer, element: ImageView.Element, count: Int, height: Int,
        width: Int, channels: Int
    ) {
        self.init(
            data: data, element: element, count: count, height: height, width: width,
            channels: channels, imageStride: height * width * channels,
            rowStride: width * channels, columnStride: channels, channelStride: 1)
    }

    /// Sizes that are possible, and products of sizes and strides that do not overflow. Errors:
    /// argument, shape.
    public func validate() throws(SupConError) {
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

    public subscript(index: Int) -> ImageView {
        ImageView(
            data: data + index * imageStride * element.byteCount, element: element, height: height,
            width: width, channels: channels, rowStride: rowStride,
            columnStride: columnStride, channelStride: channelStride)
    }
}
