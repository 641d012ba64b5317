/// Reads integers from untrusted bytes; nil beyond the end.
extension UnsafeRawBufferPointer {
    func byte(_ offset: Int) -> Int? { (0..<count).contains(offset) ? Int(self[offset]) : nil }

    func bigEndian16(_ offset: Int) -> Int? {
        guard offset >= 0, offset <= count - 2 else { return nil }
        return Int(self[offset]) << 8 | Int(self[offset + 1])
    }
    func bigEndian32(_ offset: Int) -> Int? {
        guard offset >= 0, offset <= count - 4 else { return nil }
        return Int(self[offset]) << 24 | Int(self[offset + 1]) << 16 | Int(self[offset + 2]) << 8
            | Int(self[offset + 3])
    }
    func littleEndian16(_ offset: Int) -> Int? {
        bigEndian16(offset).map { ($0 & 0xff) << 8 | $0 >> 8 }
    }
    func littleEndian32(_ offset: Int) -> Int? {
        bigEndian32(offset).map { Int(UInt32(truncatingIfNeeded: $0).byteSwapped) }
    }

    func starts(_ offset: Int = 0, with prefix: StaticString) -> Bool {
        guard offset >= 0, offset <= count - prefix.utf8CodeUnitCount else { return false }
        for i in 0..<prefix.utf8CodeUnitCount where self[offset + i] != prefix.utf8Start[i] {
            return false
        }
        return true
    }

    /// Whether the bytes begin like a pointer file of Git LFS, a placeholder for a file that has
    /// not been fetched.
    package var isGitLFSPointer: Bool { starts(with: "version https://git-lfs.github.com/spec/") }
    package static var gitLFSPointer: String {
        "is a pointer of Git LFS, not the file itself; expected that: run “git lfs pull”"
    }

    /// Returns `length` bytes from `offset` on, or as many as there are.
    func part(_ offset: Int, _ length: Int) -> UnsafeRawBufferPointer {
        let start = Swift.min(Swift.max(offset, 0), count)
        return UnsafeRawBufferPointer(
            rebasing: self[start..<Swift.min(start + Swift.max(length, 0), count)])
    }
}
