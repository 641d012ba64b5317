/// The processes that share a run, seen from one of them; a run of one process has one rank, and
/// nothing here does anything then.
///
/// The first operation that fails is remembered, and no other is tried: where work cannot throw, in
/// the middle of a network, it goes on with numbers that are void, and the next `check` throws.
package final class Ranks {
    package let rank: Int
    /// How many ranks there are.
    package let world: Int
    private let collectives: (any Collectives)?
    private var failure: SupConError?
    /// A rank's report, [reportCount], and all ranks', [world, reportCount].
    private let report: AlignedBuffer
    private let reports: AlignedBuffer
    private let message: AlignedBuffer

    private static let reportCount = 8
    /// Bytes of the sentence by which a rank fails, its end included.
    private static let messageByteCount = 1024

    /// Takes the host's collectives; nil makes one process. Errors: argument (rank, world), memory.
    package init(_ collectives: (any Collectives)? = nil) throws(SupConError) {
        let (rank, world) = (collectives?.rank ?? 0, collectives?.world ?? 1)
        try require(
            (1...1 << 20).contains(world), .argument,
            "the collectives' world is \(world); expected 1 to \(1 << 20) ranks")
        try require(
            (0..<world).contains(rank), .argument,
            "the collectives' rank is \(rank); expected 0 to \(world - 1)")
        (self.rank, self.world, self.collectives) = (rank, world, collectives)
        report = try AlignedBuffer(Double.self, count: Self.reportCount)
        reports = try AlignedBuffer(Double.self, count: world * Self.reportCount)
        message = try AlignedBuffer(byteCount: Self.messageByteCount)
    }

    /// Rank 0 writes files, logs and events.
    package var isFirst: Bool { rank == 0 }
    package var isAlone: Bool { world == 1 }

    /// The part of `0..<count` that each rank takes, in order: nearly equal, in whole multiples of
    /// `unit`, which divides the count.
    package func parts(_ count: Int, unit: Int = 1) -> [Range<Int>] {
        (0..<world).map {
            let units = Parallel.range($0, of: world, count: count / unit)
            return (units.lowerBound * unit)..<(units.upperBound * unit)
        }
    }

    // MARK: Operations

    /// Errors: what an operation failed with before. No operation follows it.
    package func check() throws(SupConError) { if let failure { throw failure } }

    /// Runs an operation, unless one has failed before. Returns whether it succeeded.
    @discardableResult
    private func attempt(_ operation: (any Collectives) throws(SupConError) -> Void) -> Bool {
        guard let collectives, failure == nil else { return false }
        do throws(SupConError) {
            try operation(collectives)
            return true
        } catch {
            failure = error
            return false
        }
    }

    /// Waits until all ranks are here. Errors: io.
    package func barrier() throws(SupConError) {
        attempt { (collectives) throws(SupConError) in try collectives.barrier() }
        try check()
    }

    /// Replaces `values` by their sums over the ranks, of each times its rank's `factor`. Errors:
    /// io.
    package func sum(_ values: UnsafeMutablePointer<Float>, count: Int, factor: Float = 1)
        throws(SupConError)
    {
        guard !isAlone, count > 0 else { return }
        if factor != 1 { for i in 0..<count { values[i] *= factor } }
        attempt { (collectives) throws(SupConError) in
            try collectives.allReduceSum(values, count: count)
        }
        try check()
    }

    /// Replaces the bytes by those of rank 0. Errors: io.
    package func broadcast(_ bytes: UnsafeMutableRawPointer, byteCount: Int) throws(SupConError) {
        guard !isAlone, byteCount > 0 else { return }
        attempt { (collectives) throws(SupConError) in
            try collectives.broadcast(bytes, byteCount: byteCount, root: 0)
        }
        try check()
    }

    /// Gathers `byteCount` bytes of each rank. Returns whether it succeeded; where it did not,
    /// `gathered` holds this rank's bytes in the place of all others', and `check` throws.
    @discardableResult
    package func gather(
        _ bytes: UnsafeRawPointer, byteCount: Int, into gathered: UnsafeMutableRawPointer
    ) -> Bool {
        let succeeded = attempt { (collectives) throws(SupConError) in
            try collectives.allGather(bytes, byteCount: byteCount, into: gathered)
        }
        if !succeeded {
            for rank in 0..<world {
                (gathered + rank * byteCount).copyMemory(from: bytes, byteCount: byteCount)
            }
        }
        return succeeded
    }

    // MARK: Agreement

    /// Runs `body` at every rank, and returns when all have ended theirs. Where one or more failed,
    /// all throw the error of the first of them, in a sentence that names it. `body` itself calls
    /// no operation. Errors: `body`'s, io.
    package func together<R>(_ body: () throws(SupConError) -> R) throws(SupConError) -> R {
        try together(body) { _ in [] }.value
    }

    /// Runs `body` as `together` does, and gathers up to seven numbers that each rank reports.
    package func together<R>(
        _ body: () throws(SupConError) -> R, reporting numbers: (R) -> [Double]
    ) throws(SupConError) -> (value: R, reports: [[Double]]) {
        if isAlone {
            let value = try body()
            return (value, [numbers(value)])
        }
        try check()
        var (result, error): (R?, SupConError?)
        do throws(SupConError) { result = try body() } catch let thrown { error = thrown }
        let own = report.values(of: Double.self)
        own.update(repeating: 0, count: Self.reportCount)
        own[0] = Double(error?.kind.rawValue ?? 0)
        let reported = result.map(numbers) ?? []
        for (i, number) in reported.prefix(Self.reportCount - 1).enumerated() {
            own[1 + i] = number
        }
        let all = reports.values(of: Double.self)
        gather(own, byteCount: Self.reportCount * 8, into: all)
        // A collective that fails is this rank's reason; its own error, if it has one, comes first.
        if let error, failure != nil { throw error }
        try check()
        if let failed = (0..<world).first(where: { all[$0 * Self.reportCount] != 0 }) {
            let kind = try whole(all[failed * Self.reportCount], in: 1...Int(Int32.max))
            throw try sentence(of: failed, kind: Int32(kind), ownError: error)
        }
        guard let result else {
            throw SupConError(.internal, "rank \(rank) has neither a result nor an error")
        }
        return (
            result,
            (0..<world).map { rank in
                reported.indices.map { all[rank * Self.reportCount + 1 + $0] }
            }
        )
    }

    /// Reads a whole number that a rank has reported. Errors: io (a number outside `range`: the
    /// collectives deliver other bytes than a rank gave).
    package func whole(_ number: Double, in range: ClosedRange<Int>) throws(SupConError) -> Int {
        guard let whole = Int(exactly: number), range.contains(whole) else {
            throw SupConError(
                .io,
                """
                rank \(rank) of \(world) was told \(number); expected \(range.lowerBound) to \
                \(range.upperBound): the collectives do not deliver what a rank gives
                """
            )
        }
        return whole
    }

    /// The error of rank `failed`, which tells it to the others. Errors: io.
    private func sentence(of failed: Int, kind: Int32, ownError: SupConError?) throws(SupConError)
        -> SupConError
    {
        let bytes = message.values(of: UInt8.self)
        bytes.update(repeating: 0, count: Self.messageByteCount)
        if failed == rank, let ownError {
            for (i, byte) in ownError.message.utf8.prefix(Self.messageByteCount - 1).enumerated() {
                bytes[i] = byte
            }
        }
        attempt { (collectives) throws(SupConError) in
            try collectives.broadcast(bytes, byteCount: Self.messageByteCount, root: failed)
        }
        try check()
        let text = String(
            decoding: UnsafeBufferPointer(start: bytes, count: Self.messageByteCount).prefix {
                $0 != 0
            }, as: UTF8.self)
        return SupConError(
            SupConError.Kind(rawValue: kind) ?? .internal, "rank \(failed) of \(world): \(text)")
    }
}

