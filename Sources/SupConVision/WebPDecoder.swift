import CWebP
import SupConTensor

/// Decodes WebP by libwebp.
enum WebPDecoder {
    /// Decodes to u8 RGB as stored (without orientation); alpha is dropped, as by Pillow. Errors:
    /// format (without the file's name), memory.
    static func decode(
        _ bytes: UnsafeRawBufferPointer, _ header: ImageHeader, scratch: Scratch
    ) throws(SupConError) -> ImageView {
        let (height, width) = (header.storedHeight, header.storedWidth)
        let count = height * width * 3  // at most 3·2³²
        let pixels = try scratch.reserve(count)
        let decoded = WebPDecodeRGBInto(
            bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count,
            pixels.assumingMemoryBound(to: UInt8.self), count, Int32(width * 3))
        // libwebp gives no reason. Its own allocations are part of the memory checked before.
        try require(decoded != nil, .format, "cannot be decoded: its WebP data are damaged")
        return ImageView(dense: pixels, element: .u8, height: height, width: width, channels: 3)
    }
}
