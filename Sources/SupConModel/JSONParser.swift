import SupConTensor

extension JSON {
    /// Parses one value, which fills `bytes` except for white space. The parser is strict:
    /// everything that RFC 8259 does not allow is an error, and so are two members of one name,
    /// lone surrogates, more than 64 nested values, or more than 4 million values in all. Errors:
    /// format, with the offset of the error.
    package init(parsing bytes: UnsafeRawBufferPointer) throws(SupConError) {
        var parser = JSONParser(bytes)
        self = try parser.document()
    }

    /// Parses a string. Errors: format.
    package init(parsing text: String) throws(SupConError) {
        let bytes = Array(text.utf8)
        let result: Result<JSON, SupConError> = bytes.withUnsafeBytes { bytes in
            Result { () throws(SupConError) -> JSON in try JSON(parsing: bytes) }
        }
        self = try result.get()
    }
}

/// A parser by recursive descent over untrusted bytes.
private struct JSONParser {
    private let bytes: UnsafeRawBufferPointer
    private var at = 0
    private var depth = 0
    private var values = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func document() throws(SupConError) -> JSON {
        let value = try value()
        skipSpace()
        try require(
            at == bytes.count, .format, "JSON ends at byte \(at), but there are \(bytes.count)")
        return value
    }

    private func error(_ expected: String) -> SupConError {
        let found = at < bytes.count ? "byte \(bytes[at])" : "the end"
        return SupConError(.format, "JSON has \(found) at byte \(at); expected \(expected)")
    }

    private mutating func skipSpace() {
        while at < bytes.count,
            bytes[at] == 0x20 || bytes[at] == 0x0A || bytes[at] == 0x0D || bytes[at] == 0x09
        { at += 1 }
    }

    /// Consumes `character` if it is next. Returns whether it was.
    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    private mutating func value() throws(SupConError) -> JSON {
        skipSpace()
        values += 1
        try require(values <= 4_000_000, .format, "JSON has more than 4 million values")
        guard at < bytes.count else { throw error("a value") }
        switch bytes[at] {
        case UInt8(ascii: "{"):
            return .object(try nested { parser throws(SupConError) in try parser.members() })
        case UInt8(ascii: "["):
            return .array(try nested { parser throws(SupConError) in try parser.elements() })
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default:
            for (word, value) in [
                ("true", JSON.bool(true)), ("false", .bool(false)), ("null", .null),
            ] where bytes[at...].starts(with: word.utf8) {
                at += word.utf8.count
                return value
            }
            throw error("a value")
        }
    }

    private mutating func nested<R>(_ body: (inout JSONParser) throws(SupConError) -> R)
        throws(SupConError) -> R
    {
        at += 1
        depth += 1
        try require(
            depth <= 64, .format, "JSON has more than 64 values within each other at byte \(at)")
        let result = try body(&self)
        depth -= 1
        return result
    }

    private mutating func elements() throws(SupConError) -> [JSON] {
        var elements: [JSON] = []
        skipSpace()
        if take("]") { return elements }
        while true {
            elements.append(try value())
            skipSpace()
            if take("]") { return elements }
            if !take(",") { throw error("\",\" or \"]\"") }
        }
    }

    private mutating func members() throws(SupConError) -> [JSON.Member] {
        var members: [JSON.Member] = []
        var keys: Set<String> = []
        skipSpace()
        if take("}") { return members }
        while true {
            skipSpace()
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else {
                throw error("a member's name")
            }
            let key = try string()
            try require(
                keys.insert(key).inserted, .format,
                "JSON has two members \"\(key.prefix(200))\" in one object, at byte \(at)")
            skipSpace()
            if !take(":") { throw error("\":\"") }
            members.append(JSON.Member(key, try value()))
            skipSpace()
            if take("}") { return members }
            if !take(",") { throw error("\",\" or \"}\"") }
        }
    }

    private mutating func number() throws(SupConError) -> JSON {
        let start = at
        var isInteger = true
        func digit(_ parser: Self) -> Bool {
            parser.at < parser.bytes.count
                && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(parser.bytes[parser.at])
        }
        func digits(_ parser: inout Self) throws(SupConError) {
            if !digit(parser) { throw parser.error("a digit") }
            while digit(parser) { parser.at += 1 }
        }
        _ = take("-")
        if !take("0") { try digits(&self) }
        if take(".") {
            isInteger = false
            try digits(&self)
        }
        if take("e") || take("E") {
            isInteger = false
            if !take("-") { _ = take("+") }
            try digits(&self)
        }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        if isInteger, let integer = Int(text) { return .integer(integer) }
        guard let real = Double(text), real.isFinite else {
            throw SupConError(
                .format,
                "JSON has the number \(text.prefix(40)) at byte \(start), which is too large")
        }
        return .real(real)
    }

    private mutating func string() throws(SupConError) -> String {
        let start = at
        at += 1
        var text: [UInt8] = []
        while at < bytes.count {
            let byte = bytes[at]
            switch byte {
            case UInt8(ascii: "\""):
                at += 1
                guard let valid = String(validating: text, as: UTF8.self) else {
                    throw SupConError(
                        .format, "JSON has a string that is not UTF-8 at byte \(start)")
                }
                return valid
            case UInt8(ascii: "\\"):
                at += 1
                if let encoded = UTF8.encode(try escaped()) { text += encoded }
            case 0..<0x20:
                throw error("a character of a string; control characters must be escaped")
            default:
                text.append(byte)
                at += 1
            }
        }
        throw error("the string's end")
    }

    /// Parses the part of an escape sequence after the backslash.
    private mutating func escaped() throws(SupConError) -> Unicode.Scalar {
        guard at < bytes.count else { throw error("an escaped character") }
        let simple: Unicode.Scalar? =
            switch bytes[at] {
            case UInt8(ascii: "\""): "\""
            case UInt8(ascii: "\\"): "\\"
            case UInt8(ascii: "/"): "/"
            case UInt8(ascii: "b"): "\u{8}"
            case UInt8(ascii: "f"): "\u{c}"
            case UInt8(ascii: "n"): "\n"
            case UInt8(ascii: "r"): "\r"
            case UInt8(ascii: "t"): "\t"
            default: nil
            }
        if let simple {
            at += 1
            return simple
        }
        if !take("u") { throw error("one of \"\\/bfnrtu behind a backslash") }
        let first = try fourDigits()
        if let scalar = Unicode.Scalar(first) { return scalar }
        // The first half of a pair of surrogates; the second must follow.
        guard (0xD800..<0xDC00).contains(first), take("\\"), take("u") else {
            throw error("the second half of a pair of surrogates")
        }
        let second = try fourDigits()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else {
            throw error("the second half of a pair of surrogates")
        }
        return scalar
    }

    private mutating func fourDigits() throws(SupConError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard at < bytes.count, let digit = Character(Unicode.Scalar(bytes[at])).hexDigitValue
            else { throw error("four hexadecimal digits") }
            code = code << 4 | UInt32(digit)
            at += 1
        }
        return code
    }
}
