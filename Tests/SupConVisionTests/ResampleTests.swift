import SupConTensor
import TestSupport
import Testing

@testable import SupConVision

@Suite struct ResampleTests {
    /// Compares with torchvision in double precision, and with Pillow, which rounds to bytes after
    /// each of two passes.
    @Test(arguments: AugmentationReference.shared.resizes, [false, true])
    func agreesWithTorchvisionAndPillow(_ reference: AugmentationReference.Resize, _ portable: Bool)
        throws
    {
        let workspace = AugmentationWorkspace()
        workspace.resampler.portable = portable
        let pixels = testImage(
            reference.height, reference.width, reference.channels, seed: reference.seed)
        let box = CropBox(
            top: reference.box[0], left: reference.box[1], height: reference.box[2],
            width: reference.box[3])
        let out = try withView(pixels, reference.height, reference.width, reference.channels) {
            try workspace.rendered(
                $0, crop: box, height: reference.outHeight, width: reference.outWidth)
        }
        #expect(largestDifference(out, reference.pillow.map { Double($0) / 255 }) < 1.5 / 255)
        if let exact = reference.torchvision { #expect(largestDifference(out, exact) < 2e-6) }
    }

    /// Tests equal pixels in other layouts: f32, planes, padded rows, backwards, gray made RGB by a
    /// stride of 0.
    @Test(arguments: [false, true]) func layoutsDoNotMatter(_ portable: Bool) throws {
        let (h, w, c) = (37, 45, 3)
        let workspace = AugmentationWorkspace()
        workspace.resampler.portable = portable
        let bytes = testImage(h, w, c, seed: 5)
        let crop = CropBox(top: 3, left: 2, height: 30, width: 41)
        func made(_ view: ImageView) throws -> [Float] {
            try workspace.rendered(view, crop: crop, flip: true, height: 24, width: 29)
        }
        let expected = try withView(bytes, h, w, c, made).map(Double.init)
        #expect(expected.count == 24 * 29 * 3)
        #expect(
            try largestDifference(withView(bytes.map { Float($0) / 255 }, h, w, c, made), expected)
                < 1e-6)

        var planes = [UInt8](repeating: 0, count: h * w * c),
            padded = [UInt8](repeating: 9, count: h * (w + 2) * 4), backwards = planes
        for y in 0..<h {
            for x in 0..<w {
                for k in 0..<c {
                    let value = bytes[(y * w + x) * c + k]
                    planes[(k * h + y) * w + x] = value
                    padded[(y * (w + 2) + x) * 4 + k] = value
                    backwards[((h - 1 - y) * w + (w - 1 - x)) * c + (c - 1 - k)] = value
                }
            }
        }
        let views: [(pixels: [UInt8], offset: Int, row: Int, column: Int, channel: Int)] = [
            (planes, 0, w, 1, h * w), (padded, 0, (w + 2) * 4, 4, 1),
            (backwards, h * w * c - 1, -w * c, -c, -1),
        ]
        for view in views {
            let out = try view.pixels.withUnsafeBytes {
                try made(
                    ImageView(
                        data: $0.baseAddress! + view.offset, element: .u8, height: h, width: w,
                        channels: c, rowStride: view.row, columnStride: view.column,
                        channelStride: view.channel))
            }
            #expect(largestDifference(out, expected) < 1e-6)
        }
        let gray = testImage(h, w, 1, seed: 6)
        let single = try withView(gray, h, w, 1, made)
        let triple = try gray.withUnsafeBytes {
            try made(
                ImageView(
                    data: $0.baseAddress!, element: .u8, height: h, width: w, channels: 3,
                    rowStride: w, columnStride: 1, channelStride: 0))
        }
        #expect(triple == single.flatMap { [$0, $0, $0] })
    }

    /// A row of `count` outputs by the filter's formula, in double precision.
    private func triangle(_ row: [Double], from low: Double, to high: Double, count: Int)
        -> [Double]
    {
        let scale = (high - low) / Double(count), support = max(scale, 1)
        return (0..<count).map { x in
            let center = low + (Double(x) + 0.5) * scale
            var (sum, weights) = (0.0, 0.0)
            for j in Int(low)..<Int(high.rounded(.up)) {
                let weight = max(1 - abs(Double(j) + 0.5 - center) / support, 0)
                sum += weight * row[j]
                weights += weight
            }
            return sum / weights
        }
    }

