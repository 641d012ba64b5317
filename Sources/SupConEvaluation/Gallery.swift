import CKernels
import SupConTensor

/// Rows to be searched by cosine: copied at length 1, or where they are, if they have it already.
///
/// Similarities are made a tile at a time (128 queries × 1024 of the gallery) and seen once. Tiles
/// lie where they lie however many threads there are, and so do results. Among equally similar rows
/// the first is nearer.
struct Gallery: @unchecked Sendable {
    static let queryRows = 128, galleryRows = 1024
    /// Up to so many queries, reading the gallery takes longer than multiplying.
    static let fewQueries = 8

    let count: Int
    let dimension: Int
    /// Queries are brought to length 1 as well.
    private let normalizes: Bool
    private let rows: UnsafePointer<Float>  // [count, dimension]
    private let copy: AlignedBuffer?  // holds `rows`, unless they are the caller's

    init(_ checked: CheckedRows, context: ExecutionContext) throws(SupConError) {
        (count, dimension, normalizes) = (checked.count, checked.dimension, true)
        let unit = try checked.unitCopy(context: context)
        (copy, rows) = (unit, UnsafePointer(unit.floats))
    }

    /// Searches by the product with rows that stay the caller's. They are not looked through: one
    /// that is not finite is found with an infinite similarity.
    init(products rows: UnsafePointer<Float>, count: Int, dimension: Int) {
        (self.count, self.dimension, normalizes) = (count, dimension, false)
        (self.rows, copy) = (rows, nil)
    }

    /// Row i, as it is searched.
    func row(_ index: Int) -> UnsafePointer<Float> { rows + index * dimension }

    /// Errors: shape.
    func check(_ queries: CheckedRows, leavesOneOut: Bool) throws(SupConError) {
        try require(
            queries.dimension == dimension, .shape,
            "queries have dimension \(queries.dimension); expected \(dimension), the training rows'"
        )
        try require(
            !leavesOneOut || queries.count == count, .shape,
            """
            there are \(queries.count) queries; expected \(count), the training rows, to \
            leave one out
            """
        )
    }

