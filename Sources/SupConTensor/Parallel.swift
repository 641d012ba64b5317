import CKernels
#if OneDNN
import COneDNN
import Synchronization
#endif

/// Parallel loops run pieces of work on the process's own threads (`ckernels_workers.h`). They do
/// not nest: a loop inside a piece runs on the piece's thread.
///
/// The index of a piece, not its thread, decides what it does, so that results do not depend on the
/// order of execution. A free thread takes the next piece. A thread that the system does not
/// schedule delays others only in the middle of a piece, and a waiting thread sleeps after some
/// tens of microseconds.
package enum Parallel {
    /// The number of CPUs that this process may run on.
    package static let availableThreads = Int(sc_available_cpus())

    /// Calls `body(0)` … `body(chunks - 1)`, each once, on up to `threads` threads, and returns
    /// when all are done.
    package static func chunks(_ chunks: Int, threads: Int, _ body: (Int) -> Void) {
        pieces(chunks, threads: threads) { _, chunk in body(chunk) }
    }

    /// Calls `body` as `chunks` does, with the index of the worker that processes the piece, for
    /// data of its own: it is below `threads`, and used by one thread at a time.
    package static func pieces(
        _ count: Int, threads: Int, _ body: (_ worker: Int, _ piece: Int) -> Void
    ) {
        if threads <= 1 || count <= 1 {
            for piece in 0..<max(count, 0) { body(0, piece) }
            return
        }
        #if OneDNN
        if scd_uses_team() != 0 { return teamPieces(count, threads: threads, body) }
        #endif
        withoutActuallyEscaping(body) { escaping in
            var closure = escaping
            withUnsafeMutablePointer(to: &closure) { context in
                sc_share(
                    Int64(count), Int32(threads),
                    { context, worker, piece in
                        context?.assumingMemoryBound(to: ((Int, Int) -> Void).self).pointee(
                            Int(worker), Int(piece))
                    }, context)
            }
        }
    }

    /// Divides `0..<count` into ranges of at least `grain` elements, about three per thread so that
    /// a late thread does not delay the rest, and calls `body` with each.
    package static func ranges(_ count: Int, grain: Int, threads: Int, _ body: (Range<Int>) -> Void)
    {
        let pieces = rangeCount(count, grain: grain, threads: threads)
        chunks(pieces, threads: threads) { body(range($0, of: pieces, count: count)) }
    }

    /// Returns the number of ranges into which `ranges` divides `count`.
    package static func rangeCount(_ count: Int, grain: Int, threads: Int) -> Int {
        threads <= 1 ? min(count, 1) : max(min(count, 1), min(count / max(grain, 1), threads * 3))
    }

    /// Returns the part of index `index` of `pieces` nearly equal parts of `0..<count`.
    package static func range(_ index: Int, of pieces: Int, count: Int) -> Range<Int> {
        (index * count / pieces)..<((index + 1) * count / pieces)
    }

    #if OneDNN
    /// Runs pieces on oneDNN's threads while it shares each convolution among them: two sets of
    /// threads would compete for the same cores.
    private static func teamPieces(_ count: Int, threads: Int, _ body: (Int, Int) -> Void) {
        let nextWorker = Atomic<Int>(0)
        let next = Atomic<Int>(0)
        let work = {
            let worker = nextWorker.wrappingAdd(1, ordering: .relaxed).oldValue
            while true {
                let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
                if piece >= count { return }
                body(worker, piece)
            }
        }
        withoutActuallyEscaping(work) { escaping in
            var closure = escaping
            withUnsafeMutablePointer(to: &closure) { context in
                scd_parallel(
                    Int32(min(threads, count)),
                    { $0?.assumingMemoryBound(to: (() -> Void).self).pointee() }, context)
            }
        }
    }
    #endif
}
