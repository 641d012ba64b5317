import Foundation
import SupConTensor
import TestSupport
import Testing

@testable import SupConModel

@Suite struct JSONTests {
    @Test func readsWhatTheStandardAllows() throws {
        #expect(
            try JSON(parsing: " [1, -0, 2.5e1, true, false, null, \"\"]\n")
                == .array([
                    .integer(1), .integer(0), .real(25), .bool(true), .bool(false), .null,
                    .string(""),
                ]))
        #expect(
            try JSON(parsing: "{\"a\" : {}, \"b\":[ ]}")
                == .object([.init("a", .object([])), .init("b", .array([]))]))
        #expect(
            try JSON(parsing: #""\"\\\/\b\f\n\r\t\u00fc\uD83D\uDE00é😀""#)
                == .string("\"\\/\u{8}\u{c}\n\r\tü😀é😀"))
        #expect(try JSON(parsing: "9223372036854775807") == .integer(.max))
        #expect(try JSON(parsing: "9223372036854775808") == .real(0x1p63))
        #expect(try JSON(parsing: "1e-400") == .real(0))
    }

    @Test(arguments: [
        "", " ", "{", "[", "\"", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "{1:1}", "[1 2]", "01",
        "-", "1.", ".5", "1e", "+1", "0x10", "nul", "truee", "NaN", "Infinity", "1e400", "'a'",
        "\"\t\"", "\"\u{0}\"", #""\x""#, #""\u12"#, #""\u12g4""#, #""\uD800""#, #""\uD800\u0041""#,
        #""\uDC00""#, #""\uD800\uD800""#, "[] []", "{\"a\":1,\"a\":2}", "// \n1", "\u{feff}1",
    ])
    func refusesWhatItDoesNot(_ text: String) {
        expectError(.format, "JSON") { _ = try JSON(parsing: text) }
    }

    @Test func refusesBytesThatAreNotUTF8() {
        for bad: [UInt8] in [
            [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82],
        ] {
            let bytes = [UInt8(ascii: "\"")] + bad + [UInt8(ascii: "\"")]
            expectError(.format, "UTF-8") {
                _ = try bytes.withUnsafeBytes { try JSON(parsing: $0) }
            }
        }
    }

    @Test func refusesDeepNestingWithoutEndOfStack() throws {
        _ = try JSON(parsing: String(repeating: "[", count: 64) + String(repeating: "]", count: 64))
        expectError(.format, "more than 64") {
            _ = try JSON(parsing: String(repeating: "[", count: 65))
        }
        expectError(.format, "more than 64") {
            _ = try JSON(parsing: String(repeating: "{\"a\":", count: 1_000_000))
        }
    }

    @Test func writesWhatFoundationReads() throws {
        let value = JSON.object([
            .init("text \"\\\n\u{1}ü😀", .string("\u{7f}/")),
            .init(
                "numbers",
                .array([
                    .integer(.min), .real(0.1), .real(1e300), .real(.leastNonzeroMagnitude),
                    .real(-0.0), .real(1e16),
                ])),
            .init("rest", .array([.null, .bool(true), .bool(false), .array([]), .object([])])),
        ])
        #expect(try JSON(parsing: value.text) == value)
        let read = try #require(
            JSONSerialization.jsonObject(with: Data(value.text.utf8)) as? [String: Any])
        #expect(read["text \"\\\n\u{1}ü😀"] as? String == "\u{7f}/")
        #expect(
            read["numbers"] as? [Double] == [
                Double(Int.min), 0.1, 1e300, .leastNonzeroMagnitude, -0.0, 1e16,
            ])
        #expect(JSON.real(.nan).text == "null")
    }
}
