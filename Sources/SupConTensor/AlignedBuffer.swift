import Glibc

/// Memory of a fixed size, aligned to cache lines, zeroed; freed with the object.
package final class AlignedBuffer: @unchecked Sendable {
    package let byteCount: Int
    package let pointer: UnsafeMutableRawPointer

    /// Errors: memory.
    package init(byteCount: Int) throws(SupConError) {
        var raw: UnsafeMutableRawPointer?
        // Never zero bytes, so that there is always a pointer; 64: a cache line, and the widest
        // vector.
        guard byteCount >= 0, posix_memalign(&raw, 64, max(byteCount, 64)) == 0, let raw else {
            throw SupConError(.memory, "cannot allocate \(byteCount) bytes")
        }
        memset(raw, 0, max(byteCount, 64))
        pointer = raw
        self.byteCount = byteCount
    }

    /// Room for `count` values of `type`.
    package convenience init<T>(_ type: T.Type, count: Int) throws(SupConError) {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
        try require(
            !overflow, .memory, "cannot allocate \(count) values of \(MemoryLayout<T>.stride) bytes"
        )
        try self.init(byteCount: bytes)
    }

    deinit { free(pointer) }

    /// The memory as values of `type`.
    package func values<T>(of type: T.Type) -> UnsafeMutablePointer<T> {
        pointer.assumingMemoryBound(to: type)
    }

    package var floats: UnsafeMutablePointer<Float> { values(of: Float.self) }
}
