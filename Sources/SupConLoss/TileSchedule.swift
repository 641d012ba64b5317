import SupConTensor
import Synchronization

/// Which tiles of a matrix of blocks are worked on at the same time: in rounds, in none of which two tiles share a block of rows or a block of columns (nor, for tiles that serve both
/// ways, a block at all). So what tiles add to their blocks is never torn, and is added in an order that does not depend on the number of threads.
struct TileSchedule {
    let threads: Int

    /// Every pair of `blocks` once, and every block with itself: a round-robin tournament, by the circle method; the first round is the diagonal.
    func pairs(blocks: Int, _ body: (_ worker: Int, _ first: Int, _ second: Int) -> Void) {
        share(blocks) { body($0, $1, $1) }
        let players = blocks + blocks % 2
        let around = players - 1
        for round in 0..<max(around, 0) {
            share(players / 2) { worker, table in
                let one = table == 0 ? around : (round + table) % around
                let other = table == 0 ? round : (round - table + around) % around
                if one < blocks && other < blocks { body(worker, min(one, other), max(one, other)) }
            }
        }
    }

    /// Every block of `rows` with every block of `columns`, in shifted diagonals.
    func grid(rows: Int, columns: Int, _ body: (_ worker: Int, _ row: Int, _ column: Int) -> Void) {
        let most = max(rows, columns)
        for round in 0..<most {
            share(rows) { worker, row in
                let column = (row + round) % most
                if column < columns { body(worker, row, column) }
            }
        }
    }

    /// Calls `body` with each of `0..<count`, and with the number of the worker, below `threads`, who does it: whoever is free takes the next.
    func share(_ count: Int, _ body: (_ worker: Int, _ item: Int) -> Void) {
        let workers = min(threads, count)
        let next = Atomic<Int>(0)
        Parallel.chunks(workers, threads: workers) { worker in
            while true {
                let item = next.wrappingAdd(1, ordering: .relaxed).oldValue
                if item >= count { return }
                body(worker, item)
            }
        }
    }
}
