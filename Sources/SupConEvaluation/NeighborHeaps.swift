import CKernels

/// Neighbor heaps hold the neighbors found so far for a tile of queries: a heap of up to `most` for
/// each query, in memory of the caller's.
struct NeighborHeaps {
    let most: Int
    private let held: UnsafeMutablePointer<Int64>  // [queries]
    private let entries: UnsafeMutablePointer<sc_neighbor>  // [queries, most]

    static func byteCount(queries: Int, most: Int) -> Int {
        queries * (MemoryLayout<Int64>.stride + most * MemoryLayout<sc_neighbor>.stride)
    }

    /// Makes heaps in `memory`, which has `byteCount` bytes aligned to 8, and may hold those of an
    /// earlier tile.
    init(at memory: UnsafeMutableRawPointer, queries: Int, most: Int) {
        self.most = most
        held = memory.assumingMemoryBound(to: Int64.self)
        entries = (memory + queries * MemoryLayout<Int64>.stride).assumingMemoryBound(
            to: sc_neighbor.self)
    }

    func clear(_ query: Int) { held[query] = 0 }

    /// Adds the rows from `start` to `start + width - 1`, which follow those added before; `skip`
    /// is left out.
    func scan(
        _ query: Int, _ similarities: UnsafePointer<Float>, start: Int, width: Int, skip: Int?,
        wanted: Int
    ) {
        sc_nearest_scan(
            similarities, Int64(width), Int32(start), Int32(skip ?? -1), Int64(wanted),
            entries + query * most, held + query)
    }

    func merge(_ query: Int, _ other: NeighborHeaps, wanted: Int) {
        sc_nearest_merge(
            other.entries + query * most, other.held[query], Int64(wanted),
            entries + query * most, held + query)
    }

    /// Returns the neighbors of a query, nearest first. The heap property is lost afterwards.
    func sorted(_ query: Int) -> UnsafeBufferPointer<sc_neighbor> {
        sc_nearest_sort(entries + query * most, held[query])
        return UnsafeBufferPointer(start: entries + query * most, count: Int(held[query]))
    }
}