    /// Calls `body` for each query, on several threads, with its `wanted(query)` nearest, the
    /// nearest first, and with `numbers` zeros, which it gives back as zeros.
    ///
    /// - Parameters:
    ///   - most: the largest of `wanted`, which is 1 or more.
    ///   - leavesOneOut: query i is row i, and is not found by itself.
    /// Errors: shape, memory, canceled.
    func search(
        _ queries: CheckedRows, most: Int, leavesOneOut: Bool, numbers: Int = 0, for what: String,
        context: ExecutionContext, wanted: (Int) -> Int,
        _ body: (
            _ query: Int, _ nearest: UnsafeBufferPointer<sc_neighbor>,
            _ numbers: UnsafeMutablePointer<Double>
        ) -> Void
    ) throws(SupConError) {
        try check(queries, leavesOneOut: leavesOneOut)
        let watch = context.watch()
        // Many neighbors are kept for fewer queries at a time.
        let queryRows = min(queries.count, max(8, min(Self.queryRows, (1 << 22) / most)))
        let heapBytes = NeighborHeaps.byteCount(queries: queryRows, most: most)
        let productBytes = queryRows * (dimension + Self.galleryRows) * 4
        let queryTiles = (queries.count + queryRows - 1) / queryRows
        let parts = parts(
            queryTiles: queryTiles, heapBytes: heapBytes, threads: context.threads)
        let tiles = try Tiles(
            count: queries.count, tileRows: queryRows,
            scratchBytes: numbers * 8 + heapBytes + (parts.count == 1 ? productBytes : 0),
            for: what, context: context)

        func heaps(_ memory: UnsafeMutableRawPointer) -> NeighborHeaps {
            NeighborHeaps(at: memory, queries: queryRows, most: most)
        }
        func scan(
            _ range: Range<Int>, _ part: Range<Int>, _ heaps: NeighborHeaps,
            _ scratch: UnsafeMutableRawPointer
        ) {
            let x = scratch.assumingMemoryBound(to: Float.self)
            queries.copy(range, into: x, unit: normalizes)
            for i in 0..<range.count { heaps.clear(i) }
            multiply(x, range.count, part, into: x + queryRows * dimension) {
                similarities, start, width in
                for (i, query) in range.enumerated() where wanted(query) > 0 {
                    heaps.scan(
                        i, similarities + i * Self.galleryRows, start: start, width: width,
                        skip: leavesOneOut ? query : nil, wanted: wanted(query))
                }
            }
        }
        func report(
            _ range: Range<Int>, _ heaps: NeighborHeaps, _ scratch: UnsafeMutableRawPointer
        ) {
            let own = scratch.assumingMemoryBound(to: Double.self)
            for (i, query) in range.enumerated() { body(query, heaps.sorted(i), own) }
        }

        if parts.count == 1 {
            tiles.run { _, range, scratch in
                if watch.isCanceled { return }
                let heaps = heaps(scratch + numbers * 8)
                scan(range, parts[0], heaps, scratch + numbers * 8 + heapBytes)
                report(range, heaps, scratch)
            }
        } else {
            let pieces = try Tiles(
                count: queryTiles * parts.count, tileRows: 1, scratchBytes: productBytes,
                for: what, context: context)
            try context.checkMemory(pieces.count * heapBytes, for: what)
            let found = try AlignedBuffer(byteCount: pieces.count * heapBytes)
            pieces.run { piece, _, scratch in
                if watch.isCanceled { return }
                let first = piece / parts.count * queryRows
                scan(
                    first..<min(first + queryRows, queries.count), parts[piece % parts.count],
                    heaps(found.pointer + piece * heapBytes), scratch)
            }
            tiles.run { tile, range, scratch in
                if watch.isCanceled { return }
                let own = found.pointer + tile * parts.count * heapBytes
                for part in 1..<parts.count {
                    let other = heaps(own + part * heapBytes)
                    for (i, query) in range.enumerated() {
                        heaps(own).merge(i, other, wanted: wanted(query))
                    }
                }
                report(range, heaps(own), scratch)
            }
        }
        try watch.check()
    }

    /// Ranges of the gallery that are searched side by side, in whole tiles: one, unless there are
    /// too few tiles of queries to keep all threads at work.
    private func parts(queryTiles: Int, heapBytes: Int, threads: Int) -> [Range<Int>] {
        let tiles = (count + Self.galleryRows - 1) / Self.galleryRows
        let wanted = threads == 1 ? 1 : (3 * threads + queryTiles - 1) / queryTiles
        let parts = max(1, min(wanted, tiles, (64 << 20) / (heapBytes * queryTiles)))
        return (0..<parts).map { part in
            let range = Parallel.range(part, of: parts, count: tiles)
            return range.lowerBound
                * Self.galleryRows..<min(range.upperBound * Self.galleryRows, count)
        }
    }

    /// Calls `body` with the products of the queries x and each tile of the gallery's range:
    /// similarities [queries, galleryRows], of which `width` columns from row `start` are filled.
    private func multiply(
        _ x: UnsafePointer<Float>, _ queries: Int, _ range: Range<Int>,
        into similarities: UnsafeMutablePointer<Float>,
        _ body: (_ similarities: UnsafePointer<Float>, _ start: Int, _ width: Int) -> Void
    ) {
        for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.galleryRows) {
            let width = min(Self.galleryRows, range.upperBound - start)
            if queries <= Self.fewQueries {
                sc_dot_rows(
                    x, Int64(queries), row(start), Int64(width), Int64(dimension), similarities,
                    Int64(Self.galleryRows))
            } else {
                MatrixProduct.multiply(
                    transposeB: true, m: queries, n: width, k: dimension, a: x, lda: dimension,
                    b: row(start), ldb: dimension, c: similarities, ldc: Self.galleryRows)
            }
            body(similarities, start, width)
        }
    }
}
