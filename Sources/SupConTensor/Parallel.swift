import CKernels
import Dispatch
import Synchronization
#if OneDNN
import COneDNN
#endif

/// Loops over chunks of work on the pool of threads that the engine computes on: one pool, never
/// nested.
///
/// A chunk's number, not its thread, decides what it does, so that results do not depend on who ran
/// first.
public enum Parallel {
    /// CPUs that this process may run on.
    public static let availableThreads = Int(sc_available_cpus())

    /// Calls `body(0)` … `body(chunks - 1)`, each once, on up to `threads` threads, and returns
    /// when all are done.
    public static func chunks(_ chunks: Int, threads: Int, _ body: (Int) -> Void) {
        let workers = min(threads, chunks)
        if workers <= 1 {
            for chunk in 0..<max(chunks, 0) { body(chunk) }
            return
        }
        let next = Atomic<Int>(0)
        team(workers) {
            while true {
                let chunk = next.wrappingAdd(1, ordering: .relaxed).oldValue
                if chunk >= chunks { return }
                body(chunk)
            }
        }
    }

    /// Cuts `0..<count` into ranges of at least `grain` and hands them out: about three per thread,
    /// so that a late thread does not hold up the rest.
    public static func ranges(_ count: Int, grain: Int, threads: Int, _ body: (Range<Int>) -> Void)
    {
        let pieces = rangeCount(count, grain: grain, threads: threads)
        chunks(pieces, threads: threads) { body(range($0, of: pieces, count: count)) }
    }

    /// How many ranges `ranges` makes.
    public static func rangeCount(_ count: Int, grain: Int, threads: Int) -> Int {
        threads <= 1 ? min(count, 1) : max(min(count, 1), min(count / max(grain, 1), threads * 3))
    }

    /// The `index`-th of `pieces` nearly equal parts of `0..<count`.
    public static func range(_ index: Int, of pieces: Int, count: Int) -> Range<Int> {
        (index * count / pieces)..<((index + 1) * count / pieces)
    }

    /// Runs `body` once on each of `threads` threads.
    private static func team(_ threads: Int, _ body: () -> Void) {
        #if OneDNN
        withoutActuallyEscaping(body) { escaping in
            var closure = escaping
            withUnsafeMutablePointer(to: &closure) { context in
                scd_parallel(
                    Int32(threads), { $0!.assumingMemoryBound(to: (() -> Void).self).pointee() },
                    context)
            }
        }
        #else
        withoutActuallyEscaping(body) { escaping in
            // concurrentPerform returns when all have: the closure does not outlive this call.
            nonisolated(unsafe) let closure = escaping
            DispatchQueue.concurrentPerform(iterations: threads) { _ in closure() }
        }
        #endif
    }
}
