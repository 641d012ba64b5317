import SupConTensor

/// A batch mixer blends the images of a batch with those of a permutation of the same batch, and
/// records the fraction that each keeps: MixUp (Zhang et al., arXiv:1710.09412) blends the pixels,
/// CutMix (Yun et al., arXiv:1905.04899) pastes a box. Each batch draws one λ ~ Beta(α, α); if both
/// methods are enabled, it also draws one of them with equal probability.
///
/// The mixing of a step depends on (seed, step) alone, so that a resumed run mixes exactly as an
/// uninterrupted one.
final class BatchMixer {
    struct Shape {
        var batch: Int
        var height: Int
        var width: Int
        var channels: Int
        var imageCount: Int { height * width * channels }
    }

    /// A mixing pairs image i with image order[i] of the batch.
    struct Mixing: Equatable {
        var order: [Int]
        /// λ, the fraction of the image itself.
        var fraction: Double
        /// The rows and columns that CutMix takes from the other image; nil for MixUp.
        var box: (rows: Range<Int>, columns: Range<Int>)?

        static func == (a: Mixing, b: Mixing) -> Bool {
            a.order == b.order && a.fraction == b.fraction && a.box?.rows == b.box?.rows
                && a.box?.columns == b.box?.columns
        }
    }

    private let shape: Shape
    /// The images of the batch that are mixed on this rank.
    private let own: Range<Int>
    /// The parts of the batch within which images are paired.
    private let paired: [Range<Int>]
    private let mixupAlpha: Double
    private let cutmixAlpha: Double
    private let seed: UInt64
    private let threads: Int
    /// The label with the larger fraction of each mixed image, [own]; the other label, and the
    /// fraction of the first, follow.
    private let first: AlignedBuffer
    private let second: AlignedBuffer
    private let fractions: AlignedBuffer
    /// The sample weights that belong to those labels.
    private let weightsOfFirst: AlignedBuffer
    private let weightsOfSecond: AlignedBuffer

    var firstLabels: UnsafePointer<Int64> { UnsafePointer(first.values(of: Int64.self)) }
    var secondLabels: UnsafePointer<Int64> { UnsafePointer(second.values(of: Int64.self)) }
    var firstWeights: UnsafePointer<Float> { UnsafePointer(weightsOfFirst.floats) }
    var secondWeights: UnsafePointer<Float> { UnsafePointer(weightsOfSecond.floats) }
    var firstFractions: UnsafePointer<Float> { UnsafePointer(fractions.floats) }

    /// Returns nil if the options enable no mixing. Errors: memory.
    convenience init?(
        _ options: TrainOptions, _ part: BatchPart, height: Int, width: Int, channels: Int,
        threads: Int
    ) throws(SupConError) {
        guard options.mixupAlpha > 0 || options.cutmixAlpha > 0 else { return nil }
        try self.init(
            Shape(batch: options.batchSize, height: height, width: width, channels: channels),
            own: part.own, paired: part.paired, mixupAlpha: options.mixupAlpha,
            cutmixAlpha: options.cutmixAlpha, seed: options.seed, threads: threads)
    }

    /// Makes a mixer of the images `own`, each of which is paired with an image of the same one of
    /// the parts `paired`, which cover the batch. Errors: memory.
    init(
        _ shape: Shape, own: Range<Int>, paired: [Range<Int>], mixupAlpha: Double,
        cutmixAlpha: Double, seed: UInt64, threads: Int
    ) throws(SupConError) {
        (self.own, self.paired) = (own, paired)
        (self.shape, self.mixupAlpha, self.cutmixAlpha, self.seed, self.threads) = (
            shape, mixupAlpha, cutmixAlpha, seed, threads
        )
        first = try AlignedBuffer(Int64.self, count: own.count)
        second = try AlignedBuffer(Int64.self, count: own.count)
        fractions = try AlignedBuffer(Float.self, count: own.count)
        weightsOfFirst = try AlignedBuffer(Float.self, count: own.count)
        weightsOfSecond = try AlignedBuffer(Float.self, count: own.count)
    }

    /// Draws the mixing of step `step`, counted from 0 over the whole run.
    func mixing(step: Int) -> Mixing {
        var random = Philox(seed: seed, purpose: .mix, epoch: step)
        let order = paired.flatMap { part in
            random.permutation(part.count).map { part.lowerBound + $0 }
        }
        let cuts = cutmixAlpha > 0 && (mixupAlpha <= 0 || random.uniform() < 0.5)
        let fraction = random.beta(cuts ? cutmixAlpha : mixupAlpha)
        guard cuts else { return Mixing(order: order, fraction: fraction, box: nil) }
        // The box has the other image's fraction of the area around a uniform center. It is clipped
        // at the edges, and λ is adjusted to the remaining area.
        let side = (1 - fraction).squareRoot()
        func span(_ length: Int) -> Range<Int> {
            let (center, half) = (random.index(below: length), Int(Double(length) * side / 2))
            return max(center - half, 0)..<min(center + half, length)
        }
        let (rows, columns) = (span(shape.height), span(shape.width))
        return Mixing(
            order: order,
            fraction: 1 - Double(rows.count * columns.count) / Double(shape.height * shape.width),
            box: (rows, columns))
    }

    /// Returns, in order, the indices within the batch of the images that the step needs on this
    /// rank: the rank's own and their partners.
    func sources(step: Int) -> [Int] {
        Array(own) + mixing(step: step).order[own].filter { !own.contains($0) }.sorted()
    }

    /// Writes this rank's images to `input`, mixed as step `step` prescribes, together with their
    /// labels and weights, if there are any. `images` holds the images of `sources`; `labels` and
    /// `weights` are those of the whole batch, [batch].
    func mix(
        _ images: UnsafePointer<Float>, labels: UnsafePointer<Int64>,
        weights: UnsafePointer<Float>? = nil, step: Int,
        into input: UnsafeMutablePointer<Float>
    ) {
        let mixing = mixing(step: step)
        let ownComesFirst = mixing.fraction >= 0.5
        var positions: [Int: Int] = [:]
        if own.count < shape.batch {
            for (position, source) in sources(step: step).enumerated() {
                positions[source] = position
            }
        }
        for (i, image) in own.enumerated() {
            let (label, other) = (labels[image], labels[mixing.order[image]])
            (first.values(of: Int64.self)[i], second.values(of: Int64.self)[i]) =
                ownComesFirst ? (label, other) : (other, label)
            if let weights {
                let (weight, other) = (weights[image], weights[mixing.order[image]])
                (weightsOfFirst.floats[i], weightsOfSecond.floats[i]) =
                    ownComesFirst ? (weight, other) : (other, weight)
            }
            fractions.floats[i] = Float(ownComesFirst ? mixing.fraction : 1 - mixing.fraction)
        }
        let (count, row) = (shape.imageCount, shape.width * shape.channels)
        let (fraction, rest) = (Float(mixing.fraction), Float(1 - mixing.fraction))
        Parallel.ranges(own.count, grain: max(1, 65536 / count), threads: threads) { range in
            for i in range {
                let source = mixing.order[own.lowerBound + i]
                let (own, other, to) = (
                    images + i * count, images + (positions[source] ?? source) * count,
                    input + i * count
                )
                guard let box = mixing.box else {
                    for k in 0..<count { to[k] = fraction * own[k] + rest * other[k] }
                    continue
                }
                to.update(from: own, count: count)
                let start = box.columns.lowerBound * shape.channels
                for y in box.rows {
                    (to + y * row + start).update(
                        from: other + y * row + start, count: box.columns.count * shape.channels)
                }
            }
        }
    }
}
