import Foundation
import SupConTensor
import TestSupport
import SupConVision
import Synchronization
import Testing

/// Tests the sizes that images claim, and the memory that decoding them takes.
@Suite struct ImageSizeTests {
    private static func refused(
        _ bytes: [UInt8], _ words: String,
        options: DatasetOptions = DatasetOptions(onError: .refuse),
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("x", bytes)
        expectError(.format, path, words, sourceLocation: sourceLocation) {
            () throws(SupConError) in try Dataset.files([path], options: options)
        }
    }

    @Test func mostPixelsAreTheCallers() throws {
        // 61×83 pixels.
        let path = Fixtures.path("large.jpg")
        let exact = DatasetOptions(onError: .refuse, maxPixels: 61 * 83)
        #expect(try contents(try Dataset.files([path], options: exact))[0].count == 61 * 83 * 3)
        try Self.refused(
            try Fixtures.bytes("large.jpg"), "5062 altogether (max_pixels)",
            options: DatasetOptions(onError: .refuse, maxPixels: 61 * 83 - 1))
        let skipped = try Dataset.files(
            [path, Fixtures.path("rgb8.png")], options: DatasetOptions(maxPixels: 61 * 83 - 1))
        #expect(skipped.count == 1 && skipped.skipped[0].contains("max_pixels"))
        for bad in [-1, 1 << 32 + 1] {
            expectError(.argument, "max_pixels is \(bad)") { () throws(SupConError) in
                try Dataset.files([path], options: DatasetOptions(maxPixels: bad))
            }
        }
        // A file that is replaced by a larger one after the data set was made.
        let folder = try TemporaryFolder()
        let file = try folder.write("x", try Fixtures.bytes("rgb444.jpg"))
        let reader = ImageReader(
            try Dataset.files([file], options: DatasetOptions(maxPixels: 2000)))
        try folder.write("x", try Fixtures.bytes("large.jpg"))
        expectError(.format, "max_pixels") { () throws(SupConError) in try reader.open(0) }
    }

    /// Checks a PNG of 16384×16384 RGBA pixels, which needs 1,040,511 bytes even with the best
    /// deflate.
    @Test func pngWithTooLittleDataForItsSizeIsRefused() throws {
        typealias File = DamagedFileTests
        func png(_ count: Int, color: UInt8 = 6, interlace: UInt8 = 0) -> [UInt8] {
            File.signature
                + File.header(
                    width: 12000, height: 12000, color: color, rest: [0, 0, interlace])
                + File.chunk("IDAT", [UInt8](repeating: 0, count: count / 2))
                + File.chunk("IDAT", [UInt8](repeating: 0, count: count - count / 2))
                + File.chunk("IEND", [])
        }
        try Self.refused(png(23), "12000×12000 pixels large, but has 23 bytes of image data")
        // (12000 · 4 + 1) · 12000 / 1032, without the filters' bytes where passes share the rows.
        try Self.refused(png(558_150), "expected 558152 or more")
        try Self.refused(png(558_000, interlace: 1), "expected 558140 or more")
        let folder = try TemporaryFolder()
        for (count, interlace) in [(558_152, UInt8(0)), (558_140, 1)] {
            let path = try folder.write("x.png", png(count, interlace: interlace))
            #expect(try Dataset.files([path]).height == 12000)
        }
    }

    /// Checks that deflate's best compression, of an image of one color, is still read.
    @Test func bestCompressedPNGIsRead() throws {
        let path = Fixtures.path("black.png")
        let dataset = try Dataset.files([path], options: DatasetOptions(onError: .refuse))
        #expect(dataset.height == 3000)
        let reader = ImageReader(dataset)
        _ = try reader.open(0)
        let view = try reader.pixels(atLeast: 1)
        for at in stride(from: 0, to: 9_000_000, by: 997) {
            try #require(view.data.load(fromByteOffset: at, as: UInt8.self) == 0)
        }
    }

    @Test func jpegWithTooLittleDataForItsSizeIsRefused() throws {
        // Another size in the frame of a whole file: 8 blocks of luma a byte at the very best.
        // 12700×12700: 1588² blocks, and of chroma as many, or a quarter, rounded up, twice.
        for (name, marker, blocks) in [
            ("gray.jpg", 0xc0, 1588 * 1588), ("rgb444.jpg", 0xc0, 3 * 1588 * 1588),
            ("rgb420.jpg", 0xc0, 1588 * 1588 + 2 * 794 * 794),
            ("progressive.jpg", 0xc2, 1588 * 1588 + 2 * 794 * 794),
        ] {
            var bytes = try Fixtures.bytes(name)
            let frame = try #require(
                (0..<bytes.count - 1).first {
                    bytes[$0] == 0xff && bytes[$0 + 1] == UInt8(marker)
                })
            for at in [5, 7] {
                (bytes[frame + at], bytes[frame + at + 1]) = (0x31, 0x9c)
            }
            try Self.refused(bytes, "expected \((blocks + 7) / 8) or more")
        }
    }

    @Test func memoryLimitHoldsForDecoding() throws {
        let dataset = try Dataset.files(
            [Fixtures.path("black.png"), Fixtures.path("large.jpg")],
            options: DatasetOptions(onError: .refuse))
        // Gray: a byte a pixel, and as many again twice at most.
        for (limit, passes) in [(26_000_000, false), (28_000_000, true)] {
            let context = try ExecutionContext(threads: 2, memoryLimit: limit)
            let reader = ImageReader(dataset, DecodeGate(context))
            #expect(try reader.open(0) == (3000, 3000))
            if passes {
                #expect(try reader.pixels(atLeast: 1).height == 3000)
            } else {
                expectError(.memory, "decoding an image of 3000×3000 needs 27 MB", "limit is 26 MB")
                { () throws(SupConError) in try reader.pixels(atLeast: 1) }
            }
            // And the next image is none the worse.
            _ = try reader.open(1)
            #expect(try reader.pixels(atLeast: 1).height == 61)
        }
        // A progressive JPEG's coefficients are counted: 2 bytes each, whatever the scale.
        let progressive = try Dataset.files([Fixtures.path("progressive.jpg")])
        let reader = ImageReader(
            progressive, DecodeGate(try ExecutionContext(threads: 1, memoryLimit: 1250)))
        do throws(SupConError) {
            _ = try reader.open(0)
            _ = try reader.pixels(atLeast: 0.1)
            Issue.record("expected an error")
        } catch { #expect(error.kind == .memory) }
    }

    /// Checks that large images are decoded one at a time, whatever the threads, and that none
    /// waits forever.
    @Test func largeImagesTakeTurns() throws {
        let dataset = try Dataset.files(
            [Fixtures.path("black.png")], options: DatasetOptions(onError: .refuse))
        let context = try ExecutionContext(threads: 4, memoryLimit: 30_000_000)
        let gate = DecodeGate(context)
        let inside = Mutex(0)
        let most = Mutex(0)
        let done = Mutex(0)
        Parallel.chunks(4, threads: 4) { _ in
            let reader = ImageReader(dataset, gate)
            for _ in 0..<3 {
                guard (try? reader.open(0)) != nil, (try? reader.pixels(atLeast: 1)) != nil else {
                    continue
                }
                let now = inside.withLock {
                    $0 += 1
                    return $0
                }
                most.withLock { $0 = max($0, now) }
                usleep(2000)
                inside.withLock { $0 -= 1 }
                done.withLock { $0 += 1 }
                reader.close()
            }
        }
        #expect(most.withLock { $0 } == 1 && done.withLock { $0 } == 12)
    }
}
