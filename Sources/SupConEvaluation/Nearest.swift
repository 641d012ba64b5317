import CKernels
import SupConTensor

/// Finds the k nearest rows of a gallery for each query, by comparing it with every row.
///
/// Products are computed in f32. The k largest are computed again in f64, rounded to f32, and
/// sorted; among equals the lower index comes first. The result does not depend on the number of
/// threads. Where the products of two rows differ by less than f32 rounding, the choice between
/// them may depend on the engine and on the other queries.
///
/// - Parameters:
///   - gallery: the rows [count, dimension].
///   - queries: [queryCount, dimension]; nil: each row of the gallery is compared with the others
///     (queryCount is ignored).
///   - indices, similarities: [queries, k] to fill, the nearest first; unchanged after an error.
/// Errors: argument (elements or products that are not finite, k), shape, memory, canceled.
package func nearest(
    gallery: UnsafePointer<Float>, count: Int, queries: UnsafePointer<Float>?, queryCount: Int = 0,
    dimension: Int, options: NearestOptions = NearestOptions(),
    indices: UnsafeMutablePointer<Int64>, similarities: UnsafeMutablePointer<Float>,
    context: ExecutionContext = .default
) throws(SupConError) {
    let (k, leavesOneOut) = (options.k, queries == nil)
    let asking = try CheckedRows(
        queries ?? gallery, count: leavesOneOut ? count : queryCount, dimension: dimension,
        name: leavesOneOut ? "gallery row" : "query row", context: context)
    try checkRowCount(count, dimension: dimension, name: "gallery row")
    try checkNeighbors(k, of: count, leavesOneOut: leavesOneOut, name: "gallery row")
    let rows: Gallery
    if options.normalize {
        let checked =
            leavesOneOut
            ? asking
            : try CheckedRows(
                gallery, count: count, dimension: dimension, name: "gallery row", context: context)
        rows = try Gallery(checked, context: context)
    } else {
        rows = Gallery(products: gallery, count: count, dimension: dimension)
    }

    let (cells, overflow) = asking.count.multipliedReportingOverflow(by: k)
    try require(
        !overflow && cells < 1 << 44, .shape,
        "\(asking.count) queries of \(k) neighbors are too many; expected fewer than 2⁴⁴ neighbors")
    let bytes = cells * MemoryLayout<sc_neighbor>.stride
    try context.checkMemory(bytes, for: "\(k) neighbors of each of \(asking.count) queries")
    let memory = try AlignedBuffer(byteCount: bytes)
    let found = memory.values(of: sc_neighbor.self)
    try rows.search(
        asking, most: k, leavesOneOut: leavesOneOut,
        for: "finding the \(k) nearest of \(count) rows", context: context, wanted: { _ in k }
    ) { query, nearest, _ in
        let own = found + query * k
        let x = asking.rows + query * dimension
        let scale = options.normalize ? asking.inverseLength(query) : 1
        for (i, n) in nearest.enumerated() {
            own[i] = n
            own[i].similarity = Float(
                sc_dot_f32(x, rows.row(Int(n.index)), Int64(dimension)) * scale)
        }
        var kept = UnsafeMutableBufferPointer(start: own, count: k)
        kept.sort {
            $0.similarity > $1.similarity || ($0.similarity == $1.similarity && $0.index < $1.index)
        }
    }
    if let bad = (0..<cells).first(where: { !found[$0].similarity.isFinite }) {
        throw SupConError(
            .argument,
            """
            the product of query row \(bad / k) and gallery row \(found[bad].index) is \
            \(found[bad].similarity); expected finite rows with finite products
            """)
    }
    for i in 0..<cells {
        indices[i] = Int64(found[i].index)
        similarities[i] = found[i].similarity
    }
}
