import Foundation
import SupConTensor
import Testing

@testable import SupConVision

/// Compares views of a photograph that is decoded at a smaller size with Pillow's views of all
/// pixels.
@Suite struct JPEGMarginTests {
    /// Returns the mean difference, in levels of 255, between this library's view of a file and
    /// Pillow's.
    private func difference(_ orientation: Int, _ height: Int, _ width: Int, isExact: Bool) throws
        -> Double
    {
        let truth = try contents(
            try Dataset.files([Fixtures.path("cat\(orientation)_\(height)x\(width).png")]))[0]
        let dataset = try Dataset.files(
            [Fixtures.path("cat\(orientation).jpg")],
            options: DatasetOptions(onError: .refuse, decodesExactly: isExact))
        var view = [Float](repeating: 0, count: height * width * 3)
        try view.withUnsafeMutableBufferPointer {
            try augment(
                dataset, indices: [0], .defaults(.none), seed: 0, epoch: 0, view: 0, height: height,
                width: width, into: try #require($0.baseAddress), context: .default)
        }
        return zip(view, truth).map { abs(Double($0) * 255 - $1) }.reduce(0, +)
            / Double(truth.count)
    }

    @Test(arguments: [1, 3, 6], [(24, 24), (60, 88), (120, 100)])
    func viewsAreThoseOfAllPixels(_ orientation: Int, _ size: (height: Int, width: Int)) throws {
        // A quarter of a level is what rounding the truth to bytes costs on average.
        #expect(try difference(orientation, size.height, size.width, isExact: true) < 0.3)
        #expect(try difference(orientation, size.height, size.width, isExact: false) < 0.5)
    }

    /// Checks which views are decoded smaller, of a photograph of 300×451 pixels.
    @Test func smallViewsAreDecodedSmaller() throws {
        for (isExact, fraction, height) in [
            (false, 1.0 / 12, 75), (false, 0.084, 150), (false, 0.2, 150), (false, 0.201, 300),
            (false, 1, 300), (false, .nan, 300), (true, 0, 300),
        ] {
            let reader = ImageReader(
                try Dataset.files(
                    [Fixtures.path("cat1.jpg")], options: DatasetOptions(decodesExactly: isExact)))
            _ = try reader.open(0)
            #expect(try reader.pixels(atLeast: fraction).height == height, "\(fraction)")
        }
    }

    /// Checks the part of the pixels in which the image lies, where the last stored ones are filled
    /// in part.
    @Test func partsOfPixelsAreToldByTheFrame() throws {
        for (orientation, frame) in [
            (1, CropBox(top: 0, left: 0, height: 75, width: 112.75)),
            (3, CropBox(top: 0, left: 0.25, height: 75, width: 112.75)),
            (6, CropBox(top: 0, left: 0, height: 112.75, width: 75)),
        ] {
            let reader = ImageReader(
                try Dataset.files([Fixtures.path("cat\(orientation).jpg")]))
            _ = try reader.open(0)
            let view = try reader.pixels(atLeast: 0.01)
            #expect(reader.frame == frame)
            #expect(max(view.height, view.width) == 113)
            // A part of the image, there.
            let part = CropBox(top: 4, left: 8, height: 40, width: 80)
            let size = orientation == 6 ? (451, 300) : (300, 451)
            let mapped = part.mapped(from: size, to: reader.frame)
            #expect(
                abs(mapped.top - 1 - frame.top) < 1e-12
                    && abs(mapped.left - 2 - frame.left) < 1e-12
                    && abs(mapped.height - 10) < 1e-12 && abs(mapped.width - 20) < 1e-12)
        }
    }

    /// Checks that the model's own path from a file to its input uses the same margin.
    @Test func exactDecodingIsThatOfAnArray() throws {
        let path = Fixtures.path("cat1.jpg")
        let exact = try Dataset.files([path], options: DatasetOptions(decodesExactly: true))
        let array = try exact.materialize([0])
        func view(_ dataset: Dataset) throws -> [Float] {
            var view = [Float](repeating: 0, count: 20 * 20 * 3)
            try view.withUnsafeMutableBufferPointer {
                try augment(
                    dataset, indices: [0], .defaults(.simclr), seed: 4, epoch: 1, view: 1,
                    height: 20, width: 20, into: try #require($0.baseAddress), context: .default)
            }
            return view
        }
        #expect(try view(exact) == view(array))
        #expect(try view(Dataset.files([path])) != view(array))
    }
}
