import Glibc
import SupConTensor
import Synchronization

/// A tile schedule decides when each tile of a matrix of blocks is processed. Tiles are assigned to
/// rounds; within a round no two tiles share a block of rows or a block of columns (or, for tiles
/// that serve both ends, any block). A tile waits for the tiles of earlier rounds in its own two
/// blocks, not for whole rounds. Therefore additions to a block never race, their order does not
/// depend on the number of threads, and a thread that the system delays does not delay all others.
final class TileSchedule: @unchecked Sendable {
    private let threads: Int
    /// The number of rounds that each block has completed.
    private let behind: UnsafeMutablePointer<Atomic<Int>>
    private let capacity: Int

    /// Makes a schedule for at most `blocks` blocks of rows, and as many of columns.
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

    /// Calls `body` for every pair of `blocks` blocks once, and for every block with itself. The
    /// order is that of a round-robin tournament by the circle method; the first round is the
    /// diagonal. If the number is odd, one block has a bye in each round.
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

    /// Calls `body` for every block of `rows` with every block of `columns`, in shifted diagonals;
    /// the shorter side is padded with byes.
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

    /// Calls `body` with each of `0..<count` and the index of the worker, below `threads`. The next
    /// free worker takes the next item.
    func divide(_ count: Int, _ body: (_ worker: Int, _ item: Int) -> Void) {
        Parallel.pieces(count, threads: threads, body)
    }

    private func inOrder(_ count: Int, _ body: (_ worker: Int, _ item: Int) -> Void) {
        for slot in 0..<capacity { behind[slot].store(0, ordering: .relaxed) }
        divide(count, body)
    }

    /// Does `work` when both blocks have completed `round` rounds. A thread is already processing
    /// the tile that this one waits for, so the wait ends.
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
