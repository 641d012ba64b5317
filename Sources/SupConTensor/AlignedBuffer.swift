import Glibc

/// An aligned buffer is zeroed memory of a fixed size, aligned to cache lines, and freed with the
/// object.
package final class AlignedBuffer: @unchecked Sendable {
    package let byteCount: Int
    package let pointer: UnsafeMutableRawPointer

    /// Allocates the memory. Errors: memory.
    package init(byteCount: Int) throws(SupConError) {
        var raw: UnsafeMutableRawPointer?
        // Never zero bytes, so that there is always a pointer. 64 bytes are a cache line, and the
        // widest vector.
        guard byteCount >= 0, posix_memalign(&raw, 64, max(byteCount, 64)) == 0, let raw else {
            throw SupConError(.memory, "cannot allocate \(byteCount) bytes")
        }
        memset(raw, 0, max(byteCount, 64))
        pointer = raw
        self.byteCount = byteCount
    }

    /// Allocates memory for `count` values of `type`. Errors: memory.
    package convenience init<T>(_ type: T.Type, count: Int) throws(SupConError) {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
        try require(
            !overflow, .memory, "cannot allocate \(count) values of \(MemoryLayout<T>.stride) bytes"
        )
        try self.init(byteCount: bytes)
    }

    deinit { free(pointer) }

    /// Returns the memory as values of `type`.
    package func values<T>(of type: T.Type) -> UnsafeMutablePointer<T> {
        pointer.assumingMemoryBound(to: type)
    }

    package var floats: UnsafeMutablePointer<Float> { values(of: Float.self) }
}
