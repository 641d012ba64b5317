import SupConLoss
import SupConTensor
import SupConVision

/// What is known of the rows of a batch: labels of its samples and of their views, and what makes
/// rows positives of each other.
final class BatchRows {
    /// Samples times views.
    let count: Int
    private let labels: [Int]?
    private let targets: Targets?
    /// The batch's, where targets make positives.
    private let mask: TargetMask?
    private let usesLabels: Bool
    private let views: Int
    private let dimension: Int
    private let sampleNumbers: AlignedBuffer
    private let rowNumbers: AlignedBuffer
    private let groupNumbers: AlignedBuffer
    private let sum: AlignedBuffer

    /// `labels`, `targets`: of the data set that samples index; `dimension`: of z. Errors: memory.
    init(
        _ options: TrainOptions, labels: [Int]?, targets: Targets?, dimension: Int,
        context: ExecutionContext
    ) throws(SupConError) {
        (self.labels, self.targets, usesLabels, views, self.dimension) = (
            labels, targets, options.objective != .simclr, options.effectiveViews, dimension
        )
        count = options.batchSize * options.effectiveViews
        sampleNumbers = try AlignedBuffer(Int64.self, count: options.batchSize)
        rowNumbers = try AlignedBuffer(Int64.self, count: count)
        groupNumbers = try AlignedBuffer(Int64.self, count: count)
        sum = try AlignedBuffer(Double.self, count: dimension)
        mask = try targets.flatMap { (targets) throws(SupConError) in
            try TargetMask(
                options, dimension: targets.dimension, samples: options.batchSize, context: context)
        }
    }

    /// [samples]
    var sampleLabels: UnsafePointer<Int64> { UnsafePointer(sampleNumbers.values(of: Int64.self)) }
    /// What the contrastive loss takes. Errors: argument.
    func positives() throws(SupConError) -> Positives {
        if let mask {
            .mask(try mask.fill())
        } else if usesLabels {
            .labels(sampleLabels)
        } else {
            .views
        }
    }

    /// [count]
    var rowLabels: UnsafePointer<Int64> { UnsafePointer(rowNumbers.values(of: Int64.self)) }

    /// Samples `first`, `first` + 1, … of the batch are these of the data set.
    func fill(_ samples: ArraySlice<Int>, at first: Int) {
        let (sampleLabels, rowLabels, groups) = (
            sampleNumbers.values(of: Int64.self), rowNumbers.values(of: Int64.self),
            groupNumbers.values(of: Int64.self)
        )
        for (place, sample) in zip(first..., samples) {
            sampleLabels[place] = Int64(labels?[sample] ?? 0)
            if let targets { mask?.place(targets[sample], at: place) }
            for row in (place * views)..<((place + 1) * views) {
                rowLabels[row] = sampleLabels[place]
                groups[row] = usesLabels ? sampleLabels[place] : Int64(place)
            }
        }
    }

    var memoryByteCount: Int { mask?.memoryByteCount ?? 0 }

    /// z [count, dimension] with its groups.
    func embeddings(_ z: UnsafePointer<Float>) -> Embeddings {
        Embeddings(
            rows: z, count: count, dimension: dimension,
            groups: UnsafeBufferPointer(start: groupNumbers.values(of: Int64.self), count: count),
            mask: mask?.weights,
            views: views)
    }

    /// The variance of z's rows over that of rows spread evenly over the sphere.
    func spread(_ z: UnsafePointer<Float>) -> Double {
        embeddings(z).spread(sum.values(of: Double.self))
    }
}
