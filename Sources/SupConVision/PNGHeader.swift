import CZlib
import Glibc
import SupConTensor

/// Parses the chunks of a PNG file (ISO/IEC 15948, clause 5): the header, the orientation, and
/// whether the file is complete.
enum PNGHeader {
    /// Parses all chunks up to IEND. If `checksSums` is true, their CRC-32 is verified. Errors:
    /// format (without the file's name).
    static func parse(_ bytes: UnsafeRawBufferPointer, checksSums: Bool, mostPixels: Int)
        throws(SupConError) -> ImageHeader
    {
        var header: ImageHeader?
        var hasPalette = false
        var data = 0
        var (exif, profile, xmp): (Orientation?, Orientation?, Orientation?)
        var needsPalette = false
        try walk(bytes, checksSums: checksSums) { type, content throws(SupConError) in
            if header == nil {
                try require(
                    type == Chunk.ihdr, .format,
                    "begins with a chunk “\(name(type))”; expected IHDR")
                (header, needsPalette) = try parse(header: content, mostPixels)
            }
            switch type {
            case Chunk.plte: hasPalette = true
            case Chunk.idat: data += content.count
            case Chunk.exif: exif = Orientation.parse(exif: content)
            case Chunk.text, Chunk.ztxt, Chunk.itxt:
                switch PNGText.orientation(
                    content, isCompressed: type == Chunk.ztxt, isUTF8: type == Chunk.itxt)
                {
                case (.profile, let found)?: profile = found
                case (.xmp, let found)?: xmp = found
                case nil: break
                }
            default: break
            }
        }
        guard var header, data > 0 else {
            throw SupConError(.format, "has no image data (no IDAT chunk)")
        }
        try require(
            hasPalette || !needsPalette, .format, "has no palette (no PLTE chunk), but needs one")
        try header.checkData(data)
        header.orientation = exif ?? profile ?? xmp ?? .topLeft
        return header
    }

    /// Removes everything from the file that its pixels do not need, which are critical chunks and
    /// transparency, and returns the new length. Gamma, color profiles and the like are left out,
    /// as Pillow ignores them, and compressed text never gets a chance to fill the memory.
    static func keepPixels(_ bytes: UnsafeMutableRawBufferPointer) throws(SupConError) -> Int {
        guard let start = bytes.baseAddress else { return 0 }
        var end = 8
        try walk(UnsafeRawBufferPointer(bytes), checksSums: false) {
            type, data throws(SupConError) in
            // Bit 5 of a type's first byte marks an ancillary chunk.
            guard type & 0x2000_0000 == 0 || type == Chunk.trns, let from = data.baseAddress else {
                return
            }
            memmove(start + end, from - 8, data.count + 12)
            end += data.count + 12
        }
        return end
    }

    private enum Chunk {
        static let ihdr = 0x4948_4452, plte = 0x504c_5445, idat = 0x4944_4154, iend = 0x4945_4e44,
            trns = 0x7452_4e53, exif = 0x6558_4966, text = 0x7445_5874,
            ztxt = 0x7a54_5874, itxt = 0x6954_5874
    }

    private static func name(_ type: Int) -> String {
        String(
            decoding: [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: type >> $0) }, as: UTF8.self)
    }

    private static func walk(
        _ bytes: UnsafeRawBufferPointer, checksSums: Bool,
        _ visit: (_ type: Int, _ data: UnsafeRawBufferPointer) throws(SupConError) -> Void
    ) throws(SupConError) {
        var at = 8
        while true {
            guard let length = bytes.bigEndian32(at), let type = bytes.bigEndian32(at + 4),
                at + 12 + length <= bytes.count,
                let sum = bytes.bigEndian32(at + 8 + length)
            else {
                throw SupConError(
                    .format, "is cut off: it ends after \(bytes.count) bytes, before its IEND chunk"
                )
            }
            if checksSums {
                let summed = bytes.part(at + 4, length + 4)
                // Lengths have 32 bits at most, and are within a file of 2³⁰ bytes.
                let actual = crc32(
                    0, summed.baseAddress?.assumingMemoryBound(to: UInt8.self), uInt(summed.count))
                try require(
                    Int(actual) == sum, .format,
                    """
                    is damaged: its chunk “\(name(type))” at byte \(at) does not have the sum \
                    that it claims
                    """
                )
            }
            try visit(type, bytes.part(at + 8, length))
            if type == Chunk.iend { return }
            at += 12 + length
        }
    }

    private static func parse(header data: UnsafeRawBufferPointer, _ mostPixels: Int)
        throws(SupConError) -> (ImageHeader, needsPalette: Bool)
    {
        guard data.count == 13, let width = data.bigEndian32(0), let height = data.bigEndian32(4)
        else {
            throw SupConError(.format, "has a header of \(data.count) bytes; expected 13")
        }
        let (depth, color) = (data[8], data[9])
        let depths: [UInt8] =
            switch color {
            case 0: [1, 2, 4, 8, 16]
            case 3: [1, 2, 4, 8]
            case 2, 4, 6: [8, 16]
            default: []
            }
        try require(
            depths.contains(depth), .format,
            "has color type \(color) with \(depth) bits, which PNG does not know")
        try require(
            data[10] == 0 && data[11] == 0 && data[12] <= 1, .format,
            "is compressed, filtered or interlaced in a way that PNG does not know")
        try ImageHeader.checkSize(height: height, width: width, most: mostPixels)
        var header = ImageHeader(
            kind: .png, storedHeight: height, storedWidth: width,
            components: color & 2 != 0 ? 3 : 1, orientation: .topLeft)
        // Deflate expands a byte to at most 1032 (zlib, "Maximum Compression Factor"). Each row has
        // a filter byte, unless the image is interlaced.
        let samples = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][color] ?? 1
        let row = (width * samples * Int(depth) + 7) / 8 + (data[12] == 0 ? 1 : 0)
        let packed =
            data[12] == 0 ? height * row : (height * width * samples * Int(depth) + 7) / 8
        header.leastData = (packed + 1031) / 1032
        return (header, needsPalette: color == 3)
    }
}
