import SupConTensor

/// The queue holds the last keys, with their labels, behind the keys of the batch at hand in one
/// buffer: all that queries are contrasted with. It is empty at first; once it is full, the oldest
/// keys leave.
final class LabeledQueue {
    let capacity: Int
    let dimension: Int
    private let keys: Int
    private let rows: AlignedBuffer
    private let labelMemory: AlignedBuffer
    /// The number of entries, and the index of the next one.
    private let positions: AlignedBuffer

    /// `keys`: of a batch, at most the capacity. Errors: memory.
    init(capacity: Int, keys: Int, dimension: Int) throws(SupConError) {
        (self.capacity, self.keys, self.dimension) = (capacity, keys, dimension)
        rows = try AlignedBuffer(Float.self, count: (keys + capacity) * dimension)
        labelMemory = try AlignedBuffer(Int64.self, count: capacity)
        positions = try AlignedBuffer(Int64.self, count: 2)
    }

    var memoryByteCount: Int { rows.byteCount + labelMemory.byteCount }

    /// [keys + count, dimension]: the batch's keys, to be written, then the queue.
    var contrasts: UnsafeMutablePointer<Float> { rows.floats }
    /// The labels of the queue's entries, [count].
    var labels: UnsafePointer<Int64> { UnsafePointer(labelMemory.values(of: Int64.self)) }
    var count: Int { max(0, min(Int(positions.values(of: Int64.self)[0]), capacity)) }
    private var next: Int { max(0, min(Int(positions.values(of: Int64.self)[1]), capacity - 1)) }

    /// Appends the batch's keys. `labels`: [keys].
    func push(labels: UnsafePointer<Int64>) {
        var index = next
        for key in 0..<keys {
            (rows.floats + (keys + index) * dimension).update(
                from: rows.floats + key * dimension, count: dimension)
            labelMemory.values(of: Int64.self)[index] = labels[key]
            index = (index + 1) % capacity
        }
        (positions.values(of: Int64.self)[0], positions.values(of: Int64.self)[1]) = (
            Int64(min(count + keys, capacity)), Int64(index)
        )
    }

    /// The state that a checkpoint keeps; integers are pairs of 32-bit words, which pass through it
    /// bit for bit.
    var state: [StateBuffer] {
        [
            StateBuffer(
                "queue.rows", shape: [capacity, dimension], rows.floats + keys * dimension),
            StateBuffer(
                "queue.labels", shape: [capacity, 2], labelMemory.floats,
                .integers(.min...Int64.max)),
            StateBuffer(
                "queue.positions", shape: [2, 2], positions.floats,
                .integers(0...Int64(capacity))),
        ]
    }
}
