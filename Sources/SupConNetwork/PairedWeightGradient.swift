import CKernels
import SupConTensor

/// A paired weight gradient is the gradient of a convolution's weights by kernels of our own
/// (`ckernels_pairs.h`): in bf16 by the CPU's products of pairs, where a pair is two images; in f32
/// each image stands for a pair. For some layers of small images oneDNN's own kernels take up to
/// three times as long; in f32 they are slower for strided convolutions to many outputs alone.
///
/// If the weights are few compared with the activations, the batch is divided into parts, each with
/// sums of its own, which are added in the order of the parts. If the weights are many, or the
/// pairs are few, the weights are divided instead, into tiles of 16 inputs and a block of outputs,
/// after all images have been packed.
final class PairedWeightGradient: WeightGradientOperation {
    let scratchByteCount: Int

    private let shape: ConvolutionShape
    private let type: ElementType
    private let threads: Int
    private let pairs: Int
    /// The number of outputs in a block, of tiles, of tiles with the same outputs, and of the sums
    /// of a tile [taps, 16, block].
    private let (block, tiles, inputBlocks, tileCount): (Int, Int, Int, Int)
    /// The parts of the batch, in pairs; nil: the weights are divided.
    let cut: BatchCut?
    /// The kernels' shape, for a full group: so many pairs are packed together.
    private let packed: sc_pair_shape
    /// The step between the pixels that are packed: a strided 1×1 convolution reads no others.
    private let inputStride: Int
    /// The bytes of one packed pair of x and of dy.
    private let (xBytes, dyBytes): (Int, Int)

    private var taps: Int { shape.kernel * shape.kernel }
    private var groupSize: Int { Int(packed.pairs) }

    /// Returns whether this CPU has the products, and the shape full vectors, and enough pairs or
    /// tiles for all threads.
    static func suits(_ shape: ConvolutionShape, _ type: ElementType, threads: Int) -> Bool {
        guard hasPairProducts, type == .bf16 || (shape.stride > 1 && block(shape) == 64),
            shape.groups == 1, shape.images > 1,
            shape.inputs % SC_PAIR_INPUTS == 0, shape.outputs % 16 == 0,
            shape.kernel > 1 || shape.padding == 0
        else { return false }
        let tiles = shape.inputs / SC_PAIR_INPUTS * (shape.outputs / block(shape))
        return max(pairs(shape, type), tiles) >= threads
    }
    private static func pairs(_ shape: ConvolutionShape, _ type: ElementType) -> Int {
        type == .bf16 ? (shape.images + 1) / 2 : shape.images
    }
    private static func block(_ shape: ConvolutionShape) -> Int {
        shape.outputs % 64 == 0 ? 64 : shape.outputs % 32 == 0 ? 32 : 16
    }
    private static let hasPairProducts = sc_has_pair_products() != 0

    /// Prepares the gradient, for parts of at least `smallest` images.
    init(_ shape: ConvolutionShape, type: ElementType, smallest: Int, threads: Int) {
        (self.shape, self.type, self.threads) = (shape, type, threads)
        let (pairs, isPointwise) = (Self.pairs(shape, type), shape.kernel == 1)
        let block = Self.block(shape)
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
            block: Int64(block), single: type == .bf16 ? 0 : 1)
        xBytes = height * width * shape.inputs * 4
        dyBytes = shape.outHeight * Int(sc_pair_gradient_columns(&packed)) * shape.outputs * 4
        let pairBytes = xBytes + dyBytes
        // With parts, each thread zeroes, fills and adds sums of its own.
        let copies = tiles >= threads ? max(2, threads) : 2
        let hasManyWeights = shape.weightCount * 4 * copies > pairs * pairBytes
        let cut =
            hasManyWeights || pairs < min(2 * threads, tiles)
            ? nil
            : BatchCut(
                images: pairs, threads: min(threads, pairs), perThread: 2,
                smallest: smallest * pairs / shape.images)
        // Enough pairs for long sums, and, if images are small, as many as fit the second-level
        // cache.
        let area = shape.outHeight * shape.outWidth
        let wanted = max(131_072 / pairBytes, (191 + area) / area)
        packed.pairs = Int64(min(wanted, cut?.size ?? pairs))
        // Packed pairs, a group for each worker or all of them; then sums, for each part or worker.
        scratchByteCount =
            (cut.map { min(threads, $0.count) * Int(packed.pairs) } ?? pairs) * pairBytes
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

