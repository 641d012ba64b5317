import Foundation
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConModel

@Suite struct SafetensorsTests {
    func read(_ file: SafetensorsFile, _ name: String) throws -> [Float] {
        let entry = try #require(file.entries.first { $0.name == name })
        var values = [Float](repeating: 7, count: entry.count)
        try file.read(entry, into: &values)
        return values
    }

    @Test func readsWhatTheReferenceWrote() throws {
        let file = try SafetensorsFile(fixture("numbers.safetensors"))
        #expect(file.metadata == ["who": "numpy ü 😀 \"quoted\""])
        #expect(
            Set(file.entries.map(\.name)) == ["f32", "f64", "f16", "i64", "u8", "empty", "flags"])
        #expect(try read(file, "f32") == [1.5, -2.25, 3e38, 0, -0.0, .leastNonzeroMagnitude])
        #expect(try read(file, "f64") == [0.1, -.infinity, 0x1p-149])
        #expect(
            try read(file, "f16") == [1, -2, 65504, 0x1p-24, 0x1p-14, 0.333251953125, .infinity])
        #expect(try read(file, "empty") == [])
        #expect(file.entries.first { $0.name == "f32" }?.shape == [2, 3])
        let integer = try #require(file.entries.first { $0.name == "i64" })
        #expect(integer.shape == [] && integer.count == 1)
        var five = 0
        try file.readBytes(integer, into: &five)
        #expect(five == -5)
        expectError(.format, "u8", "U8", "F32") { _ = try read(file, "u8") }
    }

    @Test func turnsEveryHalfIntoItsFloat() {
        for bits in UInt16.min...UInt16.max {
            let (expected, found) = (
                Float(Float16(bitPattern: bits)), SafetensorsFile.float(half: bits)
            )
            #expect(
                expected == found && expected.sign == found.sign || expected.isNaN && found.isNaN,
                "\(bits)")
        }
    }

    @Test func writesWhatCanBeParsedByHand() throws {
        let folder = try Folder()
        let path = folder.file("a.safetensors")
        let floats: [Float] = [1, -2, 3.5, 4, 5, 6]
        let (steps, bytes): ([Int64], [UInt8]) = ([-3], [1, 2, 3])
        try floats.withUnsafeBufferPointer { floats in
            try steps.withUnsafeBytes { steps in
                try bytes.withUnsafeBytes { bytes in
                    try Safetensors.write(
                        RawPath(path),
                        [
                            .init("bytes", .u8, [3], bytes),
                            .init("b", shape: [2, 3], floats.baseAddress!),
                            .init("steps", .i64, [], steps),
                            .init("a", shape: [1], floats.baseAddress!),
                        ],
                        metadata: [("key", "ü\n")])
                }
            }
        }
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let length = Int(
            data.prefix(8).enumerated().reduce(UInt64(0)) {
                $0 | UInt64($1.element) << (8 * UInt64($1.offset))
            })
        #expect(length % 8 == 0)
        let header = try #require(
            JSONSerialization.jsonObject(with: data[8..<(8 + length)]) as? [String: [String: Any]])
        let metadata = try #require(header["__metadata__"] as? [String: String])
        #expect(metadata["key"] == "ü\n" && Set(metadata.keys) == ["key", "supcon.crc32"])
        func stored(_ name: String, _ dtype: String, _ shape: [Int]) -> Data? {
            guard let entry = header[name], entry["dtype"] as? String == dtype,
                entry["shape"] as? [Int] == shape, let range = entry["data_offsets"] as? [Int]
            else { return nil }
            return Data(data[(8 + length + range[0])..<(8 + length + range[1])])
        }
        #expect(stored("b", "F32", [2, 3]) == floats.withUnsafeBytes { Data($0) })
        #expect(stored("a", "F32", [1]) == Data([0, 0, 0x80, 0x3F]))
        #expect(stored("steps", "I64", []) == Data([0xFD] + [UInt8](repeating: 0xFF, count: 7)))
        #expect(stored("bytes", "U8", [3]) == Data([1, 2, 3]))
        // Wide numbers first, then by name.
        let order = header.filter { $0.key != "__metadata__" }.sorted {
            ($0.value["data_offsets"] as! [Int])[0] < ($1.value["data_offsets"] as! [Int])[0]
        }.map(\.key)
        #expect(order == ["steps", "a", "b", "bytes"])
        #expect(data.count == 8 + length + 8 + 4 + 24 + 3)
    }

    @Test func refusesTensorsThatDoNotFit() throws {
        let folder = try Folder()
        let value: [Float] = [1]
        value.withUnsafeBytes { bytes in
            expectError(.argument, "two tensors are called \"a\"") {
                try Safetensors.write(
                    RawPath(folder.file("x")),
                    [.init("a", .f32, [1], bytes), .init("a", .f32, [1], bytes)])
            }
            expectError(.argument, "tensor a", "[2]") {
                try Safetensors.write(RawPath(folder.file("x")), [.init("a", .f32, [2], bytes)])
            }
            expectError(.argument, "tensor a") {
                try Safetensors.write(
                    RawPath(folder.file("x")), [.init("a", .f32, [.max, .max], bytes)])
            }
        }
        #expect(folder.contents == [])
    }

    static func one(_ entry: String) -> String { "{\"a\":\(entry)}" }

    @Test(arguments: [
        (one(#"{"dtype":"F32","shape":[2],"data_offsets":[0,4]}"#), 4, "has 4 bytes; expected 8"),
        (one(#"{"dtype":"F32","shape":[1],"data_offsets":[0,8]}"#), 4, "data_offsets [0, 8]"),
        (one(#"{"dtype":"F32","shape":[1],"data_offsets":[4,0]}"#), 4, "data_offsets [4, 0]"),
        (one(#"{"dtype":"F32","shape":[1],"data_offsets":[0]}"#), 4, "data_offsets [0]"),
        (one(#"{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}"#), 4, "data_offsets"),
        (
            one(#"{"dtype":"F32","shape":[1],"data_offsets":[0,99999999999999999999999]}"#), 4,
            "data_offsets"
        ),
        (
            one(#"{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#), 8,
            "begins at byte 4; expected 0"
        ),
        (one(#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#), 8, "8 bytes follow"),
        (one(#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#), 4, "shape"),
        (one(#"{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}"#), 4, "shape"),
        (one(#"{"dtype":"F32","shape":1,"data_offsets":[0,4]}"#), 4, "shape"),
        (
            one(#"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}"#), 0,
            "fewer than memory can hold"
        ),
        (
            one(#"{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,4]}"#), 4,
            "fewer than memory can hold"
        ),
        (one(#"{"dtype":"F33","shape":[1],"data_offsets":[0,4]}"#), 4, "dtype F33"),
        (one(#"{"shape":[1],"data_offsets":[0,4]}"#), 4, "no dtype"),
        (one(#"7"#), 4, "no dtype"),
        (
            #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
            4, "tensor b begins at byte 0; expected 4"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            8, "two members \"a\""
        ),
        (#"{"__metadata__":[]}"#, 0, "__metadata__ is an array"),
        (#"{"__metadata__":{"k":1}}"#, 0, "a number as \"k\""),
        ("[]", 0, "not a JSON object"), ("", 4, "the end"), ("{}", 4, "4 bytes follow"),
        ("{\"a\"}", 0, "byte 125 at byte 4"),
    ])
    func refusesWhatTheReferenceRefuses(_ header: String, _ data: Int, _ words: String) throws {
        let folder = try Folder()
        let path = try folder.write(safetensors(header, data: [UInt8](repeating: 0, count: data)))
        expectError(.format, path, words) { _ = try SafetensorsFile(path) }
    }

    @Test func refusesWrongLengthsAndOtherFiles() throws {
        let folder = try Folder()
        let full = safetensors("{}")
        for count in 0..<9 {
            expectError(.format, "\(count) bytes") {
                _ = try SafetensorsFile(try folder.write(full.prefix(count)))
            }
        }
        for length: UInt64 in [3, 1000, 100_000_001, 1 << 63, .max] {
            expectError(.format, "header of \(length) bytes") {
                _ = try SafetensorsFile(try folder.write(safetensors("{}", length: length)))
            }
        }
        #expect(try SafetensorsFile(try folder.write(safetensors("{}  "))).entries == [])
        expectError(.format, "zip", "safetensors.torch", "weights_only=True") {
            _ = try SafetensorsFile(
                try folder.write(Data("PK\u{3}\u{4}\0\0\u{8}\u{8}archive".utf8)))
        }
        expectError(.format, "pickle", "convert it once") {
            _ = try SafetensorsFile(
                try folder.write(Data([0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20])))
        }
        expectError(.io, "No such file") { _ = try SafetensorsFile(folder.file("missing")) }
        expectError(.io, "it is a folder") { _ = try SafetensorsFile(folder.path) }
        #expect(mkfifo(folder.file("pipe"), 0o600) == 0)
        expectError(.io, "pipe") { _ = try SafetensorsFile(folder.file("pipe")) }
        expectError(.io, "device") { _ = try SafetensorsFile("/dev/zero") }
    }

    /// Checks that a header whose length looks like a pickle's first bytes is still read as a
    /// header.
    @Test func readsAHeaderOf640Bytes() throws {
        let folder = try Folder()
        #expect(
            try SafetensorsFile(
                try folder.write(
                    safetensors("{}".padding(toLength: 0x280, withPad: " ", startingAt: 0)))
            ).entries == [])
        #expect(
            try SafetensorsFile(
                try folder.write(
                    safetensors("{}".padding(toLength: 0x10280, withPad: " ", startingAt: 0)))
            ).entries == [])
    }

    @Test func survivesEveryPrefixAndFlippedByte() throws {
        let folder = try Folder()
        let whole = try Data(contentsOf: URL(fileURLWithPath: fixture("numbers.safetensors")))
        func attempt() throws -> Bool {
            do throws(SupConError) {
                let file = try SafetensorsFile(folder.file("f"))
                for entry in file.entries where entry.dtype.isFloat {
                    let memory = try AlignedBuffer(Float.self, count: entry.count)
                    try file.read(entry, into: memory.floats)
                }
                return true
            } catch {
                #expect(error.kind == .format)
                return false
            }
        }
        for count in 0..<whole.count {
            _ = try folder.write(whole.prefix(count), "f")
            #expect(try !attempt(), "prefix of \(count)")
        }
        for place in 0..<whole.count {
            for flip: UInt8 in [1, 0x90] {
                var changed = whole
                changed[place] ^= flip
                _ = try folder.write(changed, "f")
                _ = try attempt()
            }
        }
    }
}
