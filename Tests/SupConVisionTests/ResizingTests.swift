import SupConTensor
import Testing

@testable import SupConVision

/// Tests the two ways of bringing an image to a size.
@Suite struct ResizingTests {
    /// Compares with Pillow's resize of the whole and numpy's cut, from the file and from its
    /// pixels; also for a view after another that is augmented.
    @Test(arguments: [(60, 60), (40, 100)], [1, 2])
    func cropIsTorchvisions(_ size: (height: Int, width: Int), views: Int) throws {
        let truth = try contents(
            try Dataset.files([Fixtures.path("cat1_crop\(size.height)x\(size.width).png")]))[0]
        for isExact in [true, false] {
            let dataset = try Dataset.files(
                [Fixtures.path("cat1.jpg")], options: DatasetOptions(decodesExactly: isExact))
            let loader = try Loader(
                dataset, .defaults(views == 1 ? .none : .autoAugmentCIFAR10),
                second: views == 1 ? nil : .defaults(.none), views: views, height: size.height,
                width: size.width, mean: [0, 0, 0], std: [1, 1, 1], seed: 0, threads: 1,
                batchSize: 1, resizing: .crop)
            try loader.begin(epoch: 1, batches: [[0]])
            let view = try loader.next().pixels + (views - 1) * truth.count
            var (sum, largest) = (0.0, 0.0)
            for (i, expected) in truth.enumerated() {
                let difference = abs(Double(view[i]) * 255 - expected)
                (sum, largest) = (sum + difference, max(largest, difference))
            }
            #expect(sum / Double(truth.count) < (isExact ? 0.3 : 0.5))
            if isExact { #expect(largest < 0.6) }
        }
    }

    @Test func boxesAreInTheMiddle() {
        typealias Size = (height: Int, width: Int)
        func box(_ size: Size, _ wanted: Size) -> CropBox {
            Resizing.crop.box(of: size, for: wanted)
        }
        #expect(box((32, 32), (32, 32)) == CropBox(height: 32, width: 32))
        #expect(box((64, 128), (32, 32)) == CropBox(top: 0, left: 32, height: 64, width: 64))
        #expect(box((128, 64), (32, 32)) == CropBox(top: 32, left: 0, height: 64, width: 64))
        // Python's round(0.5) is 0, round(1.5) is 2.
        #expect(box((32, 33), (32, 32)).left == 0 && box((32, 35), (32, 32)).left == 2)
        #expect(box((10, 10), (40, 20)) == CropBox(top: 0, left: 2.5, height: 10, width: 5))
        #expect(box((1, 65536), (1, 1)) == CropBox(top: 0, left: 32768, height: 1, width: 1))
        #expect(
            Resizing.squash.box(of: (3, 50), for: (9, 9)) == CropBox(height: 3, width: 50))
    }

    /// Checks that a view of the image's own size equals the image, either way.
    @Test func nothingHappensToAnImageOfTheSize() throws {
        let pixels = (0..<(7 * 9)).map { UInt8($0 * 4) }
        var view = [Float](repeating: 0, count: 7 * 9)
        try pixels.withUnsafeBytes { bytes in
            let image = ImageView(
                dense: try #require(bytes.baseAddress), element: .u8, height: 7, width: 9,
                channels: 1)
            let part = Resizing.crop.box(of: (7, 9), for: (7, 9))
            try view.withUnsafeMutableBufferPointer {
                try resize(
                    image, part: part, reaches: true, into: try #require($0.baseAddress),
                    height: 7, width: 9, workspace: AugmentationWorkspace())
            }
        }
        #expect(zip(view, pixels).allSatisfy { abs($0 * 255 - Float($1)) < 1e-3 })
    }
}
