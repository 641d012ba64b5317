import CKernels
import CPNG
import Glibc
import SupConTensor

/// Decodes PNG by libpng's simplified interface, which contains its longjmp.
enum PNGDecoder {
    /// Decodes to u8 as stored (without orientation): gray or RGB. An alpha channel lies between
    /// the pixels and is not shown, as Pillow drops it. 16 bits are rounded to 8, and palettes are
    /// resolved. `bytes` are changed. Errors: format (without the file's name), memory, canceled.
    static func decode(
        _ bytes: UnsafeMutableRawBufferPointer, _ header: ImageHeader, scratch: Scratch,
        watch: CancelWatch, path: @autoclosure () -> String
    ) throws(SupConError) -> ImageView {
        let length = try PNGHeader.keepPixels(bytes)
        // libpng asks for some kB at a time: a canceled call gets no more.
        do throws(SupConError) {
            return try withUnsafePointer(to: watch) { (watch) throws(SupConError) in
                var source = sc_source(
                    next: bytes.baseAddress, left: length,
                    stops: {
                        $0?.assumingMemoryBound(to: CancelWatch.self).pointee.isCanceled == true
                            ? 1 : 0
                    }, context: watch)
                return try withUnsafeMutablePointer(to: &source) { (source) throws(SupConError) in
                    guard let stream = sc_open_source(source) else {
                        throw SupConError(.memory, "cannot be read as a stream")
                    }
                    defer { fclose(stream) }
                    return try decode(stream, header, scratch: scratch, path: path())
                }
            }
        } catch {
            try watch.check()
            throw error
        }
    }

    private static func decode(
        _ stream: UnsafeMutablePointer<FILE>, _ header: ImageHeader, scratch: Scratch,
        path: @autoclosure () -> String
    ) throws(SupConError) -> ImageView {
        var image = png_image()
        image.version = png_uint_32(PNG_IMAGE_VERSION)
        defer { png_image_free(&image) }
        guard png_image_begin_read_from_stdio(&image, stream) != 0 else { throw failure(image) }
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
