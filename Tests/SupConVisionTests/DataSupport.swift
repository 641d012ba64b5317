import Foundation
import SupConTensor
import SupConVision
import Testing

/// The fixtures are the images of Fixtures/make_images.py, with their contents.
enum Fixtures {
    struct Image {
        var height, width: Int
        var rgb, gray: [UInt8]
    }

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Fixtures")
    static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
    static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
    }

    static func expected() throws -> [String: [String: Any]] {
        let object = try JSONSerialization.jsonObject(
            with: Data(contentsOf: folder.appendingPathComponent("expected.json")))
        return try #require(object as? [String: [String: Any]])
    }

    static func image(_ name: String) throws -> Image {
        let entries = try expected()
        let entry = try #require(entries[name])
        func bytes(_ key: String) throws -> [UInt8] {
            let text = try #require(entry[key] as? String)
            return [UInt8](try #require(Data(base64Encoded: text)))
        }
        let height = try #require(entry["height"] as? Int)
        let width = try #require(entry["width"] as? Int)
        return Image(height: height, width: width, rgb: try bytes("rgb"), gray: try bytes("gray"))
    }
}

/// A temporary folder is removed at the end.
final class TemporaryFolder {
    let url: URL
    var path: String { url.path }

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent(
            "supcon-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    @discardableResult func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = url.appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
        return file.path
    }
    func copy(_ fixture: String, to name: String) throws {
        try write(name, Fixtures.bytes(fixture))
    }
    func folder(_ name: String) throws {
        try FileManager.default.createDirectory(
            at: url.appendingPathComponent(name), withIntermediateDirectories: true)
    }
    func link(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: path(name), withDestinationPath: target)
    }
}

/// Returns the elements of an image, dense [height, width, channels], by the view's own strides,
/// one at a time.
func numbers(_ view: ImageView) -> [Double] {
    var result: [Double] = []
    for y in 0..<view.height {
        for x in 0..<view.width {
            for c in 0..<view.channels {
                let offset = y * view.rowStride + x * view.columnStride + c * view.channelStride
                result.append(
                    view.element == .u8
                        ? Double(view.data.load(fromByteOffset: offset, as: UInt8.self))
                        : Double(view.data.load(fromByteOffset: 4 * offset, as: Float.self)))
            }
        }
    }
    return result
}

/// Returns all images of a data set, as `numbers` does.
func contents(_ dataset: Dataset) throws -> [[Double]] {
    let reader = ImageReader(dataset)
    return try (0..<dataset.count).map { index in
        let size = try reader.open(index)
        let view = try reader.pixels(atLeast: 1)
        #expect(
            view.height == size.height && view.width == size.width
                && view.channels == dataset.channels)
        return numbers(view)
    }
}
