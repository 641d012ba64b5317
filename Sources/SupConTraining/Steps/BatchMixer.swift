import SupConTensor

/// Mixes the images of a batch with those of another order of it, and says how much of each label
/// is left: MixUp (Zhang et al., arXiv:1710.09412) blends the pixels, CutMix (Yun et al.,
/// arXiv:1905.04899) pastes a box. One λ ~ Beta(α, α) per batch; with both, a batch gets one of
/// them, as likely as the other.
///
/// A step's mixing is named by (seed, step), so that a resumed run mixes as the uninterrupted one
/// would have.
final class BatchMixer {
    struct Shape {
        var batch: Int
        var height: Int
        var width: Int
        var channels: Int
        var imageCount: Int { height * width * channels }
    }

    /// How a batch is mixed: image i with image order[i].
    struct Mixing: Equatable {
        var order: [Int]
        /// λ: the image's own fraction.
        var fraction: Double
        /// CutMix: rows and columns that come from the other.
        var box: (rows: Range<Int>, columns: Range<Int>)?

        static func == (a: Mixing, b: Mixing) -> Bool {
            a.order == b.order && a.fraction == b.fraction && a.box?.rows == b.box?.rows
                && a.box?.columns == b.box?.columns
        }
    }

    private let shape: Shape
    /// The images of the batch that are mixed here.
    private let own: Range<Int>
    private let mixupAlpha: Double
    private let cutmixAlpha: Double
    private let seed: UInt64
    private let threads: Int
    /// Of the mixed images, [own]: the label of the greater fraction, the other, and the first
    /// one's fraction.
    private let first: AlignedBuffer
    private let second: AlignedBuffer
    private let fractions: AlignedBuffer
    /// The weights of the images whose labels those are.
    private let weightsOfFirst: AlignedBuffer
    private let weightsOfSecond: AlignedBuffer

    var firstLabels: UnsafePointer<Int64> { UnsafePointer(first.values(of: Int64.self)) }
    var secondLabels: UnsafePointer<Int64> { UnsafePointer(second.values(of: Int64.self)) }
    var firstWeights: UnsafePointer<Float> { UnsafePointer(weightsOfFirst.floats) }
    var secondWeights: UnsafePointer<Float> { UnsafePointer(weightsOfSecond.floats) }
    var firstFractions: UnsafePointer<Float> { UnsafePointer(fractions.floats) }

    /// Nil if the options do not mix. Errors: memory.
    convenience init?(
        _ options: TrainOptions, own: Range<Int>, height: Int, width: Int, channels: Int,
        threads: Int
    ) throws(SupConError) {
        guard options.mixupAlpha > 0 || options.cutmixAlpha > 0 else { return nil }
        try self.init(
            Shape(batch: options.batchSize, height: height, width: width, channels: channels),
            own: own, mixupAlpha: options.mixupAlpha, cutmixAlpha: options.cutmixAlpha,
            seed: options.seed, threads: threads)
    }

    /// `own`: the images that are mixed here, with others from all of the batch. Errors: memory.
    init(
        _ shape: Shape, own: Range<Int>, mixupAlpha: Double, cutmixAlpha: Double, seed: UInt64,
        threads: Int
    ) throws(SupConError) {
        self.own = own
        (self.shape, self.mixupAlpha, self.cutmixAlpha, self.seed, self.threads) = (
            shape, mixupAlpha, cutmixAlpha, seed, threads
        )
        first = try AlignedBuffer(Int64.self, count: own.count)
        second = try AlignedBuffer(Int64.self, count: own.count)
        fractions = try AlignedBuffer(Float.self, count: own.count)
        weightsOfFirst = try AlignedBuffer(Float.self, count: own.count)
        weightsOfSecond = try AlignedBuffer(Float.self, count: own.count)
    }

    /// Draws the mixing of the step of index `step` in the run, from 0.
    func mixing(step: Int) -> Mixing {
        var random = Philox(seed: seed, purpose: .mix, epoch: step)
        let order = random.permutation(shape.batch)
        let cuts = cutmixAlpha > 0 && (mixupAlpha <= 0 || random.uniform() < 0.5)
        let fraction = random.beta(cuts ? cutmixAlpha : mixupAlpha)
        guard cuts else { return Mixing(order: order, fraction: fraction, box: nil) }
        // A box of the other's fraction of the area around a uniform center; what hangs over the
        // edge is lost, and λ is what is left.
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

    /// The indices of the batch's images that the step mixes here: its own, and those beyond them
    /// that they are mixed with, in order.
    func sources(step: Int) -> [Int] {
        Array(own) + mixing(step: step).order[own].filter { !own.contains($0) }.sorted()
    }

    /// Writes this part's images to `input`, mixed as the step of index `step` is, and their
    /// labels and weights, if there are any. `images`: those of `sources`; `labels`, `weights`:
    /// [batch].
    func mix(
        _ images: UnsafePointer<Float>, labels: UnsafePointer<Int64>,
        weights: UnsafePointer<Float>? = nil, step: Int,
        into input: UnsafeMutablePointer<Float>
    ) {
        let mixing = mixing(step: step)
        let ownComesFirst = mixing.fraction >= 0.5
        var places: [Int: Int] = [:]
        if own.count < shape.batch {
            for (place, source) in sources(step: step).enumerated() { places[source] = place }
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
                    images + i * count, images + (places[source] ?? source) * count,
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
