import CKernels
import SupConTensor

/// Rows copied at length 1, to be searched by cosine.
///
/// Similarities are made a tile at a time (128 queries × 1024 of the gallery) and seen once. Among
/// equally similar rows the first is nearer.
struct Gallery: Sendable {
    static let queryRows = 128, galleryRows = 1024

    let count: Int
    let dimension: Int
    private let unit: AlignedBuffer  // f32 [count, dimension], rows of length 1

    init(_ rows: CheckedRows, context: ExecutionContext) throws(SupConError) {
        (count, dimension) = (rows.count, rows.dimension)
        unit = try rows.unitCopy(context: context)
    }

    /// Row i, at length 1.
    func row(_ index: Int) -> UnsafePointer<Float> {
        UnsafePointer(unit.floats + index * dimension)
    }

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
    /// Errors: shape, memory.
    func search(
        _ queries: CheckedRows, most: Int, leavesOneOut: Bool, numbers: Int = 0, for what: String,
        context: ExecutionContext, wanted: (Int) -> Int,
        _ body: (
            _ query: Int, _ nearest: UnsafeBufferPointer<sc_neighbor>,
            _ numbers: UnsafeMutablePointer<Double>
        ) -> Void
    ) throws(SupConError) {
        try check(queries, leavesOneOut: leavesOneOut)
        let (dimension, count, galleryRows) = (dimension, count, Self.galleryRows)
        // Many neighbors are kept for fewer queries at a time.
        let queryRows = max(8, min(Self.queryRows, (1 << 22) / most))
        let heapBytes = queryRows * most * MemoryLayout<sc_neighbor>.stride
        let tiles = try Tiles(
            count: queries.count, tileRows: queryRows,
            scratchBytes: numbers * 8 + heapBytes + queryRows * (dimension + galleryRows) * 4,
            for: what,
            context: context)
        let gallery = unit.floats
        tiles.run { _, range, scratch in
            let own = scratch.assumingMemoryBound(to: Double.self)
            let heaps = (scratch + numbers * 8).assumingMemoryBound(to: sc_neighbor.self)
            let x = (scratch + numbers * 8 + heapBytes).assumingMemoryBound(to: Float.self),
                similarities = x + queryRows * dimension
            queries.copyUnit(range, into: x)
            withUnsafeTemporaryAllocation(of: Int64.self, capacity: queryRows) { held in
                held.initialize(repeating: 0)
                for start in stride(from: 0, to: count, by: galleryRows) {
                    let width = min(galleryRows, count - start)
                    MatrixProduct.multiply(
                        transposeB: true, m: range.count, n: width, k: dimension, a: x,
                        lda: dimension, b: gallery + start * dimension, ldb: dimension,
                        c: similarities, ldc: galleryRows)
                    for (i, query) in range.enumerated() {
                        let k = wanted(query)
                        if k == 0 { continue }
                        sc_nearest_scan(
                            similarities + i * galleryRows, Int64(width), Int32(start),
                            leavesOneOut ? Int32(query) : -1, Int64(k), heaps + i * most, &held[i])
                    }
                }
                for (i, query) in range.enumerated() {
                    sc_nearest_sort(heaps + i * most, held[i])
                    body(
                        query, UnsafeBufferPointer(start: heaps + i * most, count: Int(held[i])),
                        own)
                }
            }
        }
    }
}
