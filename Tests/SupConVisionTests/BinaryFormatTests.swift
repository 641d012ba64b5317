import Foundation
import SupConTensor
import TestSupport
import SupConVision
import Testing

@Suite struct BinaryFormatTests {
    private func pixels(_ key: String) throws -> [Double] {
        let expected = try Fixtures.expected()
        return try #require(expected["idx"]?[key] as? [Int]).map { Double($0) }
    }

    @Test(arguments: ["", ".gz"]) func idxIsWhatPythonWrote(_ suffix: String) throws {
        let dataset = try Dataset.idx(
            images: Fixtures.path("images.idx" + suffix),
            labels: Fixtures.path("labels.idx" + suffix))
        #expect(
            dataset.count == 5 && dataset.height == 4 && dataset.width == 3 && dataset.channels == 1
                && dataset.classes == 4)
        #expect(dataset.labels == [3, 0, 2, 2, 1] && dataset.className(3) == "3")
        #expect(try contents(dataset).flatMap { $0 } == (try pixels("pixels")))
        let color = try Dataset.idx(
            images: Fixtures.path("images.idx" + suffix), options: DatasetOptions(channels: 3))
        #expect(color.labels == nil && color.channels == 3)
        #expect(
            try contents(color).flatMap { $0 } == (try pixels("pixels")).flatMap { [$0, $0, $0] })
    }

    @Test func idxMayHaveChannels() throws {
        let dataset = try Dataset.idx(images: Fixtures.path("colors.idx.gz"))
        #expect(
            dataset.count == 2 && dataset.height == 3 && dataset.width == 4 && dataset.channels == 3
        )
        #expect(try contents(dataset).flatMap { $0 } == (try pixels("colors")))
    }

    @Test func damagedIDXIsRefused() throws {
        let folder = try TemporaryFolder()
        let images = try Fixtures.bytes("images.idx")
        let gzipped = try Fixtures.bytes("images.idx.gz")
        func refuse(
            _ bytes: [UInt8], _ words: String..., kind: SupConError.Kind = .format,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let path = try folder.write("x", bytes)
            expectError(kind, path, words.joined(), sourceLocation: sourceLocation) {
                () throws(SupConError) in try Dataset.idx(images: path)
            }
        }
        try refuse(Array(images.dropLast()), "ends after 59 bytes of images; expected 60")
        try refuse(images + [0], "goes on after the 60 bytes")
        try refuse(Array(images[..<10]), "within its header")
        try refuse([0, 0], "first 4")
        try refuse([], "first 4")
        try refuse([1] + images[1...], "begins with 1 0")
        try refuse([0, 0, 13] + images[3...], "type 13")
        try refuse([0, 0, 8, 1] + images[4...], "1 dimensions; expected 3 or 4")
        try refuse([0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1], "no image")
        try refuse([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1], "0×1")
        try refuse([0, 0, 8, 3] + [UInt8](repeating: 0xff, count: 12), "claims")
        try refuse(
            [0, 0, 8, 3, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 28, 0, 0, 0, 28], "cannot hold that")
        try refuse(
            [0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 5, 1, 2, 3, 4, 5],
            "5 channels")
        try refuse(Array(gzipped.dropLast(9)), "cut off")
        var flipped = gzipped
        flipped[gzipped.count - 6] ^= 1  // in the sum at the end
        try refuse(flipped, "decompressed")
        for count in 0..<gzipped.count { try refuse(Array(gzipped[..<count])) }
        expectError(.io, "No such file") { () throws(SupConError) in
            try Dataset.idx(images: folder.path("none"))
        }
        let labels = try folder.write("labels", [0, 0, 8, 1, 0, 0, 0, 2, 1, 1])
        expectError(.format, labels, "2 labels for 5") { () throws(SupConError) in
            try Dataset.idx(images: Fixtures.path("images.idx"), labels: labels)
        }
    }

    /// Makes a record as the format's page describes it: labels, then the red, green and blue
    /// planes, each in rows.
    private func record(_ labels: [UInt8], _ pixel: (Int, Int, Int) -> UInt8) -> [UInt8] {
        labels
            + (0..<3).flatMap { c in (0..<32).flatMap { y in (0..<32).map { x in pixel(c, y, x) } }
            }
    }

    @Test(arguments: [10, 100]) func cifarIsPlanar(_ classes: Int) throws {
        let folder = try TemporaryFolder()
        func pixel(_ n: Int) -> (Int, Int, Int) -> UInt8 {
            { c, y, x in UInt8(truncatingIfNeeded: 31 * n + 7 * c + 5 * y + x) }
        }
        func labels(_ n: Int) -> [UInt8] { classes == 10 ? [UInt8(n * 3)] : [19, UInt8(n * 33)] }
        let paths = [
            try folder.write("1.bin", record(labels(0), pixel(0)) + record(labels(1), pixel(1))),
            try folder.write("2.bin", record(labels(2), pixel(2))),
        ]
        let dataset = try Dataset.cifar(paths, classes: classes)
        #expect(
            dataset.count == 3 && dataset.height == 32 && dataset.width == 32
                && dataset.channels == 3 && dataset.classes == classes)
        #expect(
            dataset.labels == (classes == 10 ? [0, 3, 6] : [0, 33, 66])
                && dataset.className(classes - 1) == "\(classes - 1)")
        var truth = [[Double]](repeating: [], count: 3)
        for n in 0..<3 {
            for y in 0..<32 {
                for x in 0..<32 { for c in 0..<3 { truth[n].append(Double(pixel(n)(c, y, x))) } }
            }
        }
        #expect(try contents(dataset) == truth)
        let gray = try contents(
            try Dataset.cifar(paths, classes: classes, options: DatasetOptions(channels: 1)))
        // Pillow's L, in integers: (19595 R + 38470 G + 7471 B + 2¹⁵) / 2¹⁶.
        let luma = truth.map { image in
            (0..<1024).map { i -> Double in
                let sum: Double =
                    19595 * image[3 * i] + 38470 * image[3 * i + 1] + 7471 * image[3 * i + 2]
                    + 32768
                return (sum / 65536).rounded(.down)
            }
        }
        #expect(gray == luma)
    }

    @Test func otherFilesAreNotCIFAR() throws {
        let folder = try TemporaryFolder()
        func refuse(
            _ bytes: [UInt8], _ word: String, classes: Int = 10,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let path = try folder.write("x.bin", bytes)
            expectError(.format, path, word, sourceLocation: sourceLocation) {
                () throws(SupConError) in try Dataset.cifar([path], classes: classes)
            }
        }
        let zero = [UInt8](repeating: 0, count: 3072)
        try refuse([], "0 bytes; expected a multiple of 3073")
        try refuse(zero, "3072 bytes")
        try refuse([1, 2] + zero, "looks like CIFAR-100")
        try refuse([1] + zero, "looks like CIFAR-10", classes: 100)
        try refuse([10] + zero, "image 0 has label 10; expected 0 to 9")
        try refuse([0, 5] + zero + [0, 100] + zero, "image 1 has label 100", classes: 100)
        try refuse([20, 5] + zero, "coarse label 20", classes: 100)
        try refuse([0x1f, 0x8b, 8], "unpack")
        try refuse([0x80, 2, 1], "binary version")
        expectError(.argument, "20") { () throws(SupConError) in
            try Dataset.cifar(["x"], classes: 20)
        }
        expectError(.argument, "paths") { () throws(SupConError) in
            try Dataset.cifar([String](), classes: 10)
        }
        expectError(.io, "nowhere") { () throws(SupConError) in
            try Dataset.cifar(["nowhere.bin"], classes: 10)
        }
    }
}
