import SupConLoss
import SupConTensor
import SupConVision

/// The rows of a batch are its views. This class holds the labels and weights of samples and rows,
/// and determines which rows are positives of each other.
final class BatchRows {
    /// The number of rows, samples times views.
    let count: Int
    private let labels: [Int]?
    private let targets: Targets?
    /// The weights of the samples, with mean 1; nil: all samples weigh the same.
    private let weights: [Float]?
    /// The mask of the batch; nil unless targets define the positives.
    private let mask: TargetMask?
    private let usesLabels: Bool
    private let views: Int
    private let dimension: Int
    private let sampleBuffer: AlignedBuffer
    private let rowBuffer: AlignedBuffer
    private let sampleWeightBuffer: AlignedBuffer
    private let rowWeightBuffer: AlignedBuffer
    private let groupBuffer: AlignedBuffer
    private let sum: AlignedBuffer

    /// Makes buffers for the rows of a batch. `labels`, `targets` and `weights` are those of the
    /// data set that sample indices refer to; `dimension` is that of z. Errors: memory.
    init(
        _ options: TrainOptions, labels: [Int]?, targets: Targets?, weights: [Float]?,
        dimension: Int,
        context: ExecutionContext
    ) throws(SupConError) {
        self.weights = weights
        (self.labels, self.targets, usesLabels, views, self.dimension) = (
            labels, targets, options.objective != .simclr, options.effectiveViews, dimension
        )
        count = options.batchSize * options.effectiveViews
        sampleBuffer = try AlignedBuffer(Int64.self, count: options.batchSize)
        rowBuffer = try AlignedBuffer(Int64.self, count: count)
        sampleWeightBuffer = try AlignedBuffer(Float.self, count: options.batchSize)
        rowWeightBuffer = try AlignedBuffer(Float.self, count: count)
        groupBuffer = try AlignedBuffer(Int64.self, count: count)
        sum = try AlignedBuffer(Double.self, count: dimension)
        mask = try targets.flatMap { (targets) throws(SupConError) in
            try TargetMask(
                options, dimension: targets.dimension, samples: options.batchSize, context: context)
        }
    }

    /// The labels of the samples, [samples].
    var sampleLabels: UnsafePointer<Int64> { UnsafePointer(sampleBuffer.values(of: Int64.self)) }

    /// The weights of the samples, [samples]; nil: all samples weigh the same.
    var sampleWeights: UnsafePointer<Float>? {
        weights == nil ? nil : UnsafePointer(sampleWeightBuffer.floats)
    }

    /// The weights of the rows, [count]; nil: all rows weigh the same.
    var rowWeights: UnsafePointer<Float>? {
        weights == nil ? nil : UnsafePointer(rowWeightBuffer.floats)
    }

    /// Returns the positives in the form that the contrastive loss takes. Errors: argument.
    func positives() throws(SupConError) -> Positives {
        if let mask {
            .mask(try mask.fill())
        } else if usesLabels {
            .labels(sampleLabels)
        } else {
            .views
        }
    }

    /// The labels of the rows, [count].
    var rowLabels: UnsafePointer<Int64> { UnsafePointer(rowBuffer.values(of: Int64.self)) }

    /// Sets the batch's samples from index `first` on to `samples`, indices into the data set.
    /// Errors: io (another rank sent samples that the data set does not have).
    func fill(_ samples: ArraySlice<Int>, at first: Int) throws(SupConError) {
        if let images = labels?.count ?? targets?.count ?? weights?.count,
            let wrong = samples.first(where: { !(0..<images).contains($0) })
        {
            throw SupConError(
                .io,
                """
                another rank has loaded image \(wrong) of \(images): the collectives do not \
                deliver what a rank gives
                """
            )
        }
        let (sampleLabels, rowLabels, groups) = (
            sampleBuffer.values(of: Int64.self), rowBuffer.values(of: Int64.self),
            groupBuffer.values(of: Int64.self)
        )
        for (index, sample) in zip(first..., samples) {
            sampleLabels[index] = Int64(labels?[sample] ?? 0)
            if let weights { sampleWeightBuffer.floats[index] = weights[sample] }
            if let targets { mask?.set(targets[sample], at: index) }
            for row in (index * views)..<((index + 1) * views) {
                rowLabels[row] = sampleLabels[index]
                if let weights { rowWeightBuffer.floats[row] = weights[sample] }
                groups[row] = usesLabels ? sampleLabels[index] : Int64(index)
            }
        }
    }

    var memoryByteCount: Int { mask?.memoryByteCount ?? 0 }

    /// Combines the embeddings z [count, dimension] with the groups of their rows.
    func embeddings(_ z: UnsafePointer<Float>) -> Embeddings {
        Embeddings(
            rows: z, count: count, dimension: dimension,
            groups: UnsafeBufferPointer(start: groupBuffer.values(of: Int64.self), count: count),
            mask: mask?.weights,
            views: views)
    }

    /// Returns the variance of z's rows divided by that of rows spread evenly over the sphere.
    func spread(_ z: UnsafePointer<Float>) -> Double {
        embeddings(z).spread(sum.values(of: Double.self))
    }
}
