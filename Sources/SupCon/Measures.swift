import SupConEvaluation
import SupConTensor

/// The neighbors of queries are the rows of a gallery that are nearest to each.
public struct Neighbors: Sendable, Equatable {
    /// The number of neighbors of each query.
    public let k: Int
    /// The indices of gallery rows, the nearest first: [queries, k].
    public let indices: [Int]
    /// The similarities, in the same order: [queries, k].
    public let similarities: [Float]
}

extension Embeddings {
    /// Finds the nearest rows of this gallery by comparing each query with every row.
    ///
    /// - Parameters:
    ///   - queries: nil: each of the gallery's own rows is compared with the others.
    ///   - options: the number of neighbors, and whether rows are normalized first.
    ///   - context: the threads that compute.
    /// Errors: argument (numbers that are not finite; more neighbors than rows), shape, memory,
    /// canceled.
    public func nearest(
        to queries: Embeddings? = nil, _ options: NearestOptions = NearestOptions(),
        context: ExecutionContext = .default
    ) throws(SupConError) -> Neighbors {
        let asking = queries ?? self
        try check(asking)
        // The engine rejects a k that the gallery cannot serve.
        let k = min(max(options.k, 0), count)
        let (elements, overflow) = asking.count.multipliedReportingOverflow(by: k)
        try require(
            !overflow && elements < 1 << 56, .memory,
            "\(k) neighbors of \(asking.count) rows are larger than memory")
        try context.checkMemory(elements * 8, for: "the neighbors of \(asking.count) rows")
        var indices = [Int64](repeating: 0, count: elements)
        let similarities = try filled(elements, "their similarities", context) {
            (similarities) throws(SupConError) in
            try with(asking) { (gallery, rows) throws(SupConError) in
                try indices.withUnsafeMutableBufferPointer { (found) throws(SupConError) in
                    guard let found = found.baseAddress else { return }
                    try SupConEvaluation.nearest(
                        gallery: gallery, count: count, queries: queries == nil ? nil : rows,
                        queryCount: asking.count, dimension: dimension, options: options,
                        indices: found, similarities: similarities, context: context)
                }
            }
        }
        return Neighbors(k: options.k, indices: indices.map(Int.init), similarities: similarities)
    }

    /// Measures how well these labeled rows train a method that predicts others. Rows are
    /// normalized first.
    ///
    /// - Parameters:
    ///   - labels: [count], any integers.
    ///   - test: the rows to predict.
    ///   - testLabels: [test.count].
    ///   - options: the method, a linear probe by default.
    ///   - context: the threads that compute.
    /// Errors: argument (options, numbers that are not finite), shape, memory, canceled.
    public func evaluate(
        labels: [Int], on test: Embeddings, testLabels: [Int],
        _ options: EvaluateOptions = EvaluateOptions(), context: ExecutionContext = .default
    ) throws(SupConError) -> Evaluation {
        try check(test)
        try check(labels, of: self)
        try check(testLabels, of: test)
        return try with(test) { (train, rows) throws(SupConError) in
            try with(labels, testLabels) { (trainLabels, testLabels) throws(SupConError) in
                try SupConEvaluation.evaluate(
                    train: train, trainLabels: trainLabels, test: rows, testLabels: testLabels,
                    dimension: dimension, options: options, context: context)
            }
        }
    }

    /// Returns the fraction of the queries that a vote of their k nearest rows of this gallery
    /// labels correctly; votes are weighted by exp(cosine / temperature) (Wu et al.,
    /// arXiv:1805.01978).
    ///
    /// - Parameters:
    ///   - labels: the gallery's [count].
    ///   - queries: nil: the gallery's own rows, each of which is left out of its own vote.
    ///   - queryLabels: [queries.count].
    ///   - k: the number of voters, 1 or more.
    ///   - temperature: above 0.
    ///   - context: the threads that compute.
    /// Errors: argument, shape, memory, canceled.
    public func knnAccuracy(
        labels: [Int], of queries: Embeddings? = nil, queryLabels: [Int] = [], k: Int = 1,
        temperature: Float = 0.1, context: ExecutionContext = .default
    ) throws(SupConError) -> Double {
        let asking = queries ?? self
        try check(asking)
        try check(labels, of: self)
        if let queries { try check(queryLabels, of: queries) }
        return try with(asking) { (gallery, rows) throws(SupConError) in
            try with(labels, queryLabels) { (labels, queryLabels) throws(SupConError) in
                if queries == nil {
                    return try SupConEvaluation.knnAccuracy(
                        leavingOneOut: gallery, labels: labels, dimension: dimension, k: k,
                        temperature: temperature, context: context)
                }
                return try SupConEvaluation.knnAccuracy(
                    queries: rows, labels: queryLabels, gallery: gallery, galleryLabels: labels,
                    dimension: dimension, k: k, temperature: temperature, context: context)
            }
        }
    }

    /// Measures how well rows find others of their class in this gallery (Musgrave et al.,
    /// arXiv:2003.08505).
    ///
    /// - Parameters:
    ///   - labels: the gallery's [count].
    ///   - queries: nil: each of the gallery's own rows is compared with the others.
    ///   - queryLabels: [queries.count].
    ///   - context: the threads that compute.
    /// Errors: argument (numbers that are not finite; no query has a match), shape, memory.
    public func retrieval(
        labels: [Int], of queries: Embeddings? = nil, queryLabels: [Int] = [],
        context: ExecutionContext = .default
    ) throws(SupConError) -> Retrieval {
        let asking = queries ?? self
        try check(asking)
        try check(labels, of: self)
        if let queries { try check(queryLabels, of: queries) }
        return try with(asking) { (gallery, rows) throws(SupConError) in
            try with(labels, queryLabels) { (labels, queryLabels) throws(SupConError) in
                try SupConEvaluation.retrieval(
                    gallery: gallery, galleryLabels: labels, queries: queries == nil ? nil : rows,
                    queryLabels: queryLabels, dimension: dimension, context: context)
            }
        }
    }

