import Foundation
import SupConModel
import SupConTensor
import SupConVision
import Testing

@testable import SupConTraining

/// Tests checkpoints with impossible values.
@Suite struct CheckpointTests {
    /// Trains an epoch with a checkpoint, changes the file's bytes, and resumes from it.
    func resume(
        _ options: (inout TrainOptions) -> Void = { _ in }, _ change: (inout Data) throws -> Void
    ) throws -> SupConError? {
        let dataset = try TrainerTests.dataset()
        let folder = try TrainerTests().temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func run(_ epochs: Int) throws {
            let all = TrainerTests.options {
                options(&$0)
                ($0.epochs, $0.checkpointFolder, $0.resume) = (epochs, RawPath(folder), true)
            }
            try Trainer(try TrainerTests.model(), dataset, all, context: TrainerTests.context).run(
                nil)
        }
        try run(1)
        let last = URL(fileURLWithPath: folder + "/last.supcon")
        var bytes = try Data(contentsOf: last)
        // A file of another program's, without a checksum: what it says is looked at.
        let key = try #require(bytes.range(of: Data("supcon.crc32".utf8)))
        bytes.replaceSubrange(key, with: Data("other.words.".utf8))
        try change(&bytes)
        try bytes.write(to: last)
        do { try run(2) } catch { return error as? SupConError }
        return nil
    }

    /// Replaces a string of the metadata, and adjusts the header's length.
    func replace(_ key: String, _ value: String, in bytes: inout Data) throws {
        let before = try #require(bytes.range(of: Data("\"\(key)\":\"".utf8)))
        let end = try #require(bytes[before.upperBound...].firstIndex(of: UInt8(ascii: "\"")))
        let change = value.utf8.count - (end - before.upperBound)
        bytes.replaceSubrange(before.upperBound..<end, with: Data(value.utf8))
        let length = bytes.prefix(8).enumerated().reduce(0) {
            $0 | Int($1.element) << ($1.offset * 8)
        }
        for byte in 0..<8 {
            bytes[byte] = UInt8(truncatingIfNeeded: (length + change) >> (byte * 8))
        }
    }

    @Test(arguments: [
        ("epoch", "9223372036854775807"), ("epoch", "-1"), ("epoch", "2147483648"),
        ("epoch", "1.5"), ("validations_without_gain", "9223372036854775807"),
        ("rate_factor", "nan"), ("rate_factor", "0"), ("rate_factor", "1e13"),
        ("validations_without_gain", "-1"), ("validations_without_gain", "2"),
        ("best_accuracy", "nan"), ("best_accuracy", "1.5"), ("best_accuracy", "-0.5"),
        ("best_accuracy", "inf"),
    ]) func countersHaveARange(_ key: String, _ value: String) throws {
        let error = try #require(try resume { try replace(key, value, in: &$0) })
        #expect(
            error.kind == .format && error.message.contains("\(key) is \"\(value)\""), "\(error)")
    }

    /// Returns the offset of a tensor's elements, by its name.
    func numbers(of name: String, in bytes: Data) throws -> Int {
        let length = bytes.prefix(8).enumerated().reduce(0) {
            $0 | Int($1.element) << ($1.offset * 8)
        }
        let header = try #require(
            try JSONSerialization.jsonObject(with: bytes[8..<8 + length]) as? [String: Any])
        let entry = try #require(header[name] as? [String: Any])
        return 8 + length + (try #require(entry["data_offsets"] as? [Int]))[0]
    }

    @Test(
        arguments: [
            ("model.conv1.weight", Float.nan), ("model.conv1.weight", .infinity),
            ("model.bn1.running_var", -1), ("optimizer.mean", .nan),
            ("optimizer.mean_square", -1), ("optimizer.mean_square", .infinity),
            ("optimizer.steps", -1), ("optimizer.steps", 0.5), ("optimizer.steps", .nan),
            ("average.conv1.weight", .nan), ("average.bn1.running_var", -1),
        ] as [(String, Float)]) func numbersArePossible(_ name: String, _ value: Float) throws
    {
        let error = try resume({ ($0.optimizer, $0.emaDecay) = (.adamw, 0.9) }) { bytes in
            let start = try numbers(of: name, in: bytes)
            withUnsafeBytes(of: value) { bytes.replaceSubrange(start..<start + 4, with: $0) }
        }
        let found = try #require(error)
        #expect(found.kind == .format, "\(found)")
        #expect(found.message.contains(name.replacing("model.", with: "")), "\(found)")
    }

    @Test func positionsInTheQueueArePossible() throws {
        let error = try resume({ ($0.queueMode, $0.queueSize) = (.negatives, 64) }) { bytes in
            let start = try numbers(of: "queue.positions", in: bytes)
            bytes[start + 7] = 0x7F
        }
        #expect(error?.kind == .format, "\(String(describing: error))")
    }

    @Test func damageIsFoundByTheChecksum() throws {
        let error = try resume { bytes in
            let key = try #require(bytes.range(of: Data("other.words.".utf8)))
            bytes.replaceSubrange(key, with: Data("supcon.crc32".utf8))
            bytes[bytes.count - 2] ^= 1
        }
        #expect(error?.kind == .format && error?.message.contains("checksum") == true)
    }
}
