import SupConTensor

/// Features are rows of r, the encoder's output, not normalized, that the caller has kept.
package struct Features {
    /// [count, dimension].
    package var values: UnsafePointer<Float>
    package var count: Int
    package var dimension: Int

    package init(_ values: UnsafePointer<Float>, count: Int, dimension: Int) {
        (self.values, self.count, self.dimension) = (values, count, dimension)
    }

    /// Throws unless the rows have the length `dimension`, and all numbers are finite. Errors:
    /// shape, argument.
    package func check(dimension expected: Int) throws(SupConError) {
        try require(
            dimension == expected, .shape,
            "features have dimension \(dimension); expected \(expected), the encoder's")
        let all = UnsafeBufferPointer(start: values, count: count * dimension)
        if let wrong = all.firstIndex(where: { !$0.isFinite }) {
            throw SupConError(
                .argument,
                """
                features[\(wrong / dimension), \(wrong % dimension)] is \(all[wrong]); expected a \
                finite number
                """
            )
        }
    }
}
