import Glibc
import SupConTensor

/// A file's path as the system has it: bytes. Names need not be UTF-8; shown, they are repaired,
/// opened, they are not.
public struct RawPath: Sendable, Hashable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// Without the final NUL.
    public let bytes: [UInt8]

    public init(bytes: [UInt8]) { self.bytes = bytes }
    public init(_ path: String) { bytes = Array(path.utf8) }
    public init(stringLiteral path: String) { self.init(path) }
    /// A C string, which ends in NUL.
    public init(cString: UnsafePointer<CChar>) {
        bytes = Array(UnsafeRawBufferPointer(start: cString, count: strlen(cString)))
    }

    public var description: String { String(decoding: bytes, as: UTF8.self) }

    package func appending(_ name: [UInt8]) -> RawPath {
        RawPath(
            bytes: bytes.last == UInt8(ascii: "/")
                ? bytes + name : bytes + [UInt8(ascii: "/")] + name)
    }

    /// Everything before the last component; "." where that is all.
    package var folder: RawPath {
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == 0 ? "/" : RawPath(bytes: Array(bytes[..<slash]))
    }

    /// The last component.
    package var name: ArraySlice<UInt8> {
        bytes.lastIndex(of: UInt8(ascii: "/")).map { bytes[($0 + 1)...] } ?? bytes[...]
    }

    /// Calls `body` with the path as C wants it. Errors: argument (an empty path, or a NUL in it).
    package func withCString<R>(_ body: (UnsafePointer<CChar>) -> R) throws(SupConError) -> R {
        try require(!bytes.isEmpty, .argument, "a path is empty")
        try require(!bytes.contains(0), .argument, "path “\(self)” has a NUL character in it")
        return body(bytes.map { CChar(bitPattern: $0) } + [0])
    }
}

/// Many paths in one piece of memory, each ending in NUL; never changes.
final class PathTable: Sendable {
    private let memory: AlignedBuffer
    private let offsets: [Int]

    /// Errors: memory.
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