/// Rank rows gather in place the rows of which each rank has a part, through memory that is taken
/// once.
package final class RankRows {
    private let ranks: Ranks
    private let parts: [Range<Int>]
    private let rowByteCount: Int
    private let most: Int
    private let own: AlignedBuffer
    private let all: AlignedBuffer

    /// Makes the memory to gather `parts`, the rows of each rank. Errors: memory.
    package init(_ ranks: Ranks, parts: [Range<Int>], rowByteCount: Int) throws(SupConError) {
        (self.ranks, self.parts, self.rowByteCount) = (ranks, parts, rowByteCount)
        most = ranks.isAlone ? 0 : (parts.map(\.count).max() ?? 0) * rowByteCount
        own = try AlignedBuffer(byteCount: most)
        all = try AlignedBuffer(byteCount: most * ranks.world)
    }

    package var byteCount: Int { own.byteCount + all.byteCount }

    /// Fills `rows` with those of the other ranks; its own are where they belong. Errors: io.
    package func gather(_ rows: UnsafeMutableRawPointer) throws(SupConError) {
        guard !ranks.isAlone else { return }
        let mine = parts[ranks.rank]
        own.pointer.copyMemory(
            from: rows + mine.lowerBound * rowByteCount, byteCount: mine.count * rowByteCount)
        ranks.gather(own.pointer, byteCount: most, into: all.pointer)
        try ranks.check()
        for (rank, part) in parts.enumerated() where rank != ranks.rank {
            (rows + part.lowerBound * rowByteCount).copyMemory(
                from: all.pointer + rank * most, byteCount: part.count * rowByteCount)
        }
    }
}
