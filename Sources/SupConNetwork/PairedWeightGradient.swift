import CKernels
import SupConTensor

/// A paired weight gradient is the gradient of a bf16 convolution's weights, computed by the CPU's
/// products of pairs (`ckernels_pairs.h`), where a pair is two images. oneDNN's own kernels take up
/// to twice as long on small images.
///
/// If the weights are few compared with the activations, the batch is divided into parts, each with
/// sums of its own, which are added in the order of the parts. If the weights are many, or the
/// pairs are few, the weights are divided instead, into tiles of 16 inputs and a block of outputs,
/// after all images have been packed.
final class PairedWeightGradient: WeightGradientOperation {
    let scratchByteCount: Int

    private let shape: ConvolutionShape
    private let threads: Int
    private let pairs: Int
    /// The number of outputs in a block, of tiles, of tiles with the same outputs, and of the sums
    /// of a tile [taps, 16, block].
    private let (block, tiles, inputBlocks, tileCount): (Int, Int, Int, Int)
    /// The parts of the batch, in pairs; nil: the weights are divided.
    private let cut: BatchCut?
    /// The kernels' shape, for the number of pairs that is packed at a time.
    private let packed: sc_pair_shape
    /// A 1×1 convolution uses every so many-th pixel, and no other one is packed.
    private let inputStride: Int
    /// The bytes of one packed pair of x and of dy.
    private let (xBytes, dyBytes): (Int, Int)

    private var taps: Int { shape.kernel * shape.kernel }
    /// The bytes of all pairs that are packed at a time.
    private var packedBytes: Int { Int(packed.pairs) * (xBytes + dyBytes) }

    /// Returns whether this CPU has the products, and the shape enough channels for full vectors.
    static func suits(_ shape: ConvolutionShape, _ type: ElementType) -> Bool {
        type == .bf16 && shape.groups == 1 && shape.inputs % 16 == 0 && shape.outputs % 16 == 0
            && (shape.kernel > 1 || shape.padding == 0) && hasPairProducts
    }
    private static let hasPairProducts = sc_has_pair_products() != 0

    /// Prepares the gradient, for parts of at least `smallest` images.
    init(_ shape: ConvolutionShape, smallest: Int, threads: Int) {
        (self.shape, self.threads) = (shape, threads)
        let (pairs, isPointwise) = ((shape.images + 1) / 2, shape.kernel == 1)
        let block = shape.outputs % 64 == 0 ? 64 : shape.outputs % 32 == 0 ? 32 : 16
        inputBlocks = shape.inputs / SC_PAIR_INPUTS
        let tiles = inputBlocks * (shape.outputs / block)
        tileCount = shape.weightCount / tiles
        inputStride = isPointwise ? shape.stride : 1
        let (height, width) =
            isPointwise ? (shape.outHeight, shape.outWidth) : (shape.height, shape.width)
        var packed = sc_pair_shape(
            height: Int64(height), width: Int64(width), out_height: Int64(shape.outHeight),
            out_width: Int64(shape.outWidth), kernel: Int64(shape.kernel),
            stride: Int64(shape.stride / inputStride), padding: Int64(shape.padding), pairs: 1,
            block: Int64(block))
        xBytes = height * width * shape.inputs * 4
        dyBytes = shape.outHeight * Int(sc_pair_gradient_columns(&packed)) * shape.outputs * 4
        let pairBytes = xBytes + dyBytes
        let hasManyWeights = shape.weightCount * 4 * 2 > pairs * pairBytes
        let cut =
            hasManyWeights || pairs < min(2 * threads, tiles)
            ? nil
            : BatchCut(
                images: pairs, threads: min(threads, pairs), perThread: 2, smallest: smallest / 2)
        // Enough pairs for long sums, and to use loaded sums well, but not more than stay in the
        // second-level cache.
        let area = shape.outHeight * shape.outWidth
        let wanted = max(131_072 / pairBytes, (191 + area) / area)
        packed.pairs = Int64(cut.map { min(wanted, $0.size) } ?? pairs)
        // Packed pairs, one set for each worker or for all; then sums, for each part or worker.
        scratchByteCount =
            Int(packed.pairs) * pairBytes * (cut.map { min(threads, $0.count) } ?? 1)
            + (cut.map { $0.count * tiles } ?? threads) * tileCount * 4
        (self.pairs, self.block, self.tiles, self.cut, self.packed) = (
            pairs, block, tiles, cut, packed
        )
    }

