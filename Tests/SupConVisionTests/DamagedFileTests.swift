import Foundation
import SupConTensor
import TestSupport
import SupConVision
import Testing

/// Checks that files that are truncated, altered, or malicious give errors, or pixels, but never a
/// crash.
@Suite struct DamagedFileTests {
    static let files = [
        "rgb420.jpg", "progressive.jpg", "cmyk.jpg", "orientation6.jpg", "rgb8.png",
        "rgba8_interlaced.png", "palette4.png", "gray16.png", "orientation6.png",
        "lossy_alpha.webp", "lossless.webp",
        "orientation6.webp", "profile6_zipped.png",
    ]

    /// Computes the CRC-32 of ISO 3309, bit by bit.
    static func crc(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { sum, byte in
            (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in
                value >> 1 ^ (value & 1 == 1 ? 0xedb8_8320 : 0)
            }
        }
    }
    static func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
        let body = Array(type.utf8) + data
        return big(UInt32(data.count)) + body + big(crc(body[...]))
    }
    static func big(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
    static let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
    static func header(
        width: UInt32, height: UInt32, depth: UInt8 = 8, color: UInt8 = 0,
        rest: [UInt8] = [0, 0, 0]
    ) -> [UInt8] {
        chunk("IHDR", big(width) + big(height) + [depth, color] + rest)
    }

    /// Corrects the checksums of all chunks, as far as the chunks make sense.
    static func mend(_ bytes: inout [UInt8]) {
        var at = 8
        while at + 12 <= bytes.count {
            let length = bytes[at..<(at + 4)].reduce(0) { $0 << 8 | Int($1) }
            if length > bytes.count - at - 12 { return }
            bytes.replaceSubrange(
                (at + 8 + length)..<(at + 12 + length),
                with: big(crc(bytes[(at + 4)..<(at + 8 + length)])))
            at += 12 + length
        }
    }

    @Test(arguments: files) func everyPrefixIsLeftOut(_ name: String) throws {
        let folder = try TemporaryFolder()
        let whole = try Fixtures.bytes(name)
        for count in 0..<whole.count where count < 64 || count % 3 == 0 || count > whole.count - 16
        {
            let path = try folder.write("x.jpg", Array(whole[..<count]))
            expectError(.format, path) { () throws(SupConError) in
                try Dataset.files([path], options: DatasetOptions(onError: .refuse))
            }
        }
    }

    /// Tests truncation after the data set was made.
    @Test(arguments: files) func everyPrefixIsDecodedOrRefused(_ name: String) throws {
        let folder = try TemporaryFolder()
        let whole = try Fixtures.bytes(name)
        let path = try folder.write("x", whole)
        let reader = ImageReader(try Dataset.files([path]))
        var refused = 0
        for count in 0..<whole.count where count < 64 || count % 5 == 0 {
            try folder.write("x", Array(whole[..<count]))
            do {
                _ = try reader.open(0)
                _ = numbers(try reader.pixels(atLeast: count % 2 == 0 ? 1 : 0.2))
            } catch {
                #expect(error.kind == .format && error.message.hasPrefix(path), "\(error)")
                refused += 1
            }
        }
        #expect(refused > 10)
    }

    @Test(arguments: files) func alteredBytesAreDecodedOrRefused(_ name: String) throws {
        let folder = try TemporaryFolder()
        let whole = try Fixtures.bytes(name)
        let path = try folder.write("x", whole)
        let reader = ImageReader(try Dataset.files([path]))
        var random = Philox(seed: 11, purpose: .test)
        for round in 0..<250 {
            var bytes = whole
            for _ in 0...(round % 3) {
                bytes[random.index(below: bytes.count)] = UInt8(truncatingIfNeeded: random.next())
            }
            if name.hasSuffix("png") && round % 4 > 0 { Self.mend(&bytes) }
            try folder.write("x", bytes)
            do {
                _ = try reader.open(0)
                _ = numbers(try reader.pixels(atLeast: round % 2 == 0 ? 1 : 0.2))
            } catch { #expect(error.kind == .format, "\(error)") }
            do {
                let again = ImageReader(
                    try Dataset.files([path], options: DatasetOptions(onError: .refuse)))
                let size = try again.open(0)
                if size.height * size.width < 1 << 20 { _ = numbers(try again.pixels(atLeast: 1)) }
            } catch { #expect(error.kind == .format || error.kind == .memory, "\(error)") }
        }
    }

    @Test func pngSumsAreChecked() throws {
        let folder = try TemporaryFolder()
        var bytes = try Fixtures.bytes("rgb8.png")
        bytes[60] ^= 1
        let path = try folder.write("x.png", bytes)
        expectError(.format, path, "IDAT", "sum") { () throws(SupConError) in
            try Dataset.files([path], options: DatasetOptions(onError: .refuse))
        }
    }

    @Test func hostileHeadersAreRefused() throws {
        let folder = try TemporaryFolder()
        let end = Self.chunk("IDAT", [0x78, 0x9c]) + Self.chunk("IEND", [])
        func refuse(
            _ bytes: [UInt8], _ words: String, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let path = try folder.write("x", bytes)
            expectError(.format, path, words, sourceLocation: sourceLocation) {
                () throws(SupConError) in
                try Dataset.files([path], options: DatasetOptions(onError: .refuse))
            }
        }
        try refuse(Self.signature + Self.header(width: 50000, height: 50000) + end, "50000×50000")
        try refuse(
            Self.signature + Self.header(width: 1 << 31 - 1, height: 1 << 31 - 1) + end, "at most")
        try refuse(Self.signature + Self.header(width: 0, height: 5) + end, "5×0")
        try refuse(Self.signature + Self.header(width: 5, height: 5, depth: 3) + end, "3 bits")
        try refuse(
            Self.signature + Self.header(width: 5, height: 5, depth: 16, color: 3) + end,
            "color type 3")
        try refuse(Self.signature + Self.header(width: 5, height: 5, color: 3) + end, "palette")
        try refuse(
            Self.signature + Self.header(width: 5, height: 5, rest: [0, 0, 2]) + end, "interlaced")
        try refuse(
            Self.signature + Self.header(width: 5, height: 5) + Self.chunk("IEND", []), "IDAT")
        try refuse(Self.signature + end, "IHDR")
        try refuse(Self.signature + Self.chunk("IHDR", [1, 2]) + end, "2 bytes")
        try refuse(Self.signature + Self.big(0xffff_ffff) + Array("IHDR".utf8), "cut off")

        func jpeg(_ frame: [UInt8]) -> [UInt8] {
            [0xff, 0xd8] + frame + [0xff, 0xda, 0, 2, 1, 2, 3, 0xff, 0xd9]
        }
        func frame(
            _ marker: UInt8 = 0xc0, bits: UInt8 = 8, size: [UInt8] = [0, 5, 0, 5],
            components: UInt8 = 1
        ) -> [UInt8] {
            [0xff, marker, 0, 8 + 3 * components, bits] + size + [components]
                + [UInt8](repeating: 1, count: 3 * Int(components))
        }
        try refuse(jpeg(frame(size: [0xff, 0xff, 0xff, 0xff])), "65535×65535")
        try refuse(jpeg(frame(size: [0, 0, 0, 5])), "0×5")
        try refuse(jpeg(frame(bits: 12)), "12 bits")
        try refuse(jpeg(frame(components: 2)), "2 components")
        try refuse(jpeg(frame(0xc3)), "lossless")
        try refuse(jpeg(frame() + frame()), "two frames")
        try refuse(jpeg([]), "before its frame")
        try refuse(jpeg([0xff, 0xc0, 0, 4, 8, 0]), "frame header")
        try refuse(jpeg([0xff, 0xe0, 0, 1]), "segment of 1")
        try refuse([0xff, 0xd8, 0xff, 0xd9], "ends before")
        try refuse([0xff, 0xd8, 0xff, 0xd8], "second start")
    }

    /// Checks that Exif data with wrong lengths and offsets do not make an image unreadable: it
    /// counts as upright.
    @Test func hostileExifIsUpright() throws {
        let folder = try TemporaryFolder()
        let whole = try Fixtures.bytes("rgb444.jpg")
        let truth = try Fixtures.image("rgb444.jpg")
        func upright(_ exif: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) throws {
            let segment: [UInt8] =
                [0xff, 0xe1] + [UInt8((exif.count + 8) >> 8), UInt8((exif.count + 8) & 0xff)]
                + Array("Exif\0\0".utf8) + exif
            let path = try folder.write("x", Array(whole[..<2]) + segment + Array(whole[2...]))
            let dataset = try Dataset.files([path], options: DatasetOptions(onError: .refuse))
            let pixels = try contents(dataset)[0]
            #expect(
                (zip(pixels, truth.rgb).map { abs($0 - Double($1)) }.max() ?? 255) <= 3,
                sourceLocation: sourceLocation)
        }
        func directory(_ entries: [UInt8], count: UInt8 = 1) -> [UInt8] {
            Array("MM\0*".utf8) + [0, 0, 0, 8, 0, count] + entries
        }
        try upright([])
        try upright(Array("MM".utf8))
        try upright(Array("MM\0*".utf8) + [0xff, 0xff, 0xff, 0xff])
        try upright(Array("II*\0".utf8) + [0xff, 0xff, 0xff, 0x7f])
        try upright(Array("MM\0*".utf8) + [0, 0, 0, 8, 0xff, 0xff])
        try upright(directory([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 9, 0, 0]))
        try upright(directory([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0]))
        try upright(directory([0x01, 0x12, 0, 2, 0, 0, 0, 1, 0, 6, 0, 0]))
        try upright(directory([0x01, 0x12, 0, 3, 0, 0, 0, 1]))
        try upright(directory([0x01, 0x12, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]))
    }

    @Test func jpegMayHaveSomethingAppendedAndALongHeader() throws {
        let folder = try TemporaryFolder()
        let whole = try Fixtures.bytes("rgb444.jpg")
        let comments = (0..<3).flatMap { _ in
            [0xff, 0xfe, 0xff, 0xff] + [UInt8](repeating: 7, count: 65533)
        }
        let trailer = [UInt8](repeating: 7, count: 100_000)
        let paths = [
            try folder.write("a", whole + trailer),
            try folder.write("b", Array(whole[..<2]) + comments + Array(whole[2...])),
            try folder.write("c", Array(whole[..<2]) + comments + Array(whole[2...]) + trailer),
        ]
        let dataset = try Dataset.files(paths, options: DatasetOptions(onError: .refuse))
        let plain = try contents(try Dataset.files([Fixtures.path("rgb444.jpg")]))[0]
        #expect(try contents(dataset) == [plain, plain, plain])
        let cut = try folder.write(
            "d", Array(whole[..<2]) + comments + Array(whole[2..<(whole.count - 2)]))
        expectError(.format, "end-of-image") { () throws(SupConError) in
            try Dataset.files([cut], options: DatasetOptions(onError: .refuse))
        }
    }
}
