import CSupCon
import SupCon

@c @implementation
public func supcon_images_init_sized(
    _ images: UnsafeMutablePointer<supcon_images>?, _ size: Int, _ data: UnsafeRawPointer?,
    _ element_type: Int32, _ layout: Int32, _ count: Int64, _ height: Int64, _ width: Int64,
    _ channels: Int64
) {
    var value = supcon_images.empty
    (value.data, value.element_type) = (data, element_type)
    (value.count, value.height, value.width, value.channels) = (count, height, width, channels)
    // Sizes are checked where images are used; until then products may wrap, but must not trap.
    value.image_stride = height &* width &* channels
    if layout == Int32(SUPCON_LAYOUT_CHW) {
        (value.row_stride, value.column_stride, value.channel_stride) = (width, 1, height &* width)
    } else {
        (value.row_stride, value.column_stride, value.channel_stride) = (
            width &* channels, channels, 1
        )
    }
    value.initialize(images, size)
}

extension ImageBatch {
    /// Checks the caller's images. Errors: argument, shape, type.
    init(_ pointer: UnsafePointer<supcon_images>?) throws(SupConError) {
        let images = try supcon_images.read(try needed(pointer, "images"), defaults: .empty)
        let element: ImageView.Element
        switch images.element_type {
        case Int32(SUPCON_ELEMENT_U8): element = .u8
        case Int32(SUPCON_ELEMENT_F32): element = .f32
        default:
            throw SupConError(
                .type,
                """
                images.element_type is \(images.element_type); expected \(SUPCON_ELEMENT_U8) \
                (u8) or \(SUPCON_ELEMENT_F32) (f32)
                """
            )
        }
        try require(
            images.data != nil || images.count == 0, .argument,
            "images.data is NULL; expected \(images.count) images")
        // Without images no pixel is read, so any pointer will do.
        guard let data = images.data ?? UnsafeRawPointer(bitPattern: 64) else {
            throw SupConError(.internal, "64 is no address")
        }
        self.init(
            data: data, element: element, count: Int(images.count), height: Int(images.height),
            width: Int(images.width), channels: Int(images.channels),
            imageStride: Int(images.image_stride), rowStride: Int(images.row_stride),
            columnStride: Int(images.column_stride), channelStride: Int(images.channel_stride))
        try validate()
    }
}
