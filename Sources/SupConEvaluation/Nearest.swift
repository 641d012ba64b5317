import CKernels
import SupConTensor

/// Finds the k nearest rows of a gallery for each query, by comparing it with every row.
///
/// Products are computed in f32; of the k largest they are computed again in f64, rounded to f32,
/// and put in order, among equals the lower index first. The result is the same for any number of
/// threads; which of two rows is among the k can depend on the engine and on the queries beside it
/// where their products differ by less than f32 rounds.
///
/// - Parameters:
///   - gallery: [count, dimension]
///   - queries: [queryCount, dimension]; nil: the gallery's rows, each of which looks for the
///     others (queryCount is not looked at).
///   - indices, similarities: [queries, k] to fill, the nearest first; untouched by an error.
/// Errors: argument (numbers or products that are not finite, k), shape, memory, canceled.
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
    let most = leavesOneOut ? count - 1 : count
    try require(
        k >= 1 && k <= most, .argument,
        """
        k is \(k); expected 1 to \(most), the number of gallery \
        rows\(leavesOneOut ? " but the one that is asked about" : "")
        """
    )
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
