import CWebP
import SupConTensor

/// Parses the chunks of a WebP file (RFC 9649): the image's size, and the orientation in Exif or
/// XMP.
enum WebPHeader {
    /// Parses a header. Errors: format (without the file's name).
    static func parse(_ bytes: UnsafeRawBufferPointer, mostPixels: Int) throws(SupConError)
        -> ImageHeader
    {
        let length = bytes.littleEndian32(4) ?? 0
        try require(
            8 + length <= bytes.count && length >= 4, .format,
            "is cut off: it ends after \(bytes.count) bytes of \(8 + length)")
        let whole = bytes.part(0, 8 + length)
        var features = WebPBitstreamFeatures()
        let status = WebPGetFeatures(
            whole.baseAddress?.assumingMemoryBound(to: UInt8.self), whole.count, &features)
        try require(status == VP8_STATUS_OK, .format, "has no WebP header that can be read")
        try require(
            features.has_animation == 0, .format, "is an animated WebP; expected a single image")
        let (height, width) = (Int(features.height), Int(features.width))
        try ImageHeader.checkSize(height: height, width: width, most: mostPixels)
        var header = ImageHeader(
            kind: .webp, storedHeight: height, storedWidth: width, components: 3,
            orientation: .topLeft)
        header.scan = 8 + length
        // Lossless decoding takes pixels and their transforms; lossy, rows and the alpha plane.
        header.extraMemory = height * width * (features.format == 2 ? 8 : 1)
        header.orientation = try orientation(whole)
        return header
    }

    /// Walks through the chunks, so that one that extends beyond the file is found. Errors: format.
    private static func orientation(_ bytes: UnsafeRawBufferPointer) throws(SupConError)
        -> Orientation
    {
        var (exif, xmp): (Orientation?, Orientation?)
        var at = 12
        while at + 8 <= bytes.count {
            guard let size = bytes.littleEndian32(at + 4), at + 8 + size <= bytes.count else {
                throw SupConError(
                    .format, "is cut off: its chunk at byte \(at) goes on beyond \(bytes.count)")
            }
            let content = bytes.part(at + 8, size)
            if bytes.starts(at, with: "EXIF") && exif == nil {
                exif = Orientation.parse(exif: content)
            } else if bytes.starts(at, with: "XMP ") && xmp == nil {
                xmp = Orientation.parse(xmp: content)
            }
            at += 8 + size + size % 2
        }
        return exif ?? xmp ?? .topLeft
    }
}
