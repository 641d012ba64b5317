import SupConTensor
import Testing

@testable import SupConVision

/// Checks that views lie within 0 to 1, whatever the augmentation and the image.
@Suite struct ViewRangeTests {
    static let (height, width) = (20, 17)

    /// Returns noise, black, white, gray, and a checkerboard of the extremes.
    static func pixels(channels: Int) -> [UInt8] {
        var random = Philox(seed: 4, purpose: .test)
        let count = height * width * channels
        return (0..<count).map { _ in UInt8(random.index(below: 256)) }
            + [UInt8](repeating: 0, count: count) + [UInt8](repeating: 255, count: count)
            + [UInt8](repeating: 127, count: count)
            + (0..<count).map { $0 / channels % 2 == 0 ? 0 : 255 }
    }

    @Test(arguments: AugmentationOptions.Kind.allCases, [1, 3])
    func viewsLieWithin0To1(_ kind: AugmentationOptions.Kind, _ channels: Int) throws {
        let pixels = Self.pixels(channels: channels)
        var options = AugmentationOptions.defaults(kind)
        (options.randAugmentOperations, options.randAugmentMagnitude) = (4, 30)
        options.cutout =
            [.autoAugmentImageNet, .autoAugmentCIFAR10, .randAugment].contains(kind) ? 0.5 : 0
        (options.jitterProbability, options.blurProbability, options.warpProbability) = (1, 1, 1)
        let count = 5
        var views = [Float](repeating: .nan, count: count * 16 * 16 * channels)
        for epoch in 0..<60 {
            try pixels.withUnsafeBytes { bytes in
                let start = try #require(bytes.baseAddress)
                let batch = ImageBatch(
                    dense: start, element: .u8, count: count, height: Self.height,
                    width: Self.width, channels: channels)
                try augment(
                    batch, options, seed: 7, epoch: epoch, view: 0, height: 16, width: 16,
                    into: &views, context: .default)
            }
            let outside = views.filter { !(0...1).contains($0) }
            #expect(outside.isEmpty, "epoch \(epoch): \(Array(outside.prefix(3)))")
        }
    }
}
