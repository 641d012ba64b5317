import CKernels
import SupConTensor

/// Checked rows have been verified to be finite, and their lengths are known. The rows themselves
/// remain the caller's.
struct CheckedRows {
    let rows: UnsafePointer<Float>  // [count, dimension]
    let count: Int
    let dimension: Int
    let lengths: [Double]

    /// Checks rows. `name` is the term for a row in error messages, such as "training row". Errors:
    /// shape (sizes), argument (an element that is not finite), memory.
    init(
        _ rows: UnsafePointer<Float>, count: Int, dimension: Int, name: String,
        context: ExecutionContext
    ) throws(SupConError) {
        try checkRowCount(count, dimension: dimension, name: name)
        try context.checkMemory(count * 8, for: "looking through \(count) \(name)s")
        (self.rows, self.count, self.dimension) = (rows, count, dimension)
        lengths = [Double](unsafeUninitializedCapacity: count) { buffer, filled in
            if let lengths = buffer.baseAddress {
                Parallel.ranges(count, grain: 1 + 65_536 / dimension, threads: context.threads) {
                    range in
                    for row in range {
                        lengths[row] = sc_sum_of_squares(rows + row * dimension, Int64(dimension))
                            .squareRoot()
                    }
                }
            }
            filled = count
        }
        if let row = lengths.firstIndex(where: { !$0.isFinite }) {
            let column = (0..<dimension).first { !rows[row * dimension + $0].isFinite } ?? 0
            throw SupConError(
                .argument,
                """
                \(name) \(row) has \(rows[row * dimension + column]) in column \(column); \
                expected finite numbers
                """
            )
        }
    }

    /// Writes the rows of `range`, each divided by its length; a row of zeros stays zero.
    func copyUnit(_ range: Range<Int>, into unit: UnsafeMutablePointer<Float>) {
        for (i, row) in range.enumerated() {
            sc_scale_f32(
                rows + row * dimension, inverseLength(row), unit + i * dimension, Int64(dimension))
        }
    }

    /// Copies the rows of `range`, normalized if `unit` is true.
    func copy(_ range: Range<Int>, into memory: UnsafeMutablePointer<Float>, unit: Bool) {
        if unit { return copyUnit(range, into: memory) }
        memory.update(from: rows + range.lowerBound * dimension, count: range.count * dimension)
    }

    /// Returns 1 / length; 0 for a row of zeros. Unlike `L2Normalize` it has no ε: an evaluation
    /// depends only on the directions of rows, even of those shorter than ε, and takes no gradient
    /// that would grow without bound.
    func inverseLength(_ row: Int) -> Double { lengths[row] > 0 ? 1 / lengths[row] : 0 }

    /// Returns a normalized copy of all rows. Errors: memory.
    func unitCopy(context: ExecutionContext) throws(SupConError) -> AlignedBuffer {
        try context.checkMemory(
            count * dimension * 4, for: "a copy of \(count) rows of dimension \(dimension)")
        let copy = try AlignedBuffer(Float.self, count: count * dimension)
        let unit = copy.floats
        Parallel.ranges(count, grain: 1 + 65_536 / dimension, threads: context.threads) { range in
            copyUnit(range, into: unit + range.lowerBound * dimension)
        }
        return copy
    }
}

/// Throws unless there is one label per row and all labels are from 0 to `most` − 1. Errors: shape,
/// argument.
func checkLabels(_ labels: UnsafeBufferPointer<Int64>, count: Int, below most: Int, name: String)
    throws(SupConError)
{
    try require(
        labels.count == count, .shape,
        "there are \(labels.count) labels for \(count) \(name)s; expected one for each")
    if let bad = labels.firstIndex(where: { $0 < 0 || $0 >= most }) {
        throw SupConError(
            .argument, "the label of \(name) \(bad) is \(labels[bad]); expected 0 to \(most - 1)")
    }
}

/// Throws unless there is at least one row, and neither the number of rows nor the dimension is too
/// large. Errors: shape.
func checkRowCount(_ count: Int, dimension: Int, name: String) throws(SupConError) {
    try require(count >= 1, .shape, "the number of \(name)s is \(count); expected 1 or more")
    try require(
        dimension >= 1, .shape, "the dimension of \(name)s is \(dimension); expected 1 or more")
    // Fewer than 2³¹ rows, so that an index fits in 32 bits; fewer than 2⁴⁴ elements, so that no
    // size of tiles and sums overflows.
    let (elements, overflow) = count.multipliedReportingOverflow(by: dimension)
    try require(
        count < 1 << 31 && dimension < 1 << 31 && !overflow && elements < 1 << 44, .shape,
        """
        \(count) \(name)s of dimension \(dimension) are too many; expected fewer than 2³¹ rows of \
        fewer than 2³¹ numbers
        """
    )
}

/// Throws unless each of `count` rows, or any other one, has k neighbors among them. Errors:
/// argument.
func checkNeighbors(_ k: Int, of count: Int, leavesOneOut: Bool, name: String) throws(SupConError) {
    let most = leavesOneOut ? count - 1 : count
    try require(
        most >= 1, .argument,
        "there is \(count) \(name); expected 2 or more, as a row is no neighbor of its own")
    try require(
        k >= 1 && k <= most, .argument,
        """
        k is \(k); expected 1 to \(most), the number of \(name)s\
        \(leavesOneOut ? " but the one that is asked about" : "")
        """
    )
}
