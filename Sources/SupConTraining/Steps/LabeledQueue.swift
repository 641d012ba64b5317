import SupConTensor

/// A labeled queue holds the most recent keys and their labels. They follow the keys of the current
/// batch in one buffer, which holds everything that queries are contrasted with. The queue is empty
/// at first; once it is full, the oldest keys leave.
final class LabeledQueue {
    let capacity: Int
    let dimension: Int
    private let keys: Int
    private let rows: AlignedBuffer
    private let labelMemory: AlignedBuffer
    /// The number of entries, and the index of the next one to be written.
    private let positions: AlignedBuffer

    /// Makes an empty queue. `keys` is the number of keys of a batch, at most the capacity. Errors:
    /// memory.
    init(capacity: Int, keys: Int, dimension: Int) throws(SupConError) {
        (self.capacity, self.keys, self.dimension) = (capacity, keys, dimension)
        rows = try AlignedBuffer(Float.self, count: (keys + capacity) * dimension)
        labelMemory = try AlignedBuffer(Int64.self, count: capacity)
        positions = try AlignedBuffer(Int64.self, count: 2)
    }

    var memoryByteCount: Int { rows.byteCount + labelMemory.byteCount }

    /// The batch's keys, which the caller writes, then the queue's: [keys + count, dimension].
    var contrasts: UnsafeMutablePointer<Float> { rows.floats }
    /// The labels of the queue's entries, [count].
    var labels: UnsafePointer<Int64> { UnsafePointer(labelMemory.values(of: Int64.self)) }
    var count: Int { max(0, min(Int(positions.values(of: Int64.self)[0]), capacity)) }
    private var next: Int { max(0, min(Int(positions.values(of: Int64.self)[1]), capacity - 1)) }

    /// Appends the batch's keys, with their `labels` [keys].
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

    /// The state that a checkpoint keeps. Integers are stored as pairs of 32-bit words, which a
    /// checkpoint preserves bit for bit.
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
