import CPNG
import SupConTensor

/// Decodes PNG by libpng's simplified interface, which contains its longjmp.
enum PNGDecoder {
    /// Decodes to u8 as stored (without orientation): gray or RGB. An alpha channel lies between
    /// the pixels and is not shown, as Pillow drops it. 16 bits are rounded to 8, and palettes are
    /// resolved. `bytes` are changed. Errors: format (without the file's name), memory.
    static func decode(
        _ bytes: UnsafeMutableRawBufferPointer, _ header: ImageHeader, scratch: Scratch,
        path: @autoclosure () -> String
    ) throws(SupConError) -> ImageView {
        let length = try PNGHeader.keepPixels(bytes)
        var image = png_image()
        image.version = png_uint_32(PNG_IMAGE_VERSION)
        defer { png_image_free(&image) }
        guard png_image_begin_read_from_memory(&image, bytes.baseAddress, length) != 0 else {
            throw failure(image)
        }
        let (height, width) = (Int(image.height), Int(image.width))
        try require(
            height == header.storedHeight && width == header.storedWidth, .format, "has two sizes")
        let hasAlpha = image.format & PNG_FORMAT_FLAG_ALPHA != 0
        let isColor = image.format & PNG_FORMAT_FLAG_COLOR != 0
        image.format =
            (hasAlpha ? PNG_FORMAT_FLAG_ALPHA : 0) | (isColor ? PNG_FORMAT_FLAG_COLOR : 0)
        // Without this flag, 16 bits are interpreted as linear light.
        image.flags |= png_uint_32(PNG_IMAGE_FLAG_16BIT_sRGB)
        let shown = isColor ? 3 : 1
        let stored = shown + (hasAlpha ? 1 : 0)
        let pixels = try scratch.reserve(height * width * stored)  // at most 2³⁰
        guard png_image_finish_read(&image, nil, pixels, png_int_32(width * stored), nil) != 0
        else { throw failure(image) }
        if image.warning_or_error != 0 {
            Log.write(.warning, "\(path()): was decoded, but: \(message(image))")
        }
        var view = ImageView(
            dense: pixels, element: .u8, height: height, width: width, channels: stored)
        view.channels = shown
        return view
    }

    private static func message(_ image: png_image) -> String {
        withUnsafeBytes(of: image.message) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    private static func failure(_ image: png_image) -> SupConError {
        let message = message(image)
        return SupConError(
            message.contains("memory") ? .memory : .format, "cannot be decoded: \(message)")
    }
}
