import CZlib
import SupConTensor

/// Parses the texts in PNG files that contain an image's orientation: XMP, and ImageMagick's "raw
/// profiles", which are Exif or XMP in hexadecimal digits.
enum PNGText {
    /// The length beyond which a text is not read: Exif data have at most 64 KiB, or twice as many
    /// digits.
    private static let mostBytes = 1 << 20

    enum Kind: Equatable {
        case xmp, profile
    }

    /// Returns the orientation in a tEXt, zTXt or iTXt chunk; nil if there is none.
    static func orientation(_ chunk: UnsafeRawBufferPointer, isCompressed: Bool, isUTF8: Bool)
        -> (Kind, Orientation)?
    {
        guard let end = chunk.firstIndex(of: 0) else { return nil }
        let keyword = chunk.part(0, end)
        let isXMP = isUTF8 && keyword.elementsEqual("XML:com.adobe.xmp".utf8)
        let profiles = ["exif", "APP1", "xmp"].map { "Raw profile type \($0)" }
        guard isXMP || profiles.contains(where: { keyword.elementsEqual($0.utf8) }) else {
            return nil
        }
        var (at, isCompressed) = (end + 1, isCompressed)
        if isUTF8 {
            // The compression flag and method, then the language and the translated keyword.
            isCompressed = chunk.byte(at) == 1
            at += 2
            for _ in 0..<2 {
                guard let zero = chunk.part(at, chunk.count).firstIndex(of: 0) else { return nil }
                at += zero + 1
            }
        } else if isCompressed {
            at += 1
        }
        let stored = chunk.part(at, chunk.count)
        guard let text = isCompressed ? inflated(stored) : Array(stored.prefix(mostBytes)) else {
            return nil
        }
        if isXMP { return text.withUnsafeBytes { Orientation.parse(xmp: $0) }.map { (.xmp, $0) } }
        return profile(text).withUnsafeBytes { bytes in
            let exif = Orientation.parse(exif: bytes)
            return (exif ?? Orientation.parse(xmp: bytes)).map { (.profile, $0) }
        }
    }

    /// Returns the bytes of a raw profile: a line break, the name, the length, then lines of
    /// digits.
    private static func profile(_ text: [UInt8]) -> [UInt8] {
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
        let digits = lines.dropFirst(2).joined().compactMap { byte in
            Character(UnicodeScalar(byte)).hexDigitValue
        }
        return stride(from: 0, to: digits.count - 1, by: 2).map {
            UInt8(digits[$0] << 4 | digits[$0 + 1])
        }
    }

    /// Inflates zlib data, as far as they are needed; nil if they are damaged.
    private static func inflated(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        var stream = z_stream()
        guard inflateInit_(&stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return nil
        }
        defer { inflateEnd(&stream) }
        var text = [UInt8](repeating: 0, count: min(bytes.count * 16 + 1024, mostBytes))
        stream.next_in = UnsafeMutablePointer(
            mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.avail_in = UInt32(clamping: bytes.count)
        let (status, count) = text.withUnsafeMutableBufferPointer { buffer in
            (stream.next_out, stream.avail_out) = (buffer.baseAddress, UInt32(buffer.count))
            let status = inflate(&stream, Z_FINISH)
            return (status, buffer.count - Int(stream.avail_out))
        }
        // Z_BUF_ERROR means that there is more.
        guard status == Z_STREAM_END || status == Z_BUF_ERROR else { return nil }
        return Array(text.prefix(count))
    }
}