    /// Each worker packs a group of pairs at a time, and adds its products to all tiles.
    private func runByParts(
        _ cut: BatchCut, x: UnsafeRawPointer, dy: UnsafeRawPointer,
        dw: UnsafeMutablePointer<Float>, scratch: UnsafeMutableRawPointer
    ) {
        let groupBytes = groupSize * (xBytes + dyBytes)
        let sums = (scratch + min(threads, cut.count) * groupBytes)
            .assumingMemoryBound(to: Float.self)
        Parallel.pieces(cut.count, threads: threads) { worker, part in
            let own = scratch + worker * groupBytes
            let sums = sums + part * shape.weightCount
            sums.update(repeating: 0, count: shape.weightCount)
            let end = min((part + 1) * cut.size, pairs)
            for first in stride(from: part * cut.size, to: end, by: groupSize) {
                let group = group(first, end, at: own)
                for place in 0..<group.count {
                    packInput(first + place, of: group, x)
                    packGradient(first + place, of: group, dy)
                }
                for tile in 0..<tiles { add(tile, group, to: sums + tile * tileCount) }
            }
        }
        Parallel.ranges(tiles, grain: max(1, 16384 / tileCount), threads: threads) { range in
            for tile in range {
                store(tile, sums + tile * tileCount, parts: cut.count, into: dw)
            }
        }
    }

    /// All pairs are packed, and then the workers take tiles.
    private func runByTiles(
        x: UnsafeRawPointer, dy: UnsafeRawPointer, dw: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer
    ) {
        func group(_ first: Int) -> Group {
            self.group(first, pairs, at: scratch + first * (xBytes + dyBytes))
        }
        Parallel.chunks(2 * pairs, threads: threads) {
            let pair = $0 / 2
            let group = group(pair / groupSize * groupSize)
            if $0 % 2 == 0 {
                packInput(pair, of: group, x)
            } else {
                packGradient(pair, of: group, dy)
            }
        }
        let sums = (scratch + pairs * (xBytes + dyBytes)).assumingMemoryBound(to: Float.self)
        Parallel.pieces(tiles, threads: threads) { worker, tile in
            let sums = sums + worker * tileCount
            sums.update(repeating: 0, count: tileCount)
            for first in stride(from: 0, to: pairs, by: groupSize) {
                add(tile, group(first), to: sums)
            }
            store(tile, sums, parts: 1, into: dw)
        }
    }

    /// A group is pairs that are packed together, from number `first` on: x, then dy.
    private struct Group {
        var shape: sc_pair_shape
        var first: Int
        var x, dy: UnsafeMutableRawPointer
        var count: Int { Int(shape.pairs) }
    }

    /// Returns the group of the pairs from `first` on, to `end` at most.
    private func group(_ first: Int, _ end: Int, at memory: UnsafeMutableRawPointer) -> Group {
        var shape = packed
        shape.pairs = min(shape.pairs, Int64(end - first))
        return Group(
            shape: shape, first: first, x: memory, dy: memory + Int(shape.pairs) * xBytes)
    }

    private func packInput(_ pair: Int, of group: Group, _ x: UnsafeRawPointer) {
        var packed = group.shape
        let (first, second) = images(pair, of: x, count: shape.height * shape.width * shape.inputs)
        sc_pair_pack_input(
            &packed, first, second, Int64(shape.inputs),
            Int64(inputStride * shape.width * shape.inputs), Int64(inputStride * shape.inputs),
            Int64(pair - group.first), bf16(group.x))
    }

    private func packGradient(_ pair: Int, of group: Group, _ dy: UnsafeRawPointer) {
        var packed = group.shape
        let (first, second) = images(
            pair, of: dy, count: shape.outHeight * shape.outWidth * shape.outputs)
        sc_pair_pack_gradient(
            &packed, first, second, Int64(shape.outputs), Int64(pair - group.first),
            bf16(group.dy))
    }

    /// Returns the images of a pair, of `count` elements each. The last one may have no partner.
    private func images(_ pair: Int, of all: UnsafeRawPointer, count: Int) -> (
        UnsafeRawPointer, UnsafeRawPointer?
    ) {
        let bytes = count * type.byteCount
        guard type == .bf16 else { return (all + pair * bytes, nil) }
        let first = all + 2 * pair * bytes
        return (first, 2 * pair + 1 < shape.images ? first + bytes : nil)
    }

    /// Adds the products of a group to the sums of a tile.
    private func add(_ tile: Int, _ group: Group, to sums: UnsafeMutablePointer<Float>) {
        var packed = group.shape
        let (outputBlock, inputBlock) = tile.quotientAndRemainder(dividingBy: inputBlocks)
        let x = group.x + group.count * xBytes / shape.inputs * SC_PAIR_INPUTS * inputBlock
        let dy = group.dy + group.count * dyBytes / shape.outputs * block * outputBlock
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
