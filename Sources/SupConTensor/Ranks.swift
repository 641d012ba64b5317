/// Ranks are the processes that share a run, seen from one of them. A run of one process has one
/// rank, and all operations here do nothing.
///
/// The first failure is remembered, and no operation is tried after it: work that cannot throw, in
/// the middle of a network, continues with meaningless values, and the next `check` throws.
package final class Ranks {
    package let rank: Int
    /// The number of ranks.
    package let world: Int
    /// The operations of the collectives; nil: there is one process.
    private let operations: RankOperations?
    private let sums: RankSums?
    /// The report of a rank, [reportCount], and those of all ranks, [world, reportCount].
    private let report: AlignedBuffer
    private let reports: AlignedBuffer
    private let message: AlignedBuffer

    private static let reportCount = 8
    /// The bytes of the message with which a rank fails, including its terminator.
    private static let messageByteCount = 1024

    /// Wraps the host's collectives; nil: a single process. With `sumsInBackground` sums have a
    /// thread of the library, where the collectives allow it. Errors: argument (rank, world),
    /// memory.
    package init(_ collectives: (any Collectives)? = nil, sumsInBackground: Bool = true)
        throws(SupConError)
    {
        let (rank, world) = (collectives?.rank ?? 0, collectives?.world ?? 1)
        try require(
            (1...1 << 20).contains(world), .argument,
            "the collectives' world is \(world); expected 1 to \(1 << 20) ranks")
        try require(
            (0..<world).contains(rank), .argument,
            "the collectives' rank is \(rank); expected 0 to \(world - 1)")
        (self.rank, self.world) = (rank, world)
        operations = collectives.map { RankOperations($0) }
        let inBackground = sumsInBackground && world > 1 && collectives?.allowsAnyThread == true
        sums = operations.map { RankSums($0, inBackground: inBackground) }
        report = try AlignedBuffer(Double.self, count: Self.reportCount)
        reports = try AlignedBuffer(Double.self, count: world * Self.reportCount)
        message = try AlignedBuffer(byteCount: Self.messageByteCount)
    }

    /// Whether this is rank 0, which writes files, logs and events.
    package var isFirst: Bool { rank == 0 }
    package var isAlone: Bool { world == 1 }

    /// Returns the part of `0..<count` that each rank takes, in order: nearly equal, in whole
    /// multiples of `unit`, which divides the count.
    package func parts(_ count: Int, unit: Int = 1) -> [Range<Int>] {
        (0..<world).map {
            let units = Parallel.range($0, of: world, count: count / unit)
            return (units.lowerBound * unit)..<(units.upperBound * unit)
        }
    }

    // MARK: Operations

    /// Throws if an operation has failed before. Errors: those of the operation.
    package func check() throws(SupConError) { try operations?.check() }

    /// Runs an operation after those that have begun, unless one has failed before. Returns whether
    /// it succeeded.
    @discardableResult
    private func attempt(_ operation: (any Collectives) throws(SupConError) -> Void) -> Bool {
        sums?.wait()
        return operations?.attempt(operation) ?? false
    }

    /// Waits until all ranks have arrived. Errors: io.
    package func barrier() throws(SupConError) {
        attempt { (collectives) throws(SupConError) in try collectives.barrier() }
        try check()
    }

    /// Replaces `values` by their sums over the ranks, weighted by each rank's `factor`. Errors:
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

    /// Begins to replace `values` by their sums over the ranks; `finishSums` and the next operation
    /// wait for them, and nothing else may use the values until then. With `rounded` they are
    /// exchanged in bf16, through its memory; nil: in f32.
    package func beginSum(
        _ values: UnsafeMutablePointer<Float>, count: Int, rounded: RoundedSum? = nil
    ) {
        guard !isAlone, count > 0 else { return }
        sums?.begin(values, count: count, rounded: rounded)
    }

    /// Waits for the sums that have begun. Errors: io.
    package func finishSums() throws(SupConError) {
        waitForSums()
        try check()
    }

    /// Waits for the sums that have begun, whether they succeed or not.
    package func waitForSums() { sums?.wait() }

    /// Replaces the bytes by those of rank 0. Errors: io.
    package func broadcast(_ bytes: UnsafeMutableRawPointer, byteCount: Int) throws(SupConError) {
        guard !isAlone, byteCount > 0 else { return }
        attempt { (collectives) throws(SupConError) in
            try collectives.broadcast(bytes, byteCount: byteCount, root: 0)
        }
        try check()
    }

    /// Gathers `byteCount` bytes of each rank. Returns whether it succeeded; if it failed,
    /// `gathered` holds copies of this rank's bytes, and `check` throws.
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

    /// Runs `body` on every rank, and returns when all have finished. If one or more fail, all
    /// throw the error of the first of them, with a message that names the rank. `body` itself must
    /// not call an operation. Errors: those of `body`, io.
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
        // If a collective fails, that is this rank's error, unless it has one of its own.
        if let error, operations?.hasFailed == true { throw error }
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

    /// Fails at every rank: at the others where they come to `together`. Returns the error that all
    /// end with; `check` tells whether they have heard of it.
    package func fail(_ error: SupConError) -> SupConError {
        do throws(SupConError) {
            try together { () throws(SupConError) in throw error }
        } catch let shared {
            return shared
        }
        return error
    }

    /// Marks an error as one that ends the call at all ranks alike: every error does, unless an
    /// operation has failed.
    package func shared(_ error: SupConError) -> SupConError {
        isAlone || error.rank != nil || operations?.hasFailed == true
            ? error : SupConError(error.kind, error.message, rank: 0)
    }

    /// Returns a whole number that a rank has reported. Errors: io (a number outside `range`, so
    /// that the collectives have not delivered what a rank sent).
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

    /// Returns the error of rank `failed`, which sends it to the others. Errors: io.
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
            SupConError.Kind(rawValue: kind) ?? .internal, "rank \(failed) of \(world): \(text)",
            rank: failed)
    }
}

/// Rank rows gather rows of which each rank holds a part, in place, through buffers that are
/// allocated once.
package final class RankRows {
    private let ranks: Ranks
    private let parts: [Range<Int>]
    private let rowByteCount: Int
    private let most: Int
    private let own: AlignedBuffer
    private let all: AlignedBuffer

    /// Makes the buffers to gather `parts`, the rows of each rank. Errors: memory.
    package init(_ ranks: Ranks, parts: [Range<Int>], rowByteCount: Int) throws(SupConError) {
        (self.ranks, self.parts, self.rowByteCount) = (ranks, parts, rowByteCount)
        most = ranks.isAlone ? 0 : (parts.map(\.count).max() ?? 0) * rowByteCount
        own = try AlignedBuffer(byteCount: most)
        all = try AlignedBuffer(byteCount: most * ranks.world)
    }

    package var byteCount: Int { own.byteCount + all.byteCount }

    /// Fills `rows` with those of the other ranks; this rank's are already in place. Errors: io.
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
