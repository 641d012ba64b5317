import SupConTensor

/// A buffer holds `count` values in memory that is allocated once.
struct Buffer<T> {
    private let buffer: AlignedBuffer
    let start: UnsafeMutablePointer<T>

    /// Allocates the memory. Errors: memory.
    init(_ count: Int) throws(SupConError) {
        buffer = try AlignedBuffer(T.self, count: count)
        start = buffer.values(of: T.self)
    }
}