    func run(
        x: UnsafeRawPointer, dy: UnsafeRawPointer, dw: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer
    ) {
        if let cut {
            runByParts(cut, x: x, dy: dy, dw: dw, scratch: scratch)
        } else {
            runByTiles(x: x, dy: dy, dw: dw, scratch: scratch)
        }
    }

    private func runByParts(
        _ cut: BatchCut, x: UnsafeRawPointer, dy: UnsafeRawPointer,
        dw: UnsafeMutablePointer<Float>, scratch: UnsafeMutableRawPointer
    ) {
        let sums = (scratch + min(threads, cut.count) * packedBytes)
            .assumingMemoryBound(to: Float.self)
        Parallel.pieces(cut.count, threads: threads) { worker, part in
            let own = scratch + worker * packedBytes
            let sums = sums + part * shape.weightCount
            sums.update(repeating: 0, count: shape.weightCount)
            let end = min((part + 1) * cut.size, pairs)
            for first in stride(from: part * cut.size, to: end, by: Int(packed.pairs)) {
                var packed = packed
                packed.pairs = min(packed.pairs, Int64(end - first))
                for pair in 0..<Int(packed.pairs) {
                    pack(first + pair, at: pair, of: packed, x: x, dy: dy, into: own)
                }
                for tile in 0..<tiles { add(tile, packed, own, to: sums + tile * tileCount) }
            }
        }
        Parallel.ranges(tiles, grain: max(1, 16384 / tileCount), threads: threads) { range in
            for tile in range {
                store(tile, sums + tile * tileCount, parts: cut.count, into: dw)
            }
        }
    }

    private func runByTiles(
        x: UnsafeRawPointer, dy: UnsafeRawPointer, dw: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer
    ) {
        Parallel.chunks(pairs, threads: threads) {
            pack($0, at: $0, of: packed, x: x, dy: dy, into: scratch)
        }
        let sums = (scratch + packedBytes).assumingMemoryBound(to: Float.self)
        Parallel.pieces(tiles, threads: threads) { worker, tile in
            let sums = sums + worker * tileCount
            sums.update(repeating: 0, count: tileCount)
            add(tile, packed, scratch, to: sums)
            store(tile, sums, parts: 1, into: dw)
        }
    }

    /// Packs a pair of images of x and dy as number `place` of `packed.pairs`.
    private func pack(
        _ pair: Int, at place: Int, of packed: sc_pair_shape, x: UnsafeRawPointer,
        dy: UnsafeRawPointer, into memory: UnsafeMutableRawPointer
    ) {
        var packed = packed
        let isWhole = 2 * pair + 1 < shape.images
        let xCount = shape.height * shape.width * shape.inputs
        let dyCount = shape.outHeight * shape.outWidth * shape.outputs
        let (x, dy) = (bf16(x) + 2 * pair * xCount, bf16(dy) + 2 * pair * dyCount)
        sc_pair_pack_input(
            &packed, x, isWhole ? x + xCount : nil, Int64(shape.inputs),
            Int64(inputStride * shape.width * shape.inputs), Int64(inputStride * shape.inputs),
            Int64(place), bf16(memory))
        sc_pair_pack_gradient(
            &packed, dy, isWhole ? dy + dyCount : nil, Int64(shape.outputs), Int64(place),
            bf16(memory + Int(packed.pairs) * xBytes))
    }

    /// Adds the products of a tile to its sums.
    private func add(
        _ tile: Int, _ packed: sc_pair_shape, _ memory: UnsafeRawPointer,
        to sums: UnsafeMutablePointer<Float>
    ) {
        var packed = packed
        let (outputBlock, inputBlock) = tile.quotientAndRemainder(dividingBy: inputBlocks)
        let pairs = Int(packed.pairs)
        let x = memory + pairs * xBytes / shape.inputs * SC_PAIR_INPUTS * inputBlock
        let dy = memory + pairs * xBytes + pairs * dyBytes / shape.outputs * block * outputBlock
        sc_pair_add_products(&packed, bf16(x), bf16(dy), sums)
    }

    /// Stores the sum over the parts' sums of a tile.
    private func store(
        _ tile: Int, _ sums: UnsafePointer<Float>, parts: Int,
        into dw: UnsafeMutablePointer<Float>
    ) {
        var packed = packed
        let (outputBlock, inputBlock) = tile.quotientAndRemainder(dividingBy: inputBlocks)
        let first = outputBlock * block * shape.inputs + inputBlock * SC_PAIR_INPUTS
        sc_pair_store(
            &packed, sums, Int64(parts), Int64(shape.weightCount), Int64(shape.inputs),
            dw + first * taps)
    }
}
