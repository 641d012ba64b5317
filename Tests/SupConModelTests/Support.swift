import Foundation
import SupConNetwork
import SupConTensor
import SupConVision
import Testing

@testable import SupConModel

/// A folder for one test, removed with the object.
final class Folder {
    let path: String
    init() throws {
        path =
            FileManager.default.temporaryDirectory.appendingPathComponent(
                "supcon-tests-\(UUID().uuidString)"
            ).path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }
    var contents: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }

    /// Writes a file of these bytes.
    func write(_ bytes: Data, _ name: String = "file.safetensors") throws -> String {
        try bytes.write(to: URL(fileURLWithPath: file(name)))
        return file(name)
    }
}

func fixture(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "Fixtures/\(name)"
    ).path
}

/// Makes a safetensors file from a header as given, preceded by its length.
func safetensors(_ header: String, data: [UInt8] = [], length: UInt64? = nil) -> Data {
    withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { Data($0) }
        + Data(header.utf8) + Data(data)
}

extension ModelOptions {
    /// Returns options of an f32 model so small that a test takes no time.
    static func tiny(_ change: (inout ModelOptions) -> Void = { _ in }) -> ModelOptions {
        var options = ModelOptions()
        (
            options.width, options.imageHeight, options.imageWidth, options.projectionDimension,
            options.precision
        ) = (4, 16, 12, 6, .f32)
        // Blocks that begin as the identity would leave half of the parameters without effect.
        options.zeroInitLastGamma = false
        change(&options)
        return options
    }
}

extension Model {
    static func tiny(threads: Int = 2, _ change: (inout ModelOptions) -> Void = { _ in }) throws
        -> Model
    {
        try Model(.tiny(change), context: ExecutionContext(threads: threads))
    }

    /// Returns the rows of the images with `options`.
    func rows(_ images: Images, _ options: EmbedOptions = EmbedOptions()) throws -> [[Float]] {
        let dimension = outputDimension(options.output)
        var flat = [Float](repeating: .nan, count: max(images.count * dimension, 1))
        try images.withBatch { try embed($0, options, into: &flat) }
        return (0..<images.count).map { Array(flat[($0 * dimension)..<(($0 + 1) * dimension)]) }
    }

    func rows(_ dataset: Dataset, _ options: EmbedOptions = EmbedOptions()) throws -> [[Float]] {
        let dimension = outputDimension(options.output)
        var flat = [Float](repeating: .nan, count: max(dataset.count * dimension, 1))
        try embed(dataset, options, into: &flat)
        return (0..<dataset.count).map { Array(flat[($0 * dimension)..<(($0 + 1) * dimension)]) }
    }
}

/// Test images, dense u8 [count, height, width, channels], of a smooth pattern that differs from
/// image to image.
struct Images {
    var count, height, width, channels: Int
    var bytes: [UInt8]

    init(_ count: Int, height: Int = 16, width: Int = 12, channels: Int = 3) {
        (self.count, self.height, self.width, self.channels) = (count, height, width, channels)
        bytes = []
        for i in 0..<count {
            for y in 0..<height {
                for x in 0..<width {
                    for c in 0..<channels {
                        bytes.append(
                            UInt8(
                                127 + 100
                                    * sin(
                                        Double(x * (i + 1)) * 0.3 + Double(y * (c + 1)) * 0.2
                                            + Double(i))))
                    }
                }
            }
        }
    }

    /// Returns the images flipped left to right.
    func flipped() -> Images {
        var made = self
        for i in bytes.indices {
            let (c, x) = (i % channels, i / channels % width)
            made.bytes[i] = bytes[i - c - x * channels + (width - 1 - x) * channels + c]
        }
        return made
    }

    func withBatch<R>(_ body: (ImageBatch) throws -> R) rethrows -> R {
        try bytes.withUnsafeBytes { raw in
            // An empty array has no address; no pixel of it is read.
            let data = raw.baseAddress ?? UnsafeRawPointer(bitPattern: 64)!
            return try body(
                ImageBatch(
                    dense: data, element: .u8, count: count, height: height, width: width,
                    channels: channels))
        }
    }
}

/// Returns the largest difference of two tables.
func difference(_ a: [[Float]], _ b: [[Float]]) -> Float {
    guard a.map(\.count) == b.map(\.count) else { return .infinity }
    // A NaN anywhere is a difference.
    return zip(a.joined(), b.joined()).reduce(0) {
        let d = abs($1.0 - $1.1); return d <= $0 ? $0 : d.isNaN ? .infinity : d
    }
}

/// Sets values that make every parameter matter, including running statistics.
func fill(_ network: Network) {
    for (p, entry) in network.parameters.entries.enumerated() {
        let amplitude =
            entry.shape.count > 1 ? 1.4 / Double(entry.count / entry.shape[0]).squareRoot() : 0.3
        let base = entry.role == .runningVariance || entry.role == .normWeight ? 1.0 : 0
        for i in 0..<entry.count {
            network.parameters.pointer(entry)[i] = Float(
                base + amplitude * sin(0.7 * Double(i) + 0.01 * Double(i * i) + Double(p)))
        }
    }
}

extension Model {
    /// Runs a body that throws any error within `exclusive`.
    func alone(_ body: () throws -> Void) throws {
        var failure: (any Error)?
        try exclusive { do { try body() } catch { failure = error } }
        if let failure { throw failure }
    }
}
