/// Pixels of one image where they lie, [height, width, channels] by strides: u8 (0 to 255) or f32
/// (0 to 1). Borrowed: whoever made it says how long it is valid.
public struct ImageView {
    public enum Element: Sendable, Equatable {
        case u8, f32
        public var byteCount: Int { self == .u8 ? 1 : 4 }
    }

    public var data: UnsafeRawPointer
    public var element: Element
    public var height: Int
    public var width: Int
    public var channels: Int
    /// In elements; may be negative.
    public var rowStride: Int
    public var columnStride: Int
    public var channelStride: Int

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

    /// Dense [height, width, channels].
    public init(
        dense data: UnsafeRawPointer, element: Element, height: Int, width: Int, channels: Int
    ) {
        self.init(
            data: data, element: element, height: height, width: width, channels: channels,
            rowStride: width * channels, columnStride: channels, channelStride: 1)
    }
}
