import CKernels
import Glibc
import SupConTensor

/// Returns the alignment of embeddings, the mean squared distance of two different rows of one
/// label, after normalization (Wang and Isola, arXiv:2005.10242, with α = 2); 0 at best, 2 for
/// unrelated rows; nil if no two rows share a label.
///
/// It takes O(n · dimension) by the sums of the classes: Σᵢⱼ |zᵢ − zⱼ|² = 2 (n Σ|z|² − |Σz|²) over
/// the n rows of a class. `rows` is [labels.count, dimension]; labels may be any integers. Errors:
/// argument (elements that are not finite), shape, memory.
package func alignment(
    _ rows: UnsafePointer<Float>, labels: UnsafeBufferPointer<Int64>, dimension: Int,
    context: ExecutionContext = .default
) throws(SupConError) -> Double? {
    let checked = try CheckedRows(
        rows, count: labels.count, dimension: dimension, name: "row", context: context)
    let order = labels.indices.sorted { (labels[$0], $0) < (labels[$1], $1) }
    let memory = try AlignedBuffer(Double.self, count: dimension)
    let sum = memory.values(of: Double.self)
    var distances = 0.0, pairs = 0.0
    var start = 0
    while start < order.count {
        var end = start, squares = 0.0
        sum.update(repeating: 0, count: dimension)
        while end < order.count && labels[order[end]] == labels[order[start]] {
            sc_add_scaled_f32_to_f64(
                rows + order[end] * dimension, checked.inverseLength(order[end]), sum,
                Int64(dimension))
            if checked.lengths[order[end]] > 0 { squares += 1 }
            end += 1
        }
        let n = Double(end - start)
        distances += 2 * max(n * squares - sc_dot_f64(sum, sum, Int64(dimension)), 0)
        pairs += n * (n - 1)
        start = end
    }
    return pairs > 0 ? distances / pairs : nil
}

/// Returns the alignment where a mask [samples, samples] weighs the pairs, for rows [samples,
/// views, dimension] of length 1; nil if no pair has weight.
///
/// With Z_s = Σ_v z_sv, the sum over pairs of w |zᵢ − zⱼ|² is 2 Σ_st w_st (V² − Z_s·Z_t); a row and
/// itself, at distance 0, contribute nothing. Errors: memory.
package func alignment(
    _ rows: UnsafePointer<Float>, mask: UnsafePointer<Float>, samples: Int, views: Int,
    dimension: Int, context: ExecutionContext
) throws(SupConError) -> Double? {
    let memory = try AlignedBuffer(Float.self, count: 2 * samples * dimension)
    try MatrixProduct.prepare()
    let sums = memory.floats, weighted = sums + samples * dimension
    for i in 0..<samples * dimension {
        let first = rows + i / dimension * views * dimension + i % dimension
        sums[i] = (0..<views).reduce(0) { $0 + first[$1 * dimension] }
    }
    MatrixProduct.parallelMultiply(
        m: samples, n: dimension, k: samples, a: mask, lda: samples, b: sums, ldb: dimension,
        c: weighted, ldc: dimension, threads: context.threads)
    var dots = 0.0, weight = 0.0, diagonal = 0.0
    for i in 0..<samples * dimension { dots += Double(sums[i]) * Double(weighted[i]) }
    for i in 0..<samples * samples { weight += Double(mask[i]) }
    for sample in 0..<samples { diagonal += Double(mask[sample * samples + sample]) }
    let pairs = weight * Double(views * views) - diagonal * Double(views)
    return pairs > 0 ? 2 * max(weight * Double(views * views) - dots, 0) / pairs : nil
}

/// The largest number of rows that `uniformity` uses, the first ones.
package let uniformityRows = 4096

/// Returns the uniformity of embeddings, the logarithm of the mean of exp(−2 |zᵢ − zⱼ|²) over
/// distinct pairs of rows after normalization (Wang and Isola, arXiv:2005.10242, with t = 2). It is
/// 0 if all rows are equal, and about −4 if they are spread evenly over a sphere of many
/// dimensions; nil for fewer than two rows. Only the first `uniformityRows` rows are used.
///
/// `rows` is [count, dimension]. Errors: argument (elements that are not finite), shape, memory.
package func uniformity(
    _ rows: UnsafePointer<Float>, count: Int, dimension: Int, context: ExecutionContext = .default
) throws(SupConError) -> Double? {
    let count = min(count, uniformityRows), side = 256
    let checked = try CheckedRows(
        rows, count: count, dimension: dimension, name: "row", context: context)
    guard count >= 2 else { return nil }
    let copy = try checked.unitCopy(context: context)
    let unit = copy.floats, squares = checked.lengths.map { $0 > 0 ? Float(1) : 0 }
    // Each block of rows is compared with itself and the blocks after it.
    let blocks = (count + side - 1) / side
    let pairs = (0..<blocks).flatMap { a in (a..<blocks).map { (a * side, $0 * side) } }
    let memory = try AlignedBuffer(Double.self, count: pairs.count)
    let sums = memory.values(of: Double.self)
    let tiles = try Tiles(
        count: pairs.count, tileRows: 1, scratchBytes: side * side * 4, for: "uniformity",
        context: context)
    squares.withUnsafeBufferPointer { squares in
        guard let square = squares.baseAddress else { return }
        tiles.run { pair, _, scratch in
            let (a, b) = pairs[pair], dots = scratch.assumingMemoryBound(to: Float.self)
            let height = min(side, count - a), width = min(side, count - b)
            MatrixProduct.multiply(
                transposeB: true, m: height, n: width, k: dimension, a: unit + a * dimension,
                lda: dimension, b: unit + b * dimension, ldb: dimension, c: dots,
                ldc: side)
            sums[pair] = sc_gaussian_sum(
                dots, Int64(side), Int64(height), Int64(width), square + a, square + b, 2,
                a == b ? 1 : 0)
        }
    }
    var sum = 0.0
    for pair in pairs.indices { sum += sums[pair] }
    return log(sum / (Double(count) * Double(count - 1) / 2))
}
