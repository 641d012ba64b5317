import Foundation
import SupConTensor
import TestSupport
import SupConVision
import Testing

/// Compares encoded images in memory with equal files.
@Suite struct EncodedDatasetTests {
    static let names = [
        "rgb420.jpg", "cmyk.jpg", "orientation6.jpg", "rgba8_interlaced.png", "profile6_zipped.png",
        "lossy.webp", "orientation6.webp",
    ]

    @Test func bytesGiveThePixelsOfTheirFiles() throws {
        let files = try Dataset.files(Self.names.map(Fixtures.path))
        let bytes = try Self.names.map(Fixtures.bytes)
        let memory = try Dataset.encoded(
            bytes, labels: [5, 5, 5, 6, 6, 7, 7], options: DatasetOptions(onError: .refuse))
        #expect(try contents(memory) == contents(files))
        #expect(memory.labels == [5, 5, 5, 6, 6, 7, 7] && memory.path(0) == nil)
        // Twice: decoding a PNG changes bytes, but those of a copy.
        #expect(try contents(memory) == contents(files))
        let part = try memory.subset([6, 0])
        #expect(try contents(part) == [contents(files)[6], contents(files)[0]])
    }

    /// Checks the medians of 13×17 pixels and, by the orientation of two files, of 17×13.
    @Test func mediansAreOfTurnedImages() throws {
        let files = try Dataset.files(Self.names.map(Fixtures.path))
        #expect(files.height == nil && files.medianSize == (13, 17))
        #expect(try files.subset([2, 0, 6]).medianSize == (17, 13))
        #expect(try files.subset([2, 6]).medianSize == (17, 13))
        #expect(try files.subset([]).medianSize == (0, 0))
    }

    @Test func filesAndMemoryMix() throws {
        let bytes = try Fixtures.bytes("rgb8.png")
        try bytes.withUnsafeBytes { bytes in
            let dataset = try Dataset.encoded([
                EncodedImage(path: RawPath(Fixtures.path("gray8.png"))),
                EncodedImage(bytes: bytes, name: "from a database"),
                EncodedImage(bytes: bytes),
            ])
            let truth = try contents(
                try Dataset.files([Fixtures.path("gray8.png"), Fixtures.path("rgb8.png")]))
            #expect(try contents(dataset) == [truth[0], truth[1], truth[1]])
            #expect(
                dataset.path(0) == Fixtures.path("gray8.png")
                    && dataset.path(1) == "from a database" && dataset.path(2) == nil)
        }
    }

    @Test func badBytesAreLeftOutOrRefused() throws {
        let good = try Fixtures.bytes("rgb8.png")
        let bad: [[UInt8]] = [
            [], Array("GIF89a".utf8), Array(good.dropLast()),
            Array("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n".utf8),
        ]
        let dataset = try Dataset.encoded([good] + bad + [good], labels: [0, 1, 2, 3, 4, 5])
        #expect(dataset.labels == [0, 5])
        #expect(
            dataset.skipped == [
                "image 1: is empty", "image 2: is a GIF image; expected JPEG, PNG or WebP",
                "image 3: is cut off: it ends after 743 bytes, before its IEND chunk",
                "image 4: is a pointer of Git LFS, not the file itself; "
                    + "expected that: run “git lfs pull”",
            ])
        expectError(.format, "image 2", "GIF") { () throws(SupConError) in
            try Dataset.encoded([good, good, bad[1]], options: DatasetOptions(onError: .refuse))
        }
        expectError(.argument, "no images") { () throws(SupConError) in
            try Dataset.encoded([[UInt8]]())
        }
        expectError(.shape, "2 labels") { () throws(SupConError) in
            try Dataset.encoded([good], labels: [1, 2])
        }
        expectError(.format, "max_pixels") { () throws(SupConError) in
            try Dataset.encoded(
                [good], options: DatasetOptions(onError: .refuse, maxPixels: 100))
        }
    }

    @Test func animatedWebPIsRefused() throws {
        // A canvas of 2×3 pixels with the bit that says so, and one frame.
        let frame = Array("ANMF".utf8) + [4, 0, 0, 0, 0, 0, 0, 0]
        let canvas = Array("VP8X".utf8) + [10, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 2, 0, 0]
        let body = Array("WEBP".utf8) + canvas + frame
        let bytes = Array("RIFF".utf8) + [UInt8(body.count), 0, 0, 0] + body
        expectError(.format, "animated WebP") { () throws(SupConError) in
            try Dataset.encoded([bytes], options: DatasetOptions(onError: .refuse))
        }
    }
}
