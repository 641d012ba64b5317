import SupConTensor

/// Rank statistics combine the batch norm statistics of each rank into those of the rows of all
/// ranks.
///
/// They are exchanged in double precision and merged in the order of the ranks, so that all ranks
/// compute identical bytes. If an exchange fails, the results are meaningless, and the ranks'
/// `check` throws.
final class RankStatistics {
    private let ranks: Ranks
    private let channels: Int
    private let gathered: AlignedBuffer

    /// Allocates the buffers. Errors: memory.
    init(_ ranks: Ranks, channels: Int) throws(SupConError) {
        (self.ranks, self.channels) = (ranks, channels)
        gathered = try AlignedBuffer(Double.self, count: ranks.world * 3 * channels)
    }

    /// Replaces this rank's moments [channels] by those of the rows of all ranks.
    func merge(_ moments: UnsafeMutablePointer<Moments>) {
        let all = gather(moments, count: channels)
        for channel in 0..<channels {
            var merged = Moments()
            for rank in 0..<ranks.world { merged.add(all[rank * channels + channel]) }
            moments[channel] = merged
        }
    }

    /// Replaces this rank's sums [count] by those of all ranks.
    func add(_ sums: UnsafeMutablePointer<Double>, count: Int) {
        let all = gather(sums, count: count)
        for i in 0..<count {
            sums[i] = (0..<ranks.world).reduce(0) { $0 + all[$1 * count + i] }
        }
    }

    private func gather<T>(_ own: UnsafeMutablePointer<T>, count: Int) -> UnsafeMutablePointer<T> {
        let all = gathered.values(of: T.self)
        ranks.gather(own, byteCount: count * MemoryLayout<T>.stride, into: all)
        return all
    }
}

/// Moments are the count of some numbers, their mean, and the sum of their squared distances from
/// it.
struct Moments {
    var (count, mean, m2) = (0.0, 0.0, 0.0)

    /// Adds the moments of other numbers (Chan, Golub and LeVeque, 1979).
    mutating func add(_ other: Moments) {
        guard other.count > 0 else { return }
        let difference = other.mean - mean
        count += other.count
        mean += difference * other.count / count
        m2 += other.m2 + difference * difference * other.count * (count - other.count) / count
    }
}
