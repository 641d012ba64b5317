import SupConTensor

/// Memory for `count` values, taken once.
struct Room<T> {
    private let buffer: AlignedBuffer
    let start: UnsafeMutablePointer<T>

    /// Errors: memory.
    init(_ count: Int) throws(SupConError) {
        buffer = try AlignedBuffer(T.self, count: count)
        start = buffer.values(of: T.self)
    }
}
