import SupConEvaluation
import SupConModel
import SupConTensor
import SupConVision

/// The accuracy that a run watches after its epochs is kNN@1 of a held-out split: the fraction of
/// its images whose nearest training image (unaugmented, by the cosine of encoder outputs) has
/// their class. Where targets make positives, it is the mean weight of the nearest as a positive.
final class ValidationAccuracy {
    /// More images would say little more and cost time: the standard error of an accuracy is below
    /// 0.8 % then.
    private static let mostImages = 4096

    private let model: Model
    private var gallery: Dataset
    private var queries: Dataset
    private let dimension: Int
    private let galleryRows: AlignedBuffer
    private let queryRows: AlignedBuffer
    /// Of two images; nil: labels say what is right.
    private let pair: TargetMask?
    private let context: ExecutionContext

    /// `training` and `validation` have labels, or what `options.positives` takes, and are not
    /// empty. Errors: argument, memory.
    init(
        _ model: Model, _ options: TrainOptions, training: Dataset, validation: Dataset,
        context: ExecutionContext
    ) throws(SupConError) {
        func sample(_ dataset: Dataset) throws(SupConError) -> Dataset {
            guard dataset.count > Self.mostImages else { return dataset }
            return try dataset.split(
                fraction: Double(Self.mostImages) / Double(dataset.count), seed: options.seed,
                context: context
            ).second
        }
        gallery = try sample(training)
        queries = try sample(validation)
        self.model = model
        self.context = context
        dimension = model.outputDimension(.encoder)
        galleryRows = try AlignedBuffer(Float.self, count: gallery.count * dimension)
        queryRows = try AlignedBuffer(Float.self, count: queries.count * dimension)
        pair = try gallery.targets.flatMap { (targets) throws(SupConError) in
            try TargetMask(options, dimension: targets.dimension, samples: 2, context: context)
        }
    }

    /// Embeds both splits and compares them; inside the model's `exclusive`. Images that have
    /// become unreadable are left out from here on. Errors: those of embedding.
    func measure() throws(SupConError) -> Double {
        let options = EmbedOptions()
        gallery = try model.embedReadable(gallery, options, into: galleryRows.floats)
        queries = try model.embedReadable(queries, options, into: queryRows.floats)
        guard let pair, let wanted = queries.targets, let known = gallery.targets else {
            return try Self.withLabels(gallery.classIndices ?? []) { (known) throws(SupConError) in
                try Self.withLabels(queries.classIndices ?? []) { (wanted) throws(SupConError) in
                    try knnAccuracy(
                        queries: queryRows.floats, labels: wanted, gallery: galleryRows.floats,
                        galleryLabels: known, dimension: dimension, context: context)
                }
            }
        }
        // Each image a class of its own: the nearest is found by it.
        let nearest = try Self.withLabels(Array(0..<gallery.count)) {
            (labels) throws(SupConError) in
            try NearestNeighbors(
                gallery: galleryRows.floats, labels: labels, dimension: dimension, context: context
            )
            .predict(queryRows.floats, count: queries.count, vote: .init(k: 1), context: context)
        }
        var sum = 0.0
        for (query, found) in nearest.enumerated() {
            pair.set(wanted[query], at: 0)
            pair.set(known[Int(found)], at: 1)
            sum += Double(try pair.fill()[1])
        }
        return sum / Double(queries.count)
    }

    private static func withLabels<R>(
        _ labels: [Int], _ body: (UnsafeBufferPointer<Int64>) throws(SupConError) -> R
    ) throws(SupConError) -> R {
        try labels.map { Int64($0) }.withUnsafeBufferPointer(body)
    }
}
