import SupConNetwork
import SupConTensor

extension Model {
    /// Returns the dimension of a row of an output; 0 if the model does not have that output.
    public func outputDimension(_ output: EmbedOutput) -> Int {
        Self.dimension(output, configuration)
    }

    static func dimension(_ output: EmbedOutput, _ configuration: NetworkConfiguration) -> Int {
        switch output {
        case .encoder: configuration.embeddingDimension
        case .projection: configuration.head == .none ? 0 : configuration.projectionDimension
        case .logits, .probabilities: configuration.classes
        }
    }

    /// Checks everything that does not depend on the images, and returns the dimension of a row.
    /// Errors: argument, state (no such output).
    static func check(_ options: EmbedOptions, _ configuration: NetworkConfiguration)
        throws(SupConError) -> Int
    {
        try options.validateRanges()
        let dimension = dimension(options.output, configuration)
        switch options.output {
        case .encoder: break
        case .projection:
            try require(
                dimension > 0, .state,
                """
                the model has no projection head; use the encoder's output, or make the model \
                with a head
                """
            )
        case .logits, .probabilities:
            try require(
                dimension > 0, .state, "the model has no classifier; fit or train one first")
        }
        return dimension
    }
}

/// Output rows are the outputs of a plan in the form that the caller has asked for.
struct OutputRows {
    var options: EmbedOptions
    var dimension: Int

    /// Runs the plan and writes its first `count` rows to `rows` [count, dimension]. Errors:
    /// canceled, after which nothing has been written.
    func compute(
        _ count: Int, by plan: InferencePlan, to rows: UnsafeMutablePointer<Float>,
        watch: CancelWatch
    ) throws(SupConError) {
        plan.run(
            projection: options.output == .projection,
            logits: options.output == .logits || options.output == .probabilities, watch: watch)
        try watch.check()
        copy(count, of: plan, to: rows)
    }

    /// Writes the plan's first `count` rows to `rows` [count, dimension].
    private func copy(_ count: Int, of plan: InferencePlan, to rows: UnsafeMutablePointer<Float>) {
        let source: UnsafeMutablePointer<Float>? =
            switch options.output {
            case .encoder: plan.features
            case .projection: plan.projection
            case .logits, .probabilities: plan.logits
            }
        // `check` has found that the model has the output.
        guard let source else { return }
        for row in 0..<count {
            let (from, to) = (source + row * dimension, rows + row * dimension)
            switch options.output {
            case .encoder, .projection:
                if options.normalize {
                    L2Normalize(rows: 1, dimension: dimension).forward(w: from, z: to)
                } else {
                    to.update(from: from, count: dimension)
                }
            case .logits: to.update(from: from, count: dimension)
            case .probabilities: softmax(from, to)
            }
        }
    }
}
