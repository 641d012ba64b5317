/// Lists that the ranks exchange before a run.
extension Ranks {
    /// Returns the bytes of every rank, which may differ in number. Errors: io, memory.
    package func gather(_ bytes: [UInt8]) throws(SupConError) -> [[UInt8]] {
        if isAlone { return [bytes] }
        let (_, reports) = try together({ bytes.count }) { [Double($0)] }
        var counts: [Int] = []
        for report in reports { counts.append(try whole(report[0], in: 0...1 << 36)) }
        let most = counts.max() ?? 0
        let (own, all) = try together { () throws(SupConError) in
            (try AlignedBuffer(byteCount: most), try AlignedBuffer(byteCount: most * world))
        }
        let values = own.values(of: UInt8.self)
        values.update(repeating: 0, count: most)
        for (index, byte) in bytes.enumerated() { values[index] = byte }
        gather(own.pointer, byteCount: most, into: all.pointer)
        try check()
        return counts.enumerated().map { rank, count in
            Array(
                UnsafeBufferPointer(
                    start: all.values(of: UInt8.self) + rank * most, count: count))
        }
    }

    /// Returns the list of all ranks, one after the other, of which this rank has the elements
    /// `parts[rank]`. Errors: io, memory.
    package func gather<T: BitwiseCopyable>(_ own: [T], _ parts: [Range<Int>]) throws(SupConError)
        -> [T]
    {
        let count = parts.last?.upperBound ?? 0
        let (all, rows) = try together { () throws(SupConError) in
            (
                try AlignedBuffer(T.self, count: count),
                try RankRows(self, parts: parts, rowByteCount: MemoryLayout<T>.stride)
            )
        }
        let values = all.values(of: T.self)
        for (index, value) in zip(parts[rank], own) { values[index] = value }
        try rows.gather(values)
        return Array(UnsafeBufferPointer(start: values, count: count))
    }
}
