import SupConNetwork
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

extension Model {
    /// The largest number of rows that pass the head at a time, unless the caller sets it.
    private static let mostRows = 1024

    /// Computes an output from features to `rows` [count, outputDimension]. Any number of threads
    /// may do so at once. Errors: argument (a feature that is not finite), shape, state (no such
    /// output; training), memory, canceled.
    package func forwardHead(
        _ features: Features, _ options: EmbedOptions, into rows: UnsafeMutablePointer<Float>
    ) throws(SupConError) {
        try shared { () throws(SupConError) in
            let (network, watch) = (network, context.watch())
            let output = OutputRows(
                options: options, dimension: try Self.check(options, network.configuration))
            try require(
                !options.flip, .argument,
                "flip is 1; expected 0: features are of images as they were embedded")
            try features.check(dimension: outputDimension(.encoder))
            let size = min(
                features.count, options.batchSize > 0 ? options.batchSize : Self.mostRows)
            // Without stem and stages, r is the input.
            let plan = try InferencePlan(
                network, behind: 4, images: size, height: imageHeight, width: imageWidth,
                precision: precision, context: context, watch: watch)
            for start in stride(from: 0, to: features.count, by: size) {
                let count = min(size, features.count - start)
                plan.input.update(
                    from: features.values + start * features.dimension,
                    count: count * features.dimension)
                try output.compute(
                    count, by: plan, to: rows + start * output.dimension, watch: watch)
            }
        }
    }
}
