import CKernels
import SupConTensor

/// A gallery is a set of rows to be searched by cosine, held as a normalized copy, or in place if
/// the search is by product.
///
/// Similarities are computed tile by tile (128 queries × 1024 gallery rows) and used once. The
/// tiles, and therefore the results, do not depend on the number of threads. Among equally similar
/// rows the first is nearer.
struct Gallery: @unchecked Sendable {
    static let queryRows = 128, galleryRows = 1024
    /// The number of queries up to which reading the gallery takes longer than multiplying.
    static let fewQueries = 8

    let count: Int
    let dimension: Int
    /// Whether queries are normalized as well.
    private let normalizes: Bool
    private let rows: UnsafePointer<Float>  // [count, dimension]
    private let copy: AlignedBuffer?  // holds `rows`, unless they are the caller's

    init(_ checked: CheckedRows, context: ExecutionContext) throws(SupConError) {
        (count, dimension, normalizes) = (checked.count, checked.dimension, true)
        let unit = try checked.unitCopy(context: context)
        (copy, rows) = (unit, UnsafePointer(unit.floats))
    }

    /// Makes a gallery that is searched by product, with rows that remain the caller's. They are
    /// not checked: one that is not finite is found with an infinite similarity.
    init(products rows: UnsafePointer<Float>, count: Int, dimension: Int) {
        (self.count, self.dimension, normalizes) = (count, dimension, false)
        (self.rows, copy) = (rows, nil)
    }

    /// Returns the gallery row of an index, as it is searched.
    func row(_ index: Int) -> UnsafePointer<Float> { rows + index * dimension }

    /// Throws unless queries match the gallery. Errors: shape.
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

    /// Calls `body` for each query, on several threads, with its `wanted(query)` nearest rows,
    /// nearest first, and with `numbers` zeros for its own use, which it must leave zero.
    ///
    /// - Parameters:
    ///   - most: the largest value of `wanted`, 1 or more.
    ///   - leavesOneOut: query i is row i, and is excluded from its own neighbors.
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
        // The more neighbors are kept, the fewer queries are processed at a time.
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

    /// Returns the ranges of the gallery, in whole tiles, that are searched in parallel: a single
    /// one, unless there are too few tiles of queries to employ all threads.
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
    /// similarities [queries, galleryRows], of which `width` columns, from row `start`, are filled.
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
