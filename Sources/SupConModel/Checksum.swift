import CKernels
import CZlib
import SupConTensor

/// A checksum protects the safetensors files that this library writes. It is the CRC-32 (zlib's, of
/// ISO 3309) of all bytes, with the eight hexadecimal digits in the metadata that state it replaced
/// by zeros. It detects every flipped bit, and every damage of up to 32 consecutive bits outside of
/// its entry's own name, without which a file has no checksum.
///
/// Files of other programs have no checksum and are not checked. A program that changes tensors but
/// keeps the metadata, as Python's safetensors allows, leaves a checksum that no longer matches;
/// such files are distinguished from damaged ones by the order of the metadata (`isRewritten`).
enum Checksum {
    static let key = "supcon.crc32"
    static let blank = "00000000"
    private static let piece = 1 << 20

    /// Returns the position of the digits in a header; nil if there are none, or not as this
    /// library writes them.
    static func digits(in header: UnsafeRawBufferPointer) -> Range<Int>? {
        // Within a JSON string the quotes would be escaped.
        let before = Array("\"\(key)\":\"".utf8)
        let found = Int(sc_find_bytes(header.baseAddress, header.count, before, before.count))
        if found < 0 { return nil }
        let start = found + before.count
        let end = start + blank.utf8.count
        return end <= header.count ? start..<end : nil
    }

    /// Returns the metadata in the order in which this library writes it: by descending keys, an
    /// order that no other program uses.
    static func ordered(_ metadata: [(key: String, value: String)]) -> [(
        key: String, value: String
    )] {
        metadata.sorted { $0.key > $1.key }
    }

    /// Returns whether another program has rewritten the metadata: by ascending keys, or in the
    /// arbitrary order of a hash table, so that many neighbors are not in descending order. Damage
    /// to one key puts at most two pairs out of order.
    static func isRewritten(_ keys: [String]) -> Bool {
        zip(keys, keys.dropFirst()).count { $0 <= $1 } > 2
    }

    /// Returns whether `key` is the name of the entry with one byte damaged, as a flipped bit does.
    static func isDamaged(_ key: String) -> Bool {
        let pairs = zip(key.utf8, Self.key.utf8)
        return key.utf8.count == Self.key.utf8.count && pairs.count { $0 != $1 } == 1
    }

    static func text(_ sum: UInt) -> String {
        let digits = String(UInt32(truncatingIfNeeded: sum), radix: 16)
        return blank.dropLast(digits.count) + digits
    }

    static func add(_ bytes: UnsafeRawBufferPointer, to sum: UInt) -> UInt {
        guard let start = bytes.baseAddress else { return sum }
        return crc32_z(sum, start.assumingMemoryBound(to: UInt8.self), bytes.count)
    }

    /// Writes the checksum of a header and what follows it into the header.
    static func fill(_ header: inout [UInt8], followedBy parts: [UnsafeRawBufferPointer]) {
        guard let digits = header.withUnsafeBytes({ Checksum.digits(in: $0) }) else { return }
        let sum = parts.reduce(header.withUnsafeBytes { add($0, to: 0) }) { add($1, to: $0) }
        header.replaceSubrange(digits, with: text(sum).utf8)
    }

    /// Verifies that `file` matches its metadata. `header` holds the header and the 8 bytes before
    /// it, as they are in the file; its digits are replaced by zeros. Errors: format, io, memory.
    static func check(
        _ file: FileReader, _ expected: String, header: UnsafeMutableRawBufferPointer
    ) throws(SupConError) {
        var sum: UInt = 0
        if let digits = digits(in: UnsafeRawBufferPointer(header)) {
            for index in digits { header[index] = UInt8(ascii: "0") }
            sum = add(UnsafeRawBufferPointer(header), to: 0)
            let memory = try AlignedBuffer(byteCount: piece)
            var done = header.count
            while done < file.byteCount {
                let count = min(piece, file.byteCount - done)
                try file.read(count, at: done, into: memory.pointer)
                sum = add(UnsafeRawBufferPointer(start: memory.pointer, count: count), to: sum)
                done += count
            }
        }
        try require(
            text(sum) == expected, .format,
            """
            its checksum is \(text(sum)), but its metadata has "\(expected.prefix(40))" as \
            \(key): it is damaged, or a program changed it and kept that entry, which must be \
            removed then
            """
        )
    }
}
