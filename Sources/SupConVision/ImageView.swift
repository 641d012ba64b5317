/// An image view borrows the pixels of one image, [height, width, channels] by strides: u8 (0 to
/// 255) or f32 (0 to 1). The maker of the view determines how long it is valid.
public struct ImageView {
    /// The type of an element: bytes from 0 to 255, or floats from 0 to 1.
    public enum Element: Sendable, Equatable {
        case u8, f32
        /// The size of an element in bytes.
        public var byteCount: Int { self == .u8 ? 1 : 4 }
    }

    /// The first element.
    public var data: UnsafeRawPointer
    /// The type of the elements.
    public var element: Element
    /// The height in pixels.
    public var height: Int
    /// The width in pixels.
    public var width: Int
    /// The number of channels, 1 to 4.
    public var channels: Int
    /// The step from one row to the next, in elements; steps may be negative.
    public var rowStride: Int
    /// The step from one pixel of a row to the next, in elements.
    public var columnStride: Int
    /// The step from one channel of a pixel to the next, in elements.
    public var channelStride: Int

    /// Describes an image by the steps between its elements.
    public init(
        data: UnsafeRawPointer, element: Element, height: Int, width: Int, channels: Int,
        rowStride: Int, columnStride: Int, channelStride: Int
    ) {
        (self.data, self.element) = (data, element)
        (self.height, self.width, self.channels) = (height, width, channels)
        (self.rowStride, self.columnStride, self.channelStride) = (
            rowStride, columnStride, channelStride
        )
    }

    /// Describes a dense image, [height, width, channels].
    public init(
        dense data: UnsafeRawPointer, element: Element, height: Int, width: Int, channels: Int
    ) {
        self.init(
            data: data, element: element, height: height, width: width, channels: channels,
            rowStride: width * channels, columnStride: channels, channelStride: 1)
    }
}
