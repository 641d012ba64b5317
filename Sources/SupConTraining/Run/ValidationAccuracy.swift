import SupConEvaluation
import SupConModel
import SupConTensor
import SupConVision

/// The validation accuracy is kNN@1 of a held-out split, measured after epochs: the fraction of its
/// images whose nearest training image (unaugmented, by the cosine of encoder outputs) has the same
/// class. If targets define the positives, it is the mean weight of the nearest image as a
/// positive.
final class ValidationAccuracy {
    /// The largest number of images used. More would add little and cost time: with these the
    /// standard error of an accuracy is below 0.8 %.
    private static let mostImages = 4096

    private let gallery: SharedRows
    private let queries: SharedRows
    private let dimension: Int
    /// The mask of two images; nil: labels decide.
    private let pair: TargetMask?
    private let ranks: Ranks
    private let context: ExecutionContext

    /// Prepares the comparison. `training` and `validation` have labels, or the targets that
    /// `options.positives` takes, and are not empty. Errors: argument, memory.
    init(
        _ model: Model, _ options: TrainOptions, training: Dataset, validation: Dataset,
        ranks: Ranks, context: ExecutionContext
    ) throws(SupConError) {
        func sample(_ dataset: Dataset) throws(SupConError) -> SharedRows {
            guard dataset.count > Self.mostImages else {
                return try SharedRows(model, dataset, ranks)
            }
            let fraction = Double(Self.mostImages) / Double(dataset.count)
            return try SharedRows(
                model,
                dataset.split(fraction: fraction, seed: options.seed, context: context).second,
                ranks)
        }
        (gallery, queries) = (try sample(training), try sample(validation))
        (dimension, self.ranks, self.context) = (model.outputDimension(.encoder), ranks, context)
        pair = try gallery.images.targets.flatMap { (targets) throws(SupConError) in
            try TargetMask(options, dimension: targets.dimension, samples: 2, context: context)
        }
    }

    /// Embeds both splits and compares them, within the model's `exclusive`. Images that have
    /// become unreadable are left out from then on. Errors: those of embedding, io (of the ranks).
    func measure() throws(SupConError) -> Double {
        try gallery.embed()
        try queries.embed()
        // All ranks use rank 0's value, so that they make the same decisions.
        return try ranks.together { () throws(SupConError) in
            try compare()
        } reporting: {
            [$0]
        }.reports[0][0]
    }

    /// Returns the fraction of queries whose nearest row of the gallery is a positive. Errors:
    /// memory, canceled.
    private func compare() throws(SupConError) -> Double {
        guard let pair, let wanted = queries.images.targets, let known = gallery.images.targets
        else {
            return try Self.withLabels(gallery.images.classIndices ?? []) {
                (known) throws(SupConError) in
                try Self.withLabels(queries.images.classIndices ?? []) {
                    (wanted) throws(SupConError) in
                    try knnAccuracy(
                        queries: queries.values, labels: wanted, gallery: gallery.values,
                        galleryLabels: known, dimension: dimension, context: context)
                }
            }
        }
        // Each image is a class of its own, by which the nearest image is identified.
        let nearest = try Self.withLabels(Array(0..<gallery.images.count)) {
            (labels) throws(SupConError) in
            try NearestNeighbors(
                gallery: gallery.values, labels: labels, dimension: dimension, context: context
            )
            .predict(
                queries.values, count: queries.images.count, vote: .init(k: 1), context: context)
        }
        var sum = 0.0
        for (query, found) in nearest.enumerated() {
            pair.set(wanted[query], at: 0)
            pair.set(known[Int(found)], at: 1)
            sum += Double(try pair.fill()[1])
        }
        return sum / Double(queries.images.count)
    }

    private static func withLabels<R>(
        _ labels: [Int], _ body: (UnsafeBufferPointer<Int64>) throws(SupConError) -> R
    ) throws(SupConError) -> R {
        try labels.map { Int64($0) }.withUnsafeBufferPointer(body)
    }
}
