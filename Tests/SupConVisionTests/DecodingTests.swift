import Foundation
import SupConTensor
import TestSupport
import SupConVision
import Synchronization
import Testing

/// Compares decoded pixels with those of Pillow and numpy.
@Suite struct DecodingTests {
    static let pngs = [
        "gray8", "gray4", "gray2", "gray1", "rgb8", "grayalpha8", "rgba8", "rgb8_interlaced",
        "rgba8_interlaced", "rgb8_gamma", "rgb8_key",
        "palette8", "palette4", "gray16", "rgb16", "rgba16", "gray16_gamma", "orientation6",
        "xmp7", "xmp7_zipped", "profile6", "profile6_zipped",
    ]
    static let jpegs =
        ["rgb444", "rgb420", "progressive", "gray", "cmyk", "ycck", "xmp5", "exif3_xmp5"]
        + (1...8).map { "orientation\($0)" }

    private func check(_ name: String, tolerance: Double) throws {
        let truth = try Fixtures.image(name)
        for channels in [3, 1] {
            let dataset = try Dataset.files(
                [Fixtures.path(name)], options: DatasetOptions(onError: .refuse, channels: channels)
            )
            #expect(
                dataset.height == truth.height && dataset.width == truth.width
                    && dataset.channels == channels)
            let pixels = try contents(dataset)[0]
            let expected = (channels == 3 ? truth.rgb : truth.gray).map { Double($0) }
            try #require(pixels.count == expected.count)
            let difference = zip(pixels, expected).map { abs($0 - $1) }.max() ?? .infinity
            #expect(difference <= tolerance, "\(name), \(channels) channels")
        }
    }

    @Test(arguments: pngs) func pngIsExact(_ name: String) throws {
        try check(name + ".png", tolerance: 0)
    }

    @Test(arguments: jpegs) func jpegIsWithinThreeLevels(_ name: String) throws {
        try check(name + ".jpg", tolerance: 3)
    }

    @Test(arguments: ["lossy", "lossless", "alpha", "lossy_alpha", "orientation6", "xmp8"])
    func webPIsThatOfLibwebp(_ name: String) throws {
        // Pillow brings a libwebp of its own, which may round YUV otherwise.
        try check(name + ".webp", tolerance: name.hasPrefix("lossy") ? 1 : 0)
    }

    /// Checks that orientations differ: the eight files show one image, and confusing two
    /// orientations gives differences of a hundred levels. Their stored pixels agree with each
    /// other, and their shown ones do not.
    @Test func orientationsDiffer() throws {
        let dataset = try Dataset.files((1...8).map { Fixtures.path("orientation\($0).jpg") })
        #expect(dataset.height == nil && dataset.width == nil && dataset.count == 8)
        let all = try contents(dataset)
        for i in 0..<8 {
            for j in 0..<i {
                #expect(
                    (zip(all[i], all[j]).map { abs($0 - $1) }.max() ?? 0) > 50,
                    "\(i + 1) and \(j + 1)")
            }
        }
    }

    @Test func jpegComesSmaller() throws {
        let dataset = try Dataset.files([Fixtures.path("large.jpg")])
        let reader = ImageReader(dataset)
        for (fraction, scale) in [
            (0.0, 4), (0.08, 4), (0.09, 2), (0.2, 2), (0.21, 1), (1, 1), (2, 1), (.nan, 1),
        ] {
            #expect(try reader.open(0) == (61, 83))
            let view = try reader.pixels(atLeast: fraction)
            #expect(
                view.height == (61 + scale - 1) / scale && view.width == (83 + scale - 1) / scale,
                "\(fraction)")
            let truth = try Fixtures.image(scale == 1 ? "large.jpg" : "large.jpg/\(scale)")
            let difference =
                zip(numbers(view), truth.rgb).map { abs($0 - Double($1)) }.max() ?? .infinity
            #expect(difference <= 3, "1/\(scale)")
        }
        // Smaller first, then larger, of the same opening.
        _ = try reader.open(0)
        #expect(try reader.pixels(atLeast: 0.08).height == 16)
        #expect(try reader.pixels(atLeast: 1).height == 61)
        // A PNG stays as large as it is, and may be asked for again.
        let png = ImageReader(try Dataset.files([Fixtures.path("rgb8_gamma.png")]))
        _ = try png.open(0)
        let truth = try Fixtures.image("rgb8_gamma.png").rgb.map { Double($0) }
        for fraction in [0.1, 1] { #expect(numbers(try png.pixels(atLeast: fraction)) == truth) }
    }

    @Test func manyThreadsReadOneSet() throws {
        let names = Self.pngs.map { $0 + ".png" } + Self.jpegs.map { $0 + ".jpg" }
        let dataset = try Dataset.files(
            names.map(Fixtures.path), options: DatasetOptions(onError: .refuse))
        let alone = try contents(dataset)
        let wrong = Mutex(0)
        Parallel.chunks(8, threads: 4) { _ in
            let same = (try? contents(dataset)) == alone
            wrong.withLock { $0 += same ? 0 : 1 }
        }
        #expect(wrong.withLock { $0 } == 0)
    }

    @Test func readerNeedsAnOpenImage() throws {
        let reader = ImageReader(try Dataset.files([Fixtures.path("gray.jpg")]))
        expectError(.state, "open") { () throws(SupConError) in try reader.pixels(atLeast: 1) }
        expectError(.argument, "1", "0 to 0") { () throws(SupConError) in try reader.open(1) }
        expectError(.argument, "-1") { () throws(SupConError) in try reader.open(-1) }
    }

    @Test func filesKeepTheirOrderAndLabels() throws {
        let folder = try TemporaryFolder()
        let text = try folder.write("a.png", Array("no image".utf8))
        let paths = [
            Fixtures.path("rgb8.png"), text, Fixtures.path("gray.jpg"), folder.path("missing.jpg"),
            Fixtures.path("gray1.png"),
        ]
        let dataset = try Dataset.files(paths, labels: [7, 6, 5, 4, 3])
        #expect(dataset.labels == [7, 5, 3] && dataset.classes == 5 && dataset.channels == 3)
        #expect(
            (0..<3).map { dataset.path($0) } == [paths[0], paths[2], paths[4]]
                && dataset.path(3) == nil && dataset.path(-1) == nil)
        #expect(
            dataset.skipped.count == 2 && dataset.skipped[0].hasPrefix(text + ": ")
                && dataset.skipped[1].contains("No such file"))
        #expect(
            dataset.className(4) == "7" && dataset.className(5) == nil
                && dataset.className(-1) == nil)
        expectError(.format, text, "neither") { () throws(SupConError) in
            try Dataset.files(paths, options: DatasetOptions(onError: .refuse))
        }
        expectError(.io, "missing") { () throws(SupConError) in
            try Dataset.files([paths[3]], options: DatasetOptions(onError: .refuse))
        }
        expectError(.format, "none of 1") { () throws(SupConError) in try Dataset.files([text]) }
        expectError(.shape, "1", "5") { () throws(SupConError) in
            try Dataset.files(paths, labels: [1])
        }
        expectError(.argument, "no images") { () throws(SupConError) in
            try Dataset.files([String]())
        }
        expectError(.argument, "empty") { () throws(SupConError) in
            try Dataset.files([""], options: DatasetOptions(onError: .refuse))
        }
        expectError(.argument, "NUL") { () throws(SupConError) in
            try Dataset.files(["a\0b"], options: DatasetOptions(onError: .refuse))
        }
        expectError(.argument, "channels is 2") { () throws(SupConError) in
            try Dataset.files(paths, options: DatasetOptions(channels: 2))
        }
    }

    @Test func filesThatChangeAreErrors() throws {
        let folder = try TemporaryFolder()
        try folder.copy("rgb444.jpg", to: "a.jpg")
        let dataset = try Dataset.files([folder.path("a.jpg")])
        let reader = ImageReader(dataset)
        try folder.copy("large.jpg", to: "a.jpg")
        expectError(.format, "61×83", "13×17", "a.jpg") { () throws(SupConError) in
            try reader.open(0)
        }
        try folder.write("a.jpg", Array("gone".utf8))
        expectError(.format, "neither") { () throws(SupConError) in try reader.open(0) }
        try folder.write("a.jpg", [])
        expectError(.format, "is empty") { () throws(SupConError) in try reader.open(0) }
        try FileManager.default.removeItem(atPath: folder.path("a.jpg"))
        expectError(.io, "No such file") { () throws(SupConError) in try reader.open(0) }
    }
}
