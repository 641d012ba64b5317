import Foundation
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConModel

@Suite struct ChecksumTests {
    static func saved(_ folder: Folder) throws -> Data {
        var options = ModelOptions()
        (options.width, options.channels) = (2, 1)
        (options.imageHeight, options.imageWidth) = (8, 8)
        (options.head, options.precision) = (.none, .f32)
        try Model(options, context: ExecutionContext(threads: 1)).save(folder.file("m"))
        return try Data(contentsOf: URL(fileURLWithPath: folder.file("m")))
    }
    static func load(_ bytes: Data, _ folder: Folder) throws -> Model {
        try Model.load(
            try folder.write(bytes), LoadOptions(), context: try ExecutionContext(threads: 1))
    }

    /// Compares the checksum with zlib's `crc32` of the file with its digits set to zero.
    @Test func isTheCRC32OfTheFileWithoutIt() throws {
        let folder = try Folder()
        var bytes = [UInt8](try Self.saved(folder))
        let key = Array("\"supcon.crc32\":\"".utf8)
        let start = try #require(
            (0..<bytes.count - key.count).first { bytes[$0..<$0 + key.count].elementsEqual(key) })
        let digits = start + key.count..<start + key.count + 8
        let written = String(decoding: bytes[digits], as: UTF8.self)
        bytes.replaceSubrange(digits, with: "00000000".utf8)
        // Bit by bit, by the polynomial of ISO 3309, reflected.
        var sum: UInt32 = .max
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
        }
        #expect(UInt32(written, radix: 16) == ~sum)
    }

    /// Flips bits at random places, and all those of the name of the checksum's entry.
    @Test func everyFlippedBitIsFound() throws {
        let folder = try Folder()
        let whole = try Self.saved(folder)
        _ = try Self.load(whole, folder)
        let name = try #require(whole.range(of: Data("supcon.crc32".utf8)))
        var random = SystemRandomNumberGenerator()
        let bits = (0..<200).map { _ in Int.random(in: 0..<whole.count * 8, using: &random) }
        for bit in bits + (name.lowerBound * 8..<name.upperBound * 8) {
            var flipped = whole
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            let error = #expect(throws: SupConError.self, "bit \(bit)") {
                try Self.load(flipped, folder)
            }
            #expect(error?.kind == .format, "bit \(bit): \(error?.message ?? "")")
        }
    }

    @Test func filesWithoutOneAreRead() throws {
        let folder = try Folder()
        var bytes = try Self.saved(folder)
        let key = try #require(bytes.range(of: Data("supcon.crc32".utf8)))
        bytes.replaceSubrange(key, with: Data("other.words.".utf8))
        _ = try Self.load(bytes, folder)
    }

    @Test func aStaleOneSaysWhatToDo() throws {
        let folder = try Folder()
        var bytes = try Self.saved(folder)
        bytes[bytes.count - 1] ^= 1
        expectError(.format, "supcon.crc32", "damaged", "removed") {
            _ = try Self.load(bytes, folder)
        }
    }

    /// Checks that a file rewritten by Python's safetensors, which orders the metadata in its own
    /// way, is read: its contents were changed on purpose.
    @Test func aFileRewrittenByAnotherProgramIsRead() throws {
        let folder = try Folder()
        let bytes = try Self.saved(folder)
        let length = Int(bytes.prefix(8).withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
        var members = try #require(
            try JSONSerialization.jsonObject(with: bytes[8..<8 + length]) as? [String: Any])
        let metadata = try #require(
            members.removeValue(forKey: "__metadata__") as? [String: String])
        try #require(metadata.count > 8 && metadata["supcon.crc32"] != nil)
        func text(_ value: Any) throws -> String {
            String(
                decoding: try JSONSerialization.data(
                    withJSONObject: value, options: [.sortedKeys]), as: UTF8.self)
        }
        var header = "{\"__metadata__\":\(try text(metadata)),\(try text(members).dropFirst())"
        while header.utf8.count % 8 != 0 { header += " " }
        var rewritten = Data()
        withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) {
            rewritten.append(contentsOf: $0)
        }
        rewritten += Data(header.utf8) + bytes[(8 + length)...]
        rewritten[rewritten.count - 1] ^= 1
        _ = try Self.load(rewritten, folder)
    }
}
