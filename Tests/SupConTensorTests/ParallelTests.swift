import Glibc
import Synchronization
import Testing

@testable import SupConTensor

@Suite struct ParallelTests {
    @Test(arguments: [0, 1, 2, 3, 7, 1000], [1, 2, 3, 16])
    func doesEveryPieceOnce(_ count: Int, _ threads: Int) throws {
        let done = UnsafeMutablePointer<Atomic<Int>>.allocate(capacity: count + 1)
        defer { done.deallocate() }
        for i in 0...count { (done + i).initialize(to: Atomic(0)) }
        Parallel.pieces(count, threads: threads) { _, piece in
            done[piece].wrappingAdd(1, ordering: .relaxed)
        }
        for i in 0..<count { #expect(done[i].load(ordering: .relaxed) == 1) }
    }

    @Test func aWorkerNumberIsOfOneThreadAtATime() {
        let threads = 4
        let busy = UnsafeMutablePointer<Atomic<Int>>.allocate(capacity: threads)
        defer { busy.deallocate() }
        for i in 0..<threads { (busy + i).initialize(to: Atomic(0)) }
        let torn = Atomic<Int>(0), outside = Atomic<Int>(0)
        for _ in 0..<50 {
            Parallel.pieces(200, threads: threads) { worker, piece in
                guard (0..<threads).contains(worker) else {
                    outside.wrappingAdd(1, ordering: .relaxed)
                    return
                }
                if busy[worker].exchange(1, ordering: .acquiring) != 0 {
                    torn.wrappingAdd(1, ordering: .relaxed)
                }
                if piece % 50 == 0 { usleep(20) }
                busy[worker].store(0, ordering: .releasing)
            }
        }
        #expect(torn.load(ordering: .relaxed) == 0)
        #expect(outside.load(ordering: .relaxed) == 0)
    }

    /// Tests loops with pauses, between which a thread of the pool sleeps, and loops without.
    @Test(arguments: [0, 10, 300]) func holdsWhatThePiecesWrote(_ pause: UInt32) {
        var values = [Int](repeating: 0, count: 4096)
        let rounds = pause == 0 ? 3000 : 200
        for round in 0..<rounds {
            values.withUnsafeMutableBufferPointer { values in
                nonisolated(unsafe) let values = values
                Parallel.ranges(values.count, grain: 64, threads: 3) { range in
                    for i in range { values[i] += i + round }
                }
            }
            if pause > 0 { usleep(pause) }
        }
        let sum = rounds * (rounds - 1) / 2
        #expect(values.indices.allSatisfy { values[$0] == $0 * rounds + sum })
    }

    @Test func aLoopInsideAPieceRunsOnItsThread() {
        let inner = Atomic<Int>(0), elsewhere = Atomic<Int>(0)
        Parallel.chunks(20, threads: 4) { _ in
            let thread = pthread_self()
            Parallel.chunks(10, threads: 4) { _ in
                inner.wrappingAdd(1, ordering: .relaxed)
                if pthread_equal(thread, pthread_self()) == 0 {
                    elsewhere.wrappingAdd(1, ordering: .relaxed)
                }
            }
        }
        #expect(inner.load(ordering: .relaxed) == 200)
        #expect(elsewhere.load(ordering: .relaxed) == 0)
    }

    private final class Callers: Sendable {
        let wrong = Atomic<Int>(0)
    }

    @Test func sixtyFourThreadsMayCallAtOnce() {
        let callers = Callers()
        var threads: [pthread_t] = []
        for _ in 0..<64 {
            var thread = pthread_t()
            let status = pthread_create(
                &thread, nil,
                { context in
                    guard let context else { return nil }
                    let callers = Unmanaged<Callers>.fromOpaque(context).takeUnretainedValue()
                    for round in 0..<200 {
                        let sum = Atomic<Int>(0)
                        Parallel.chunks(50, threads: 2 + round % 3) {
                            sum.wrappingAdd($0, ordering: .relaxed)
                        }
                        if sum.load(ordering: .relaxed) != 1225 {
                            callers.wrong.wrappingAdd(1, ordering: .relaxed)
                        }
                    }
                    return nil
                }, Unmanaged.passUnretained(callers).toOpaque())
            if status == 0 { threads.append(thread) }
        }
        #expect(threads.count == 64)
        for thread in threads { pthread_join(thread, nil) }
        #expect(callers.wrong.load(ordering: .relaxed) == 0)
    }

    /// Checks that a forked child, where the threads do not exist, starts new ones and does not
    /// hang.
    @Test func worksInAForkedChild() throws {
        Parallel.chunks(8, threads: 2) { _ in }
        // Swift hides fork.
        let fork = try #require(dlsym(nil, "fork"))
        typealias Fork = @convention(c) () -> pid_t
        let child = unsafeBitCast(fork, to: Fork.self)()
        if child == 0 {
            alarm(30)
            let sum = Atomic<Int>(0)
            for _ in 0..<100 {
                Parallel.chunks(50, threads: 3) { sum.wrappingAdd($0, ordering: .relaxed) }
            }
            _exit(sum.load(ordering: .relaxed) == 122_500 ? 0 : 1)
        }
        #expect(child > 0)
        var status: Int32 = -1
        #expect(waitpid(child, &status, 0) == child)
        #expect(status == 0, "the child ended with status \(status)")
    }
}
