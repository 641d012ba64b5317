import Glibc
import SupConTensor
import Synchronization

/// Which tiles of a matrix of blocks are worked on when: in rounds, in none of which two tiles
/// share a block of rows or a block of columns (nor, for tiles that serve both ways, a block at
/// all). A tile waits for those of earlier rounds on its own two blocks, not for whole rounds. So
/// what tiles add to their blocks is never torn, is added in an order that does not depend on the
/// number of threads, and a thread that the system holds up does not hold up the others.
final class TileSchedule: @unchecked Sendable {
    private let threads: Int
    /// Rounds that a block has behind it.
    private let behind: UnsafeMutablePointer<Atomic<Int>>
    private let capacity: Int

    /// For at most `blocks` blocks of rows, and of columns.
    init(threads: Int, blocks: Int) {
        self.threads = threads
        capacity = 2 * blocks + 2
        behind = .allocate(capacity: capacity)
        for slot in 0..<capacity { (behind + slot).initialize(to: Atomic(0)) }
    }

    deinit {
        behind.deinitialize(count: capacity)
        behind.deallocate()
    }

    /// Every pair of `blocks` once, and every block with itself: a round-robin tournament, by the
    /// circle method; the first round is the diagonal. Of an odd number one has a bye.
    func pairs(blocks: Int, _ body: (_ worker: Int, _ first: Int, _ second: Int) -> Void) {
        let players = blocks + blocks % 2
        let (around, tables) = (players - 1, players / 2)
        inOrder(players + around * tables) { worker, item in
            if item < players {
                after(0, item, item) { if item < blocks { body(worker, item, item) } }
                return
            }
            let (round, table) = ((item - players) / tables, (item - players) % tables)
            let one = table == 0 ? around : (round + table) % around
            let other = table == 0 ? round : (round - table + around) % around
            after(round + 1, one, other) {
                if one < blocks && other < blocks { body(worker, min(one, other), max(one, other)) }
            }
        }
    }

    /// Every block of `rows` with every block of `columns`, in shifted diagonals; the shorter side
    /// is filled up with byes.
    func grid(rows: Int, columns: Int, _ body: (_ worker: Int, _ row: Int, _ column: Int) -> Void) {
        let most = max(rows, columns)
        inOrder(most * most) { worker, item in
            let (round, row) = (item / most, item % most)
            let column = (row + round) % most
            after(round, row, most + column) {
                if row < rows && column < columns { body(worker, row, column) }
            }
        }
    }

    /// Calls `body` with each of `0..<count`, and with the number of the worker, below `threads`,
    /// who does it: whoever is free takes the next.
    func share(_ count: Int, _ body: (_ worker: Int, _ item: Int) -> Void) {
        Parallel.pieces(count, threads: threads, body)
    }

    private func inOrder(_ count: Int, _ body: (_ worker: Int, _ item: Int) -> Void) {
        for slot in 0..<capacity { behind[slot].store(0, ordering: .relaxed) }
        share(count, body)
    }

    /// Does `work` when both slots have `round` rounds behind them. What it waits for was taken
    /// earlier by a thread that is at it, so it will come.
    private func after(_ round: Int, _ one: Int, _ other: Int, _ work: () -> Void) {
        var patience = 1000
        while behind[one].load(ordering: .acquiring) < round
            || behind[other].load(ordering: .acquiring) < round
        {
            patience -= 1
            if patience < 0 { sched_yield() }
        }
        work()
        behind[one].store(round + 1, ordering: .releasing)
        behind[other].store(round + 1, ordering: .releasing)
    }
}
