import CTurboJPEG
import SupConTensor
import func TestSupport.loggedMessages
import Testing

@testable import SupConVision

/// JPEGs of which only the rows down to a crop are decoded, beside whole ones.
@Suite struct JPEGRowsTests {
    private static let samplings = [
        TJSAMP_444, TJSAMP_422, TJSAMP_420, TJSAMP_440, TJSAMP_411, TJSAMP_GRAY,
    ]

    private static func jpeg(_ sampling: TJSAMP, height: Int, width: Int) throws -> [UInt8] {
        let pixels = testImage(height, width, 3, seed: height + Int(sampling.rawValue))
        var (file, size): (UnsafeMutablePointer<UInt8>?, UInt) = (nil, 0)
        let handle = try #require(tjInitCompress())
        defer {
            tjFree(file)
            tjDestroy(handle)
        }
        let status = tjCompress2(
            handle, pixels, Int32(width), 0, Int32(height), Int32(TJPF_RGB.rawValue), &file, &size,
            Int32(sampling.rawValue), 90, 0)
        try #require(status == 0)
        return [UInt8](UnsafeBufferPointer(start: file, count: Int(size)))
    }

    /// The numbers of a decoded image within a part of it.
    private func numbers(_ view: ImageView, _ part: CropBox) -> [Double] {
        let (top, left) = (Int(part.top), Int(part.left))
        var cut = view
        cut.height = min(Int((part.top + part.height).rounded(.up)), view.height) - top
        cut.width = min(Int((part.left + part.width).rounded(.up)), view.width) - left
        cut.data = view.data + top * view.rowStride + left * view.columnStride
        return SupConVisionTests.numbers(cut)
    }

    /// Bands of rows and of columns from all four sides, at all scales, to the byte.
    private func check(_ path: String, channels: Int = 3) throws {
        let dataset = try Dataset.files(
            [path], options: DatasetOptions(onError: .refuse, channels: channels))
        let (whole, reader) = (ImageReader(dataset), ImageReader(dataset))
        for fraction in [1, 0.2, 0.05] {
            let size = try whole.open(0)
            let expected = try whole.pixels(atLeast: fraction)
            _ = try reader.open(0)
            for end in stride(from: 1, through: max(size.height, size.width), by: 11) {
                let (bottom, right) = (min(end, size.height), min(end, size.width))
                for part in [
                    CropBox(
                        top: Double(bottom / 2), left: 1, height: Double(bottom - bottom / 2),
                        width: Double(size.width - 2)),
                    CropBox(
                        top: Double(size.height - bottom), left: 0, height: Double(bottom),
                        width: 5),
                    CropBox(
                        top: 2, left: Double(right / 3), height: Double(size.height - 2),
                        width: Double(right - right / 3)),
                    CropBox(
                        top: 0, left: Double(size.width - right), height: 7, width: Double(right)),
                ] {
                    let view = try reader.pixels(atLeast: fraction, of: part)
                    #expect(reader.frame == whole.frame)
                    let shown = part.mapped(from: size, to: reader.frame)
                    if numbers(view, shown) != numbers(expected, shown) {
                        Issue.record("\(path) at \(fraction): \(part)")
                        return
                    }
                }
            }
        }
    }

    @Test(arguments: samplings) func partsAreThoseOfTheWhole(_ sampling: TJSAMP) throws {
        let folder = try TemporaryFolder()
        for (height, width) in [(151, 47), (64, 96), (33, 17)] {
            let path = try folder.write(
                "x.jpg", Self.jpeg(sampling, height: height, width: width))
            for channels in [1, 3] { try check(path, channels: channels) }
        }
    }

    @Test(arguments: DecodingTests.jpegs + ["large"])
    func partsOfAnyKindAreThoseOfTheWhole(_ name: String) throws {
        try check(Fixtures.path(name + ".jpg"))
    }

    /// What tells whether rows are left out: the format, and how far down the crop reaches.
    @Test func rowsBelowAreLeftOut() throws {
        for (sampling, end, rows) in [
            (TJSAMP_444, 1, 16), (TJSAMP_444, 16, 24), (TJSAMP_420, 16, 32), (TJSAMP_420, 17, 48),
            (TJSAMP_GRAY, 100, 112), (TJSAMP_444, 150, 151), (TJSAMP_420, 151, 151),
        ] {
            let bytes = try Self.jpeg(sampling, height: 151, width: 47)
            let header = try #require(
                try bytes.withUnsafeBytes { bytes throws(SupConError) in
                    try JPEGHeader.parse(bytes, mostPixels: 1 << 20)
                })
            #expect(header.rows(toDecodeFor: end) == rows, "\(sampling) to \(end)")
        }
        let header = try Fixtures.bytes("progressive.jpg").withUnsafeBytes {
            bytes throws(SupConError) in
            try JPEGHeader.parse(bytes, mostPixels: 1 << 20)
        }
        #expect(header?.heightOffset == 0)
    }

    /// Damage below the crop changes nothing, and goes unnoticed; damage above is told.
    @Test func damageBelowTheCropIsNotSeen() throws {
        let folder = try TemporaryFolder()
        let bytes = try Self.jpeg(TJSAMP_420, height: 256, width: 64)
        var damaged = bytes
        // Ones are no Huffman code, and a byte 0xff of data is followed by 0.
        for i in stride(from: bytes.count * 3 / 4, to: bytes.count * 3 / 4 + 40, by: 2) {
            (damaged[i], damaged[i + 1]) = (0xff, 0)
        }
        let part = CropBox(top: 20, left: 4, height: 100, width: 40)
        let path = try folder.write("damaged.jpg", damaged)
        let dataset = try Dataset.files([try folder.write("whole.jpg", bytes)])
        let (reader, other) = (ImageReader(dataset), ImageReader(try Dataset.files([path])))
        _ = try reader.open(0)
        _ = try other.open(0)
        let expected = numbers(try reader.pixels(atLeast: 1, of: part), part)
        let untold = try loggedMessages(.info) {
            let found = numbers(try other.pixels(atLeast: 1, of: part), part)
            #expect(found == expected)
        }
        #expect(!untold.contains { $0.contains(path) })
        let below = CropBox(top: 200, left: 0, height: 56, width: 64)
        for part in [below, nil] {
            let told = try loggedMessages(.info) {
                let found = numbers(try other.pixels(atLeast: 1, of: part), below)
                let truth = numbers(try reader.pixels(atLeast: 1), below)
                #expect(found != truth)
            }
            #expect(told.contains { $0.hasPrefix(path) && $0.contains("damaged") })
        }
        // The whole again, after a part.
        _ = try reader.pixels(atLeast: 1, of: part)
        let again = SupConVisionTests.numbers(try reader.pixels(atLeast: 1))
        let whole = try contents(dataset)[0]
        #expect(again == whole)
    }
}
