import CKernels
import Glibc
import SupConTensor

/// A tile sweep processes all tiles of s = anchors · contrastsᵀ/τ twice: once for the sums, and
/// once for the gradient.
struct TileSweep {
    struct Sizes {
        var contrasts: Int
        var anchors: Int
        var dimension: Int
        var threads: Int
        /// The number of rows and columns of a tile. It is small enough for a core's own cache, and
        /// for the threads to fraction the work; it depends on the number of contrasts alone.
        var block: Int { min(max((contrasts / 8 + 15) / 16 * 16, 32), Int(SC_LOSS_TILE)) }
        var byteCount: Int {
            anchors * (AnchorTerms.bytesPerAnchor + dimension * 4) + threads * block * block * 4
        }
    }

    struct Problem {
        /// The anchors [anchors, dimension], in rows `anchorStride` apart.
        var anchors: UnsafePointer<Float>
        var anchorStride: Int
        /// The contrasts [contrasts, dimension].
        var contrasts: UnsafePointer<Float>
        var weights: PairWeights
        /// Whether tiles serve both ends.
        var both: Bool
        /// The ranks that fraction the tiles; nil unless tiles serve both ends. Each rank computes
        /// some of them.
        var ranks: Ranks?
        /// The watch of the call. Once it is canceled, the remaining tiles are skipped, and sums
        /// and gradients are meaningless.
        var watch: CancelWatch
        var contrastCount: Int { weights.contrasts }
    }

    let terms: AnchorTerms
    /// The gradient of the anchors' own role, [anchors, dimension], if tiles serve one end.
    let anchorGradient: Buffer<Float>
    private let sizes: Sizes
    private let kind: Int32
    private let alpha: Float
    private let tiles: Buffer<Float>
    private let schedule: TileSchedule

    /// Allocates the workspaces. Errors: memory.
    init(_ sizes: Sizes, kind: Int32, alpha: Float) throws(SupConError) {
        (self.sizes, self.kind, self.alpha) = (sizes, kind, alpha)
        terms = try AnchorTerms(sizes.anchors)
        anchorGradient = try Buffer(sizes.anchors * sizes.dimension)
        tiles = try Buffer(sizes.threads * sizes.block * sizes.block)
        schedule = TileSchedule(
            threads: sizes.threads, blocks: (sizes.contrasts + sizes.block - 1) / sizes.block)
    }

    /// Computes the sums in `terms` from which the losses follow.
    func gatherSums(_ problem: Problem) {
        terms.clear(shifted: !problem.both)
        let (sum, positive, shift, positiveShift) = (
            terms.sum.start, terms.positive.start, terms.shift.start, terms.positiveShift.start
        )
        if problem.both {
            schedule.pairs(blocks: blocks(problem.contrastCount)) { worker, row, column in
                if problem.watch.isCanceled || !isOwn(problem, row, column) { return }
                var tile = similarities(problem, worker, row, column)
                sc_loss_sums_both(&tile, kind, sum, positive)
            }
        } else {
            schedule.divide(blocks(sizes.anchors)) { worker, row in
                for column in 0..<blocks(problem.contrastCount) {
                    if problem.watch.isCanceled { return }
                    var tile = similarities(problem, worker, row, column)
                    sc_loss_sums(&tile, kind, shift, sum, positiveShift, positive)
                }
            }
        }
        if kind == Int32(SC_LOSS_OUT_ONE) { gatherOnePositive(problem) }
    }

    /// Makes the second pass that denominator onePositive needs once the sum over negatives is
    /// known, through the tiles that contain positives.
    private func gatherOnePositive(_ problem: Problem) {
        terms.closeNegatives(problem.weights)
        let (negatives, rest, loss, fraction) = (
            terms.negatives.start, terms.negativesRest.start, terms.oneLoss.start,
            terms.oneFraction.start
        )
        schedule.divide(blocks(sizes.anchors)) { worker, row in
            for column in 0..<blocks(problem.contrastCount)
            where mayHavePositives(problem, row, column) {
                if problem.watch.isCanceled { return }
                var tile = similarities(problem, worker, row, column)
                sc_loss_one_positive(&tile, negatives, rest, loss, fraction)
            }
        }
    }

    /// Computes the gradient of the mean over the anchors with respect to the contrasts, from
    /// ∂L/∂s; if tiles serve one end, the anchors' part goes to `anchorGradient`. If `gradient` is
    /// nil, the contrasts' part is not computed.
    func gatherGradient(_ problem: Problem, into gradient: UnsafeMutablePointer<Float>?) {
        gradient?.update(repeating: 0, count: problem.contrastCount * sizes.dimension)
        let (weight, positiveWeight, shift, positiveShift) = (
            terms.weight.start, terms.positiveWeight.start, terms.shift.start,
            terms.positiveShift.start
        )
        let (negatives, rest, negativeSum) = (
            terms.negatives.start, terms.negativesRest.start, terms.negativeSum.start
        )
        if let gradient, problem.both {
            schedule.pairs(blocks: blocks(problem.contrastCount)) { worker, row, column in
                if problem.watch.isCanceled || !isOwn(problem, row, column) { return }
                var tile = similarities(problem, worker, row, column)
                sc_loss_gradient_both(&tile, kind, weight, positiveWeight, negativeSum)
                addRows(tile, problem, into: gradient)
                if row != column { addColumns(tile, problem, into: gradient) }
            }
        } else {
            anchorGradient.start.update(repeating: 0, count: sizes.anchors * sizes.dimension)
            schedule.grid(rows: blocks(sizes.anchors), columns: blocks(problem.contrastCount)) {
                worker, row, column in
                if problem.watch.isCanceled { return }
                var tile = similarities(problem, worker, row, column)
                sc_loss_gradient(
                    &tile, kind, shift, weight, positiveShift, positiveWeight, negatives, rest)
                addRows(tile, problem, into: anchorGradient.start)
                if let gradient { addColumns(tile, problem, into: gradient) }
            }
        }
    }

