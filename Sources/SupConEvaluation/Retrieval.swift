import CKernels
import SupConTensor

/// A retrieval result states how well rows find others of their class: Musgrave et al., "A Metric
/// Learning Reality Check" (arXiv:2003.08505, §3.2). R of a query is the number of gallery rows
/// with its label; rank 1 is the most similar row.
public struct Retrieval: Sendable {
    /// The fraction of the queries whose nearest row has their label.
    public let precisionAt1: Double
    /// The mean over queries of  (rows with the query's label among the R nearest) / R.
    public let rPrecision: Double
    /// The mean over queries of 1/R Σ_{i ≤ R} P(i) [row of rank i has the label], where P(i) is the
    /// precision among the first i.
    public let mapAtR: Double
    /// The number of queries in the means.
    public let queries: Int
    /// The number of queries that were left out because no row has their label.
    public let queriesWithoutMatch: Int
}

/// Computes retrieval by cosine. Rows are normalized first; similarities are computed tile by tile,
/// and only a query's R nearest rows are kept.
///
/// - Parameters:
///   - gallery: the rows [galleryLabels.count, dimension].
///   - queries: [queryLabels.count, dimension]; nil: each row of the gallery is compared with the
///     others (queryLabels is ignored).
///   - labels: any integers.
/// Errors: argument (elements that are not finite; no query has a match), shape, memory.
package func retrieval(
    gallery: UnsafePointer<Float>, galleryLabels: UnsafeBufferPointer<Int64>,
    queries: UnsafePointer<Float>? = nil,
    queryLabels: UnsafeBufferPointer<Int64> = UnsafeBufferPointer(start: nil, count: 0),
    dimension: Int, context: ExecutionContext = .default
) throws(SupConError) -> Retrieval {
    let rows = try CheckedRows(
        gallery, count: galleryLabels.count, dimension: dimension, name: "gallery row",
        context: context)
    let leavesOneOut = queries == nil, labels = leavesOneOut ? galleryLabels : queryLabels
    let asking =
        try queries.map { (queries) throws(SupConError) in
            try CheckedRows(
                queries, count: queryLabels.count, dimension: dimension, name: "query row",
                context: context)
        } ?? rows
    var sizes: [Int64: Int] = [:]
    for label in galleryLabels { sizes[label, default: 0] += 1 }
    let relevant = labels.map { (sizes[$0] ?? 0) - (leavesOneOut ? 1 : 0) }
    let most = relevant.max() ?? 0, asked = relevant.count { $0 > 0 }
    try require(
        asked > 0, .argument, "no query has a row of its label to find: nothing can be retrieved")

    let memory = try AlignedBuffer(Double.self, count: 3 * asking.count)
    let scores = memory.values(of: Double.self)
    try Gallery(rows, context: context).search(
        asking, most: most, leavesOneOut: leavesOneOut,
        for: "retrieving the \(most) rows of a class", context: context, wanted: { relevant[$0] }
    ) { query, nearest, _ in
        var found = 0, precisions = 0.0
        for (i, n) in nearest.enumerated() where galleryLabels[Int(n.index)] == labels[query] {
            found += 1
            if i == 0 { scores[3 * query] = 1 }
            precisions += Double(found) / Double(i + 1)
        }
        if relevant[query] > 0 {
            scores[3 * query + 1] = Double(found) / Double(relevant[query])
            scores[3 * query + 2] = precisions / Double(relevant[query])
        }
    }
    var sums = (0.0, 0.0, 0.0)
    for query in 0..<asking.count {
        sums = (
            sums.0 + scores[3 * query], sums.1 + scores[3 * query + 1],
            sums.2 + scores[3 * query + 2]
        )
    }
    let n = Double(asked)
    return Retrieval(
        precisionAt1: sums.0 / n, rPrecision: sums.1 / n, mapAtR: sums.2 / n, queries: asked,
        queriesWithoutMatch: asking.count - asked)
}
