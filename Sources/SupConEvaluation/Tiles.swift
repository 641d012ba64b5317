import SupConTensor

/// Tiles divide rows among threads, each of which has its own scratch memory.
///
/// The index of a tile determines its rows and its work, so that results do not depend on the
/// number of threads.
struct Tiles {
    let count: Int
    let tileRows: Int
    private let workers: Int
    private let scratch: AlignedBuffer
    private let scratchBytes: Int

    /// Makes tiles. `scratchBytes` is the scratch memory of one thread. Errors: memory.
    init(
        count: Int, tileRows: Int, scratchBytes bytes: Int, for what: String,
        context: ExecutionContext
    ) throws(SupConError) {
        (self.count, self.tileRows) = (count, tileRows)
        workers = max(1, min(context.threads, (count + tileRows - 1) / tileRows))
        scratchBytes = (bytes + 63) / 64 * 64
        let (all, overflow) = scratchBytes.multipliedReportingOverflow(by: workers)
        try require(!overflow, .memory, "\(what) needs more memory than there can be")
        try context.checkMemory(all, for: what)
        try MatrixProduct.prepare()
        scratch = try AlignedBuffer(byteCount: all)
    }

    /// Calls `body` once for each tile. `MatrixProduct` may be used inside.
    func run(_ body: (_ tile: Int, _ rows: Range<Int>, _ scratch: UnsafeMutableRawPointer) -> Void)
    {
        MatrixProduct.withOneThreadPerCall {
            Parallel.pieces((count + tileRows - 1) / tileRows, threads: workers) { worker, tile in
                body(
                    tile, tile * tileRows..<min((tile + 1) * tileRows, count),
                    scratch.pointer + worker * scratchBytes)
            }
        }
    }
}
