import Foundation
import SupConTensor

/// Thread collectives connect ranks that are threads of one process, in place of MPI. Sums are
/// computed in the order of the ranks.
public final class ThreadCollectives: Collectives {
    public let rank: Int
    private let meeting: Meeting

    /// Whether the library may call from a thread of its own.
    public var allowsAnyThread: Bool

    private init(rank: Int, meeting: Meeting, allowsAnyThread: Bool) {
        (self.rank, self.meeting, self.allowsAnyThread) = (rank, meeting, allowsAnyThread)
    }

    public var world: Int { meeting.world }
    /// The number of operations that this rank has begun.
    public private(set) var operations = 0
    /// The seconds that each operation takes besides meeting the others, by the bytes that this
    /// rank gives: a simulated network.
    public var seconds: (_ bytes: Int) -> Double = { _ in 0 }
    /// A closure that runs before each operation, with its index from 0; an error that it throws is
    /// the operation's.
    public var before: (Int) throws(SupConError) -> Void = { _ in }
    /// A closure that changes the results of this rank's sums.
    public var altered: (inout [Float]) -> Void = { _ in }

    /// A meeting is where ranks exchange data: each leaves its bytes, waits for the others, reads
    /// theirs, and waits again.
    private final class Meeting: @unchecked Sendable {
        /// The seconds after which a rank that waits gives up: more than any test takes.
        static let patience = 60.0
        let world: Int
        let condition = NSCondition()
        var (arrived, generation) = (0, 0)
        var bytes: [UnsafeRawPointer?]
        var sizes: [Int]
        /// Whether an operation of some rank has failed, so that it comes to no other.
        var isBroken = false

        init(world: Int) {
            self.world = world
            bytes = Array(repeating: nil, count: world)
            sizes = Array(repeating: 0, count: world)
        }

        func wait(_ rank: Int) throws(SupConError) {
            condition.lock()
            defer { condition.unlock() }
            let own = generation
            arrived += 1
            if arrived == world {
                (arrived, generation) = (0, generation + 1)
                condition.broadcast()
                return
            }
            let end = Date(timeIntervalSinceNow: Self.patience)
            while generation == own {
                // A rank that is only slow, on a busy machine, is waited for.
                if isBroken || !condition.wait(until: end), generation == own {
                    throw SupConError(.io, "rank \(rank) heard nothing from another")
                }
            }
        }

        func fail() {
            condition.lock()
            isBroken = true
            condition.broadcast()
            condition.unlock()
        }
    }

    private func exchange(
        _ own: UnsafeRawPointer?, _ size: Int, _ read: ([UnsafeRawPointer?]) -> Void
    ) throws(SupConError) {
        operations += 1
        do throws(SupConError) { try before(operations - 1) } catch {
            meeting.fail()
            throw error
        }
        let delay = seconds(size)
        if delay > 0 { Thread.sleep(forTimeInterval: delay) }
        meeting.condition.lock()
        (meeting.bytes[rank], meeting.sizes[rank]) = (own, size)
        meeting.condition.unlock()
        try meeting.wait(rank)
        guard meeting.sizes.allSatisfy({ $0 == size }) else {
            throw SupConError(.internal, "ranks exchange \(meeting.sizes) bytes")
        }
        read(meeting.bytes)
        try meeting.wait(rank)
    }

    public func allReduceSum(_ values: UnsafeMutablePointer<Float>, count: Int) throws(SupConError)
    {
        var sums = [Float](repeating: 0, count: count)
        try exchange(values, count * 4) { all in
            for bytes in all {
                guard let other = bytes?.assumingMemoryBound(to: Float.self) else { continue }
                for i in 0..<count { sums[i] += other[i] }
            }
        }
        altered(&sums)
        for i in 0..<count { values[i] = sums[i] }
    }

    public func allGather(
        _ bytes: UnsafeRawPointer, byteCount: Int, into gathered: UnsafeMutableRawPointer
    ) throws(SupConError) {
        try exchange(bytes, byteCount) { all in
            for (rank, other) in all.enumerated() {
                if let other {
                    (gathered + rank * byteCount).copyMemory(from: other, byteCount: byteCount)
                }
            }
        }
    }

    /// Whether it has no `allToAll` of its own.
    public var onlyGathers = false
    private var scratch: AlignedBuffer?

    public func allToAll(
        _ bytes: UnsafeRawPointer, byteCount: Int, into received: UnsafeMutableRawPointer
    ) throws(SupConError) {
        if onlyGathers {
            return try allToAllByGathering(
                bytes, byteCount: byteCount, into: received, through: &scratch)
        }
        try exchange(bytes, world * byteCount) { all in
            for (sender, other) in all.enumerated() {
                if let other {
                    (received + sender * byteCount).copyMemory(
                        from: other + rank * byteCount, byteCount: byteCount)
                }
            }
        }
    }

    public func broadcast(_ bytes: UnsafeMutableRawPointer, byteCount: Int, root: Int)
        throws(SupConError)
    {
        try exchange(bytes, byteCount) { all in
            if root != rank, let from = all[root] {
                bytes.copyMemory(from: from, byteCount: byteCount)
            }
        }
    }

    public func barrier() throws(SupConError) { try exchange(nil, 0) { _ in } }

    /// Runs `body` as every rank of `world`, each on its own thread, and returns the result of
    /// each. After an operation that `before` fails nobody is waited for.
    public static func run<R>(
        world: Int, anyThread: Bool = false,
        _ body: @escaping (ThreadCollectives) throws -> R
    ) -> [Result<R, any Error>] {
        let meeting = Meeting(world: world)
        let (outcomes, body) = (Outcomes<R>(), RankBody(run: body))
        let group = DispatchGroup()
        for rank in 0..<world {
            group.enter()
            let thread = Thread {
                let own = ThreadCollectives(
                    rank: rank, meeting: meeting, allowsAnyThread: anyThread)
                let outcome = Result { try body.run(own) }
                outcomes.lock.withLock { outcomes.all[rank] = outcome }
                group.leave()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
        group.wait()
        return (0..<world).compactMap { outcomes.all[$0] }
    }
}

private final class Outcomes<R>: @unchecked Sendable {
    let lock = NSLock()
    var all: [Int: Result<R, any Error>] = [:]
}

private struct RankBody<R>: @unchecked Sendable { let run: (ThreadCollectives) throws -> R }