    /// Rows enlarged, and shrunk up to 40 times: kernels take other paths by the number of inputs
    /// that a vector of outputs draws on.
    @Test(arguments: 1...4, [false, true])
    func everyScaleIsThatOfTheFormula(_ channels: Int, _ flip: Bool) throws {
        let (height, width, low, high) = (3, 371, 2.0, 369.0)
        let bytes = testImage(height, width, channels, seed: channels)
        let workspace = AugmentationWorkspace()
        for count in [900, 367, 365, 300, 210, 184, 150, 120, 100, 90, 75, 60, 50, 44, 40, 30, 9] {
            let view = try withView(bytes, height, width, channels) {
                try workspace.rendered(
                    $0,
                    crop: CropBox(top: 0, left: low, height: Double(height), width: high - low),
                    flip: flip, height: height, width: count)
            }
            for y in 0..<height {
                for c in 0..<channels {
                    let row = (0..<width).map {
                        Double(bytes[(y * width + $0) * channels + c]) / 255
                    }
                    var expected = triangle(row, from: low, to: high, count: count)
                    if flip { expected.reverse() }
                    let found = (0..<count).map { view[(y * count + $0) * channels + c] }
                    #expect(
                        largestDifference(found, expected) < 2e-6, "\(count), row \(y), \(c)")
                }
            }
        }
    }

    @Test func aFlipMirrors() throws {
        let workspace = AugmentationWorkspace()
        for (w, out) in [(40, 23), (20, 33), (100, 18)] {
            try withView(testImage(9, w, 3, seed: w), 9, w, 3) { view in
                let crop = CropBox(top: 0, left: 1, height: 9, width: Double(w - 3))
                let plain = try workspace.rendered(view, crop: crop, height: 5, width: out)
                let flipped = try workspace.rendered(
                    view, crop: crop, flip: true, height: 5, width: out)
                let mirrored = (0..<5).flatMap { y in
                    (0..<out).flatMap { x in
                        (0..<3).map { Double(plain[(y * out + out - 1 - x) * 3 + $0]) }
                    }
                }
                #expect(largestDifference(flipped, mirrored) < 1e-6)
            }
        }
    }

    /// Checks that an unchanged size changes nothing, that a constant stays constant, and that no
    /// memory of an earlier, larger image shows.
    @Test func keepsWhatItMust() throws {
        let workspace = AugmentationWorkspace()
        for (h, w, c) in [(300, 211, 3), (32, 32, 3), (28, 28, 1), (5, 3, 2), (1, 1, 4)] {
            let bytes = testImage(h, w, c, seed: 1)
            #expect(
                try largestDifference(
                    withView(bytes, h, w, c) { try workspace.rendered($0, height: h, width: w) },
                    bytes.map { Double($0) / 255 }) < 1e-7)
            let constant = [Float](repeating: 0.3, count: h * w * c)
            let out = try withView(constant, h, w, c) {
                try workspace.rendered($0, height: 17, width: 40)
            }
            #expect(largestDifference(out, [Double](repeating: 0.3, count: 17 * 40 * c)) < 1e-6)
        }
    }

    @Test func normalizes() throws {
        let normalization = try Normalization(mean: [0.5, 0.25, 0.1], std: [0.2, 0.5, 1])
        let out = try withView([255, 0, 51] as [UInt8], 1, 1, 3) {
            try AugmentationWorkspace().rendered($0, height: 1, width: 1, normalization)
        }
        #expect(largestDifference(out, [2.5, -0.5, 0.1]) < 1e-6)
    }

    @Test func refusesWhatCannotBe() throws {
        var out: [Float] = [0]
        let byte: [UInt8] = [1]
        byte.withUnsafeBytes { bytes in
            let image = ImageView(
                dense: bytes.baseAddress!, element: .u8, height: 1, width: 1, channels: 1)
            var (empty, wide) = (image, image)
            (empty.height, wide.channels) = (0, 5)
            out.withUnsafeMutableBufferPointer { out in
                let to = out.baseAddress!
                func resized(_ image: ImageView, height: Int) throws(SupConError) {
                    try resize(image, into: to, height: height, width: 1)
                }
                expectError(.argument, "resized images are 0×1; expected 1 to 65536 pixels a side")
                { () throws(SupConError) in try resized(image, height: 0) }
                expectError(.argument, "images are 0×1; expected 1 to 65536 pixels a side") {
                    () throws(SupConError) in try resized(empty, height: 1)
                }
                expectError(.argument, "images have 5 channels; expected 1 to 4") {
                    () throws(SupConError) in try resized(wide, height: 1)
                }
                #expect(throws: Never.self) { try resized(image, height: 1) }
            }
        }
        expectError(.argument, "std of channel 0 is 0.0; expected a number of at least 1e-6") {
            () throws(SupConError) in try Normalization(mean: [0], std: [0])
        }
        expectError(.argument, "mean of channel 0 is nan; expected a finite number") {
            () throws(SupConError) in try Normalization(mean: [.nan], std: [1])
        }
        expectError(.shape, "there are 2 means and 1 deviations; expected one each") {
            () throws(SupConError) in try Normalization(mean: [0, 0], std: [1])
        }
    }
}
