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
    private let gallery: Dataset
    private let queries: Dataset
    private let dimension: Int
    private let galleryRows: AlignedBuffer
    private let queryRows: AlignedBuffer
    private let galleryLabels: AlignedBuffer
    private let queryLabels: AlignedBuffer
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
                fraction: Double(Self.mostImages) / Double(dataset.count), seed: options.seed
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
        // Each a class of its own: the nearest is found by it.
        galleryLabels = try Self.numbers(
            pair == nil ? gallery.classIndices ?? [] : Array(0..<gallery.count),
            count: gallery.count)
        queryLabels = try Self.numbers(queries.classIndices ?? [], count: queries.count)
    }

    private static func numbers(_ labels: [Int], count: Int) throws(SupConError) -> AlignedBuffer {
        let memory = try AlignedBuffer(Int64.self, count: count)
        for (i, label) in labels.enumerated() { memory.values(of: Int64.self)[i] = Int64(label) }
        return memory
    }

    /// Embeds both splits and compares them; inside the model's `exclusive`. Errors: those of
    /// embedding.
    func measure() throws(SupConError) -> Double {
        let options = EmbedOptions()
        try model.embedWhileExclusive(gallery, options, into: galleryRows.floats)
        try model.embedWhileExclusive(queries, options, into: queryRows.floats)
        let galleryLabels = UnsafeBufferPointer(
            start: UnsafePointer(galleryLabels.values(of: Int64.self)), count: gallery.count)
        guard let pair, let wanted = queries.targets, let known = gallery.targets else {
            return try knnAccuracy(
                queries: queryRows.floats,
                labels: UnsafeBufferPointer(
                    start: queryLabels.values(of: Int64.self), count: queries.count),
                gallery: galleryRows.floats,
                galleryLabels: galleryLabels, dimension: dimension, context: context)
        }
        let nearest = try NearestNeighbors(
            gallery: galleryRows.floats, labels: galleryLabels, dimension: dimension,
            context: context
        )
        .predict(queryRows.floats, count: queries.count, vote: .init(k: 1), context: context)
        var sum = 0.0
        for (query, found) in nearest.enumerated() {
            pair.set(wanted[query], at: 0)
            pair.set(known[Int(found)], at: 1)
            sum += Double(try pair.fill()[1])
        }
        return sum / Double(queries.count)
    }
}
