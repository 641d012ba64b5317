import SupConLoss
import SupConTensor

/// The supervised contrastive loss of embeddings, and its gradient (Khosla et al.,
/// arXiv:2004.11362, equations 2 and 3; without labels SimCLR's, equation 1).
///
///     let loss = SupConLoss()
///     let value = try loss(features, views: 2, dimension: 128, labels: labels)
///
/// A call makes its workspaces and gives them back; any number of threads may call at once.
public struct SupConLoss: Sendable {
    /// The options: temperature, denominator, anchors, reduction, and everything else that the loss
    /// depends on.
    public var options: ContrastiveOptions
    /// The threads that compute, and the memory that a call may take.
    public var context: ExecutionContext

    /// Makes a loss with the paper's temperature of 0.1, unless the options say otherwise.
    public init(
        _ options: ContrastiveOptions = ContrastiveOptions(), context: ExecutionContext = .default
    ) {
        (self.options, self.context) = (options, context)
    }

    /// A loss with its gradient.
    public struct Value: Sendable, Equatable {
        /// The loss over all anchors, reduced as the options say; the sum with `Reduction.none`.
        public let loss: Double
        /// The loss of each anchor, times the scale: [samples · views], or [samples] where only
        /// first views are anchors; 0 for an anchor without a positive.
        public let perAnchor: [Float]
        /// The derivative of `loss` with respect to each feature: [samples, views, dimension].
        public let gradient: [Float]
        /// The number of anchors.
        public let anchors: Int
        /// The number of anchors that have no positive, and so contribute nothing.
        public let anchorsWithoutPositive: Int
    }

    /// Computes the loss and its gradient.
    ///
    /// - Parameters:
    ///   - features: [samples, views, dimension], of length 1 unless the options normalize them.
    ///   - views: the number of views of each sample, 1 or more.
    ///   - dimension: the length of a feature.
    ///   - labels: [samples]; samples of equal labels are positives of each other. nil: only the
    ///     views of a sample are.
    ///   - sampleWeights: [samples], 0 or more, the factors of the losses of a sample's anchors.
    /// - Returns: the loss, its parts and its gradient.
    ///
    /// Errors: argument (options; features that are not finite, or too long for the temperature),
    /// shape, memory, canceled.
    public func callAsFunction(
        _ features: [Float], views: Int, dimension: Int, labels: [Int]? = nil,
        sampleWeights: [Float]? = nil
    ) throws(SupConError) -> Value {
        let samples = try checkedSamples(features, views, dimension, labels, sampleWeights)
        guard let labels else {
            return try value(features, samples, views, dimension, .views, sampleWeights)
        }
        return try labels.map(Int64.init).withUnsafeBufferPointer {
            (labels) throws(SupConError) in
            guard let start = labels.baseAddress else {
                return try value(features, samples, views, dimension, .views, sampleWeights)
            }
            return try value(features, samples, views, dimension, .labels(start), sampleWeights)
        }
    }

    private func checkedSamples(
        _ features: [Float], _ views: Int, _ dimension: Int, _ labels: [Int]?, _ weights: [Float]?
    ) throws(SupConError) -> Int {
        let (perSample, overflow) = views.multipliedReportingOverflow(by: dimension)
        try require(
            views >= 1 && dimension >= 1 && !overflow && !features.isEmpty
                && features.count % perSample == 0, .shape,
            """
            there are \(features.count) numbers; expected whole samples of \(views) views of \
            dimension \(dimension)
            """
        )
        let samples = features.count / perSample
        for (count, name) in [(labels?.count, "labels"), (weights?.count, "sample weights")] {
            guard let count else { continue }
            try require(
                count == samples, .shape,
                "there are \(count) \(name); expected \(samples), one for each sample")
        }
        return samples
    }

    private func value(
        _ features: [Float], _ samples: Int, _ views: Int, _ dimension: Int,
        _ positives: Positives, _ weights: [Float]?
    ) throws(SupConError) -> Value {
        let engine = try ContrastiveLoss(
            options, samples: samples, views: views, dimension: dimension, context: context)
        var perAnchor = [Float](
            repeating: 0, count: samples * (options.anchors == .all ? views : 1))
        var result = ContrastiveResult(loss: 0, anchors: 0, anchorsWithoutPositive: 0)
        let gradient = try filled(features.count, "the gradient", context) {
            (gradient) throws(SupConError) in
            result = try features.withUnsafeBufferPointer { (features) throws(SupConError) in
                try perAnchor.withUnsafeMutableBufferPointer { (each) throws(SupConError) in
                    try (weights ?? []).withUnsafeBufferPointer { (factors) throws(SupConError) in
                        guard let features = features.baseAddress else { return result }
                        return try engine.evaluate(
                            features: features, positives: positives, perAnchor: each.baseAddress,
                            gradient: gradient,
                            sampleWeights: weights == nil ? nil : factors.baseAddress)
                    }
                }
            }
        }
        return Value(
            loss: result.loss, perAnchor: perAnchor, gradient: gradient, anchors: result.anchors,
            anchorsWithoutPositive: result.anchorsWithoutPositive)
    }
}