    /// Returns the mean squared distance of two different rows of one label, after normalization
    /// (Wang and Isola, arXiv:2005.10242): 0 at best, 2 for unrelated rows; nil if no two rows
    /// share a label. Errors: argument (numbers that are not finite), shape, memory.
    public func alignment(labels: [Int], context: ExecutionContext = .default)
        throws(SupConError) -> Double?
    {
        try check(labels, of: self)
        return try with(self) { (rows, _) throws(SupConError) in
            try with(labels, []) { (labels, _) throws(SupConError) in
                try SupConEvaluation.alignment(
                    rows, labels: labels, dimension: dimension, context: context)
            }
        }
    }

    /// Returns the logarithm of the mean of exp(−2 d²) over pairs of the first 4,096 rows after
    /// normalization, where d is their distance (Wang and Isola, arXiv:2005.10242): 0 if all rows
    /// are equal, about −4 if they are spread evenly; nil for fewer than two rows. Errors: argument
    /// (numbers that are not finite), memory.
    public func uniformity(context: ExecutionContext = .default) throws(SupConError) -> Double? {
        try with(self) { (rows, _) throws(SupConError) in
            try SupConEvaluation.uniformity(
                rows, count: count, dimension: dimension, context: context)
        }
    }

    /// Returns a score for each query, its distance from the k-th nearest of these training rows:
    /// the farther, the more likely it is out of distribution (Sun et al., arXiv:2204.06507).
    ///
    /// - Parameters:
    ///   - queries: nil: each training row is compared with the others.
    ///   - options: k.
    ///   - context: the threads that compute.
    /// Errors: argument, shape, memory, canceled.
    public func outOfDistributionScores(
        of queries: Embeddings? = nil,
        _ options: OutOfDistributionOptions = OutOfDistributionOptions(),
        context: ExecutionContext = .default
    ) throws(SupConError) -> [Float] {
        let asking = queries ?? self
        try check(asking)
        return try filled(asking.count, "the scores of \(asking.count) rows", context) {
            (scores) throws(SupConError) in
            try with(asking) { (train, rows) throws(SupConError) in
                try SupConEvaluation.outOfDistributionScores(
                    train: train, trainCount: count, queries: queries == nil ? nil : rows,
                    queryCount: asking.count, dimension: dimension, k: options.k, into: scores,
                    context: context)
            }
        }
    }

    /// Measures how far the confidence of these rows of probabilities is from their accuracy (Guo
    /// et al., arXiv:1706.04599).
    ///
    /// - Parameters:
    ///   - labels: [count], 0 to dimension − 1.
    ///   - bins: the number of bins of confidence.
    /// Errors: argument (numbers that are not probabilities, labels out of range, bins), shape.
    public func confidenceCalibration(labels: [Int], bins: Int = CalibrationOptions().bins)
        throws(SupConError) -> ConfidenceCalibration
    {
        try check(labels, of: self)
        return try with(self) { (rows, _) throws(SupConError) in
            try with(labels, []) { (labels, _) throws(SupConError) in
                try SupConEvaluation.calibration(
                    probabilities: rows, labels: labels, classes: dimension, bins: bins)
            }
        }
    }
}

extension Detection {
    /// Measures how well scores that are larger outside separate two data sets. Errors: argument
    /// (NaN), shape (no scores).
    public init(inside: [Float], outside: [Float]) throws(SupConError) {
        self = try inside.withUnsafeBufferPointer { (inside) throws(SupConError) in
            try outside.withUnsafeBufferPointer { (outside) throws(SupConError) in
                try detection(inside: inside, outside: outside)
            }
        }
    }
}

extension Embeddings {
    /// Throws unless the dimensions agree. Errors: shape.
    private func check(_ others: Embeddings) throws(SupConError) {
        try require(
            others.dimension == dimension, .shape,
            "the rows have \(dimension) and \(others.dimension) numbers; expected as many")
    }

    /// Throws unless there is one label per row. Errors: shape.
    private func check(_ labels: [Int], of rows: Embeddings) throws(SupConError) {
        try require(
            labels.count == rows.count, .shape,
            "there are \(labels.count) labels; expected \(rows.count), one for each row")
    }

    /// Calls `body` with these rows and others. An empty array's pointer is never followed, since
    /// the engine is told the number of rows.
    private func with<R>(
        _ others: Embeddings,
        _ body: (UnsafePointer<Float>, UnsafePointer<Float>) throws(SupConError) -> R
    ) throws(SupConError) -> R {
        try values.withUnsafeBufferPointer { (own) throws(SupConError) in
            try others.values.withUnsafeBufferPointer { (others) throws(SupConError) in
                guard let own = own.baseAddress, let others = others.baseAddress else {
                    throw SupConError(.shape, "there are no rows; expected 1 or more")
                }
                return try body(own, others)
            }
        }
    }

    private func with<R>(
        _ labels: [Int], _ others: [Int],
        _ body: (UnsafeBufferPointer<Int64>, UnsafeBufferPointer<Int64>) throws(SupConError) -> R
    ) throws(SupConError) -> R {
        try labels.map(Int64.init).withUnsafeBufferPointer { (labels) throws(SupConError) in
            try others.map(Int64.init).withUnsafeBufferPointer { (others) throws(SupConError) in
                try body(labels, others)
            }
        }
    }
}
