import Foundation

@testable import SupConVision

/// The augmentation reference holds the results of Pillow and torchvision on small images, from
/// Fixtures/make_augmentation_reference.py.
struct AugmentationReference: Decodable {
    struct Resize: Decodable, Sendable {
        var seed, height, width, channels, outHeight, outWidth: Int
        var box: [Double], pillow: [Int], torchvision: [Double]?
    }
    struct Color: Decodable, Sendable {
        var operation: String; var value: Float; var result: [Double]
    }
    struct Blur: Decodable, Sendable {
        var seed, height, width: Int; var sigma: Float; var result: [Double]
    }
    struct Crop: Decodable, Sendable {
        var height, width: Int; var scale, ratio: [Float]; var mean, deviation: [Double];
        var area: Double
    }
    var resizes: [Resize], image, grayImage: [Float], colors, grays: [Color], blurs: [Blur],
        crops: [Crop]

    static let shared: AugmentationReference = {
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/augmentation_reference.json")
        return try! JSONDecoder().decode(AugmentationReference.self, from: Data(contentsOf: url))
    }()
}

/// Returns the bytes that the script makes: a linear congruential generator (Numerical Recipes).
func testImage(_ height: Int, _ width: Int, _ channels: Int, seed: Int) -> [UInt8] {
    var x = UInt32(seed)
    return (0..<(height * width * channels)).map { _ in
        x = x &* 1_664_525 &+ 1_013_904_223
        return UInt8(x >> 24)
    }
}

/// Calls `body` with a view of dense pixels.
func withView<T, R>(
    _ pixels: [T], _ height: Int, _ width: Int, _ channels: Int, _ body: (ImageView) throws -> R
) rethrows -> R {
    try pixels.withUnsafeBytes {
        try body(
            ImageView(
                dense: $0.baseAddress!, element: T.self == UInt8.self ? .u8 : .f32, height: height,
                width: width, channels: channels))
    }
}

/// Returns the largest difference; infinite if the counts differ or an element is not finite.
func largestDifference(_ a: [Float], _ b: [Double]) -> Double {
    a.count != b.count
        ? .infinity
        : zip(a, b).reduce(0) { max($0, ($1.0.isFinite ? abs(Double($1.0) - $1.1) : .infinity)) }
}

extension AugmentationWorkspace {
    /// Renders into an array.
    func rendered(
        _ image: ImageView, crop: CropBox? = nil, flip: Bool = false,
        operations: [any ImageOperation] = [], height: Int, width: Int,
        _ normalization: Normalization = .none
    ) throws -> [Float] {
        // One number more than is asked for, to see that it stays.
        var out = [Float](repeating: -7, count: height * width * image.channels + 1)
        try out.withUnsafeMutableBufferPointer {
            try render(
                image, crop: crop ?? CropBox(height: image.height, width: image.width), flip: flip,
                operations: operations, height: height, width: width,
                normalization, into: $0.baseAddress!)
        }
        return out.removeLast() == -7 ? out : []
    }
}
