import SupConLoss
import SupConTensor
import SupConVision

extension PositiveRule {
    /// The rule for targets that are sets of labels; nil: targets are not such sets.
    var ofSets: PositiveMasks.Rule? {
        switch self {
        case .any: .any
        case .all: .all
        case .jaccard: .jaccard
        case .classes, .kernel: nil
        }
    }

    /// Checks that the targets are of the kind that the rule takes. Errors: state (no targets),
    /// argument (not 0 or 1).
    func check(_ targets: Targets?) throws(SupConError) {
        guard self != .classes else { return }
        guard let targets else {
            throw SupConError(.state, "the data set has no targets, which positives \(self) needs")
        }
        guard ofSets != nil else { return }
        if let index = targets.values.firstIndex(where: { $0 != 0 && $0 != 1 }) {
            let (image, label) = (index / targets.dimension, index % targets.dimension)
            throw SupConError(
                .argument,
                """
                target \(label) of image \(image) is \(targets.values[index]); positives \
                \(self) takes 0 and 1 (kernel takes other numbers)
                """
            )
        }
    }
}

/// A target mask holds, for each pair of images of a batch, the weight with which they are
/// positives of each other according to their targets.
final class TargetMask {
    private let samples: Int
    private let sets: PositiveMasks.Rule?
    private let bandwidth: Double
    private let dimension: Int
    private let words: Int
    private let context: ExecutionContext
    /// The targets of the images: sets of labels [samples, words], or f64 [samples, dimension].
    private let rows: AlignedBuffer
    private let mask: AlignedBuffer

    /// Returns nil if classes define the positives. Errors: memory.
    init?(_ options: TrainOptions, dimension: Int, samples: Int, context: ExecutionContext)
        throws(SupConError)
    {
        guard options.positives != .classes else { return nil }
        (sets, bandwidth) = (options.positives.ofSets, options.labelBandwidth)
        (self.samples, self.dimension, self.context, words) = (
            samples, dimension, context, PositiveMasks.words(dimension)
        )
        let perSample = sets == nil ? dimension : words
        try context.checkMemory(
            samples * (samples * 4 + perSample * 8), for: "the mask of a batch of \(samples) images"
        )
        rows = try AlignedBuffer(UInt64.self, count: samples * perSample)
        mask = try AlignedBuffer(Float.self, count: samples * samples)
    }

    var memoryByteCount: Int { rows.byteCount + mask.byteCount }

    /// The weights that `fill` has computed, [samples, samples].
    var weights: UnsafePointer<Float> { UnsafePointer(mask.floats) }

    /// Sets the targets of the image of index `sample`.
    func set(_ targets: ArraySlice<Double>, at sample: Int) {
        if sets == nil {
            for (k, value) in targets.enumerated() {
                rows.values(of: Double.self)[sample * dimension + k] = value
            }
        } else {
            let set = rows.values(of: UInt64.self) + sample * words
            set.update(repeating: 0, count: words)
            for (label, value) in targets.enumerated() where value == 1 {
                set[label / 64] |= 1 << UInt64(label % 64)
            }
        }
    }

    /// Computes the weights once all targets are set. Errors: internal.
    func fill() throws(SupConError) -> UnsafePointer<Float> {
        if let sets {
            PositiveMasks.fill(
                mask.floats, sets: rows.values(of: UInt64.self), samples: samples, words: words,
                rule: sets, context: context)
        } else {
            try PositiveMasks.fill(
                mask.floats, values: rows.values(of: Double.self), samples: samples,
                count: dimension, bandwidth: bandwidth, context: context)
        }
        return weights
    }
}
