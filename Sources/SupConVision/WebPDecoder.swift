import CWebP
import SupConTensor

/// Decodes WebP by libwebp, piece by piece.
enum WebPDecoder {
    /// The bytes of a piece of the file, between which it can be canceled.
    private static let piece = 1 << 16

    /// Decodes to u8 RGB as stored (without orientation); alpha is dropped, as by Pillow. Errors:
    /// format (without the file's name), memory, canceled.
    static func decode(
        _ bytes: UnsafeRawBufferPointer, _ header: ImageHeader, scratch: Scratch,
        watch: CancelWatch
    ) throws(SupConError) -> ImageView {
        let (height, width) = (header.storedHeight, header.storedWidth)
        let count = height * width * 3  // at most 3·2³²
        let pixels = try scratch.reserve(count)
        guard
            let decoder = WebPINewRGB(
                MODE_RGB, pixels.assumingMemoryBound(to: UInt8.self), count, Int32(width * 3))
        else { throw SupConError(.memory, "cannot make a WebP decoder") }
        defer { WebPIDelete(decoder) }
        var (status, end) = (VP8_STATUS_SUSPENDED, 0)
        while status == VP8_STATUS_SUSPENDED && end < bytes.count {
            try watch.check()
            end = min(end + piece, bytes.count)
            status = WebPIUpdate(
                decoder, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), end)
        }
        // Its own allocations are part of the memory checked before.
        try require(
            status == VP8_STATUS_OK, status == VP8_STATUS_OUT_OF_MEMORY ? .memory : .format,
            "cannot be decoded: its WebP data are damaged")
        return ImageView(dense: pixels, element: .u8, height: height, width: width, channels: 3)
    }
}
