/// An arena places buffers of known lifetimes in one piece of memory, where two may share an
/// address range if they are never alive at the same time.
///
/// The caller counts time in ticks (one per operation). Buffers are placed from the largest to the
/// smallest, each at the lowest offset that is free during its lifetime: greedy by size (Pisarchyk
/// and Lee, "Efficient memory management for deep neural net inference", arXiv:2001.03288, §4.1).
package struct Arena {
    /// A slot identifies a buffer of the arena.
    package struct Slot: Sendable, Hashable {
        fileprivate let index: Int
    }

    private struct Buffer {
        var byteCount: Int
        var first: Int
        var last: Int
        var offset = 0
    }
    private var buffers: [Buffer] = []
    /// The bytes that hold all buffers, after `place()`.
    package private(set) var byteCount = 0

    package init() {}

    /// Adds a buffer that is alive from tick `first` to tick `last`, inclusive.
    package mutating func reserve(byteCount: Int, first: Int, last: Int) -> Slot {
        buffers.append(
            Buffer(byteCount: (max(byteCount, 1) + 63) / 64 * 64, first: first, last: last))
        return Slot(index: buffers.count - 1)
    }

    /// Extends the buffer's lifetime to tick `tick` at least.
    package mutating func extend(_ slot: Slot, to tick: Int) {
        buffers[slot.index].last = max(buffers[slot.index].last, tick)
    }

    /// Gives every buffer its offset.
    package mutating func place() {
        var placed: [Int] = []  // by offset
        for index in buffers.indices.sorted(by: {
            (buffers[$0].byteCount, $1) > (buffers[$1].byteCount, $0)
        }) {
            let buffer = buffers[index]
            var offset = 0
            for other in placed
            where buffers[other].first <= buffer.last && buffer.first <= buffers[other].last {
                if offset + buffer.byteCount <= buffers[other].offset { break }
                offset = max(offset, buffers[other].offset + buffers[other].byteCount)
            }
            buffers[index].offset = offset
            byteCount = max(byteCount, offset + buffer.byteCount)
            placed.insert(
                index, at: placed.firstIndex { buffers[$0].offset > offset } ?? placed.count)
        }
    }

    /// Returns the offset of a buffer, after `place()`.
    package func offset(_ slot: Slot) -> Int { buffers[slot.index].offset }
}
