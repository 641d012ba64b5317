import Glibc
import SupConTensor

/// A raw path is the path of a file as the system has it: bytes, which need not be UTF-8. They are
/// repaired where the path is shown, and kept where it is opened.
public struct RawPath: Sendable, Hashable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The bytes, without the final NUL.
    public let bytes: [UInt8]

    /// Makes a path of its bytes.
    public init(bytes: [UInt8]) { self.bytes = bytes }
    /// Makes a path of a string's UTF-8.
    public init(_ path: String) { bytes = Array(path.utf8) }
    /// Makes a path of a literal.
    public init(stringLiteral path: String) { self.init(path) }
    /// Makes a path of a C string, which ends in NUL.
    public init(cString: UnsafePointer<CChar>) {
        bytes = Array(UnsafeRawBufferPointer(start: cString, count: strlen(cString)))
    }

    /// The path as a string, with U+FFFD for what is not UTF-8.
    public var description: String { String(decoding: bytes, as: UTF8.self) }

    package func appending(_ name: [UInt8]) -> RawPath {
        RawPath(
            bytes: bytes.last == UInt8(ascii: "/")
                ? bytes + name : bytes + [UInt8(ascii: "/")] + name)
    }

    /// Everything before the last component; "." if there is nothing.
    package var folder: RawPath {
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == 0 ? "/" : RawPath(bytes: Array(bytes[..<slash]))
    }

    /// The last component.
    package var name: ArraySlice<UInt8> {
        bytes.lastIndex(of: UInt8(ascii: "/")).map { bytes[($0 + 1)...] } ?? bytes[...]
    }

    /// Calls `body` with the path as a C string. Errors: argument (an empty path, or a NUL in it).
    package func withCString<R>(_ body: (UnsafePointer<CChar>) -> R) throws(SupConError) -> R {
        try require(!bytes.isEmpty, .argument, "a path is empty")
        try require(!bytes.contains(0), .argument, "path “\(self)” has a NUL character in it")
        return body(bytes.map { CChar(bitPattern: $0) } + [0])
    }
}

/// A path table holds many paths in one piece of memory, each ending in NUL; it never changes.
final class PathTable: Sendable {
    private let memory: AlignedBuffer
    private let offsets: [Int]

    /// Stores paths. Errors: memory.
    init(_ paths: [RawPath]) throws(SupConError) {
        let memory = try AlignedBuffer(byteCount: paths.reduce(0) { $0 + $1.bytes.count + 1 })
        var offsets: [Int] = []
        offsets.reserveCapacity(paths.count)
        var end = 0
        for path in paths {
            offsets.append(end)
            path.bytes.withUnsafeBytes {
                if let start = $0.baseAddress { memcpy(memory.pointer + end, start, $0.count) }
            }
            end += path.bytes.count + 1  // the buffer began as zeros
        }
        self.offsets = offsets
        self.memory = memory
    }

    subscript(index: Int) -> UnsafePointer<CChar> {
        UnsafePointer(memory.values(of: CChar.self) + offsets[index])
    }
    func path(_ index: Int) -> RawPath { RawPath(cString: self[index]) }
}