    /// Returns whether this rank computes a tile. Tiles are assigned to ranks in rotation.
    private func isOwn(_ problem: Problem, _ row: Int, _ column: Int) -> Bool {
        guard let ranks = problem.ranks else { return true }
        return (column * (column + 1) / 2 + row) % ranks.world == ranks.rank
    }

    private func blocks(_ count: Int) -> Int { (count + sizes.block - 1) / sizes.block }

    /// Computes s of a block of anchors and a block of contrasts, in the worker's tile.
    private func similarities(_ problem: Problem, _ worker: Int, _ row: Int, _ column: Int)
        -> sc_loss_tile
    {
        let (block, dimension, weights, layout) = (
            sizes.block, sizes.dimension, problem.weights, problem.weights.layout
        )
        let (firstAnchor, firstContrast) = (row * block, column * block)
        let classes = weights.mask == nil ? UnsafePointer(weights.classes.start) : nil
        let tile = sc_loss_tile(
            similarities: tiles.start + worker * block * block, stride: Int64(block),
            rows: Int64(min(block, sizes.anchors - firstAnchor)),
            columns: Int64(min(block, problem.contrastCount - firstContrast)),
            first_anchor: Int64(firstAnchor), first_contrast: Int64(firstContrast),
            self_stride: Int64(layout.selfStride), classes: classes, anchor_classes: classes,
            anchor_class_stride: Int64(layout.classStride),
            neutral_from: Int64(weights.neutralFrom), mask: weights.mask,
            mask_scale: weights.maskScale.start, samples: Int64(layout.samples),
            views: Int64(layout.views),
            chosen: weights.choice.map { UnsafePointer($0.chosen.start) },
            chosen_count: weights.choice.map { UnsafePointer($0.counts.start) },
            chosen_limit: Int64(weights.choice?.limit ?? 0))
        MatrixProduct.multiply(
            transposeB: true, m: Int(tile.rows), n: Int(tile.columns), k: dimension, alpha: alpha,
            a: problem.anchors + firstAnchor * problem.anchorStride * dimension,
            lda: problem.anchorStride * dimension, b: problem.contrasts + firstContrast * dimension,
            ldb: dimension, c: tile.similarities, ldc: block)
        return tile
    }

    /// Computes target[anchors of the tile] += G · contrasts.
    private func addRows(
        _ tile: sc_loss_tile, _ problem: Problem, into target: UnsafeMutablePointer<Float>
    ) {
        let dimension = sizes.dimension
        MatrixProduct.multiply(
            m: Int(tile.rows), n: dimension, k: Int(tile.columns), a: tile.similarities,
            lda: sizes.block, b: problem.contrasts + Int(tile.first_contrast) * dimension,
            ldb: dimension, beta: 1, c: target + Int(tile.first_anchor) * dimension, ldc: dimension)
    }

    /// Computes target[contrasts of the tile] += Gᵀ · anchors.
    private func addColumns(
        _ tile: sc_loss_tile, _ problem: Problem, into target: UnsafeMutablePointer<Float>
    ) {
        let dimension = sizes.dimension
        MatrixProduct.multiply(
            transposeA: true, m: Int(tile.columns), n: dimension, k: Int(tile.rows),
            a: tile.similarities, lda: sizes.block,
            b: problem.anchors + Int(tile.first_anchor) * problem.anchorStride * dimension,
            ldb: problem.anchorStride * dimension, beta: 1,
            c: target + Int(tile.first_contrast) * dimension, ldc: dimension)
    }

    /// Returns whether a tile may contain positives, by the ranges of classes in its blocks. Views
    /// of a sample are adjacent, so that without labels most tiles are skipped.
    private func mayHavePositives(_ problem: Problem, _ row: Int, _ column: Int) -> Bool {
        guard problem.weights.mask == nil else { return true }
        func range(_ block: Int, of count: Int, stride: Int) -> (low: Int32, high: Int32) {
            var (low, high) = (Int32.max, Int32.min)
            for index in block * sizes.block..<min((block + 1) * sizes.block, count) {
                let own = problem.weights.classes.start[index * stride]
                (low, high) = (min(low, own), max(high, own))
            }
            return (low, high)
        }
        let (anchors, contrasts) = (
            range(row, of: sizes.anchors, stride: problem.weights.layout.classStride),
            range(column, of: problem.contrastCount, stride: 1)
        )
        return anchors.low <= contrasts.high && contrasts.low <= anchors.high
    }
}
