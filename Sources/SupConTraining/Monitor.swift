import SupConModel
import SupConTensor
import SupConVision

/// What a run watches after an epoch: kNN@1 of a held-out split, by cosine of encoder outputs, against images that are trained on (unaugmented).
final class Monitor {
    /// More images would say little more and cost time: the standard error of an accuracy is below 0.8 % then.
    private static let mostImages = 4096

    private let model: Model
    private let gallery: Dataset
    private let queries: Dataset
    private let dimension: Int
    private let galleryRows: AlignedBuffer
    private let queryRows: AlignedBuffer
    private let galleryLabels: AlignedBuffer
    private let queryLabels: AlignedBuffer
    private let context: ExecutionContext

    /// `training` and `validation` are labelled and not empty. Errors: argument, memory.
    init(_ model: Model, training: Dataset, validation: Dataset, seed: UInt64, context: ExecutionContext) throws(SupConError) {
        func sample(_ dataset: Dataset) throws(SupConError) -> Dataset {
            guard dataset.count > Self.mostImages else { return dataset }
            return try dataset.split(fraction: Double(Self.mostImages) / Double(dataset.count), seed: seed).second
        }
        gallery = try sample(training)
        queries = try sample(validation)
        self.model = model
        self.context = context
        dimension = model.outputDimension(.encoder)
        galleryRows = try AlignedBuffer(Float.self, count: gallery.count * dimension)
        queryRows = try AlignedBuffer(Float.self, count: queries.count * dimension)
        galleryLabels = try Self.labels(of: gallery)
        queryLabels = try Self.labels(of: queries)
    }

    private static func labels(of dataset: Dataset) throws(SupConError) -> AlignedBuffer {
        let memory = try AlignedBuffer(Int64.self, count: dataset.count)
        for (i, label) in (dataset.labels ?? []).enumerated() { memory.values(of: Int64.self)[i] = Int64(label) }
        return memory
    }

    /// Inside the model's `exclusive`. Errors: as embedding.
    func accuracy() throws(SupConError) -> Double {
        let options = EmbedOptions()
        try model.embedWhileExclusive(gallery, options, into: galleryRows.floats)
        try model.embedWhileExclusive(queries, options, into: queryRows.floats)
        return try knnAccuracy(
            queries: queryRows.floats, labels: UnsafeBufferPointer(start: queryLabels.values(of: Int64.self), count: queries.count), gallery: galleryRows.floats,
            galleryLabels: UnsafeBufferPointer(start: galleryLabels.values(of: Int64.self), count: gallery.count), dimension: dimension, context: context)
    }
}
