import CKernels
import SupConTensor

/// A Winograd convolution is a 3×3 convolution of stride 1 computed by F(4×4, 3×3) in f32. It needs
/// 2.25 times fewer multiplications than the direct one, at the cost of transforms
/// (`ckernels_winograd.h`) and an error some ten times that of direct summation. With T tiles of
/// 4×4 outputs, for each of the 36 positions k of a tile,
///
///     M[k] [T, outputs] = V[k] [T, inputs] · U[k] [inputs, outputs],    dU[k] = V[k]ᵀ · dM[k].
///
/// Tiles are processed in blocks small enough for the caches; the worker of a block depends on its
/// index alone.
final class WinogradConvolution: Convolution {
    private let shape: ConvolutionShape
    private let threads: Int
    private let relu: Bool
    private let addsToOutput: Bool
    private let keepsWeights: Bool
    /// The untransformed weights of training, which must stay valid between `pack` and the
    /// operations. U, four times their size, is computed from them when it is needed.
    private var weights: UnsafePointer<Float>?

    private let tileRows: Int
    private let tileColumns: Int
    private var tiles: Int { shape.images * tileRows * tileColumns }
    private static let planes = 36

    /// Returns whether a shape is suited: with few channels the products would not outweigh their
    /// transforms, and with few tiles they would not outweigh reading U, four times the size of the
    /// weights.
    static func suits(_ shape: ConvolutionShape) -> Bool {
        let tiles = shape.images * ((shape.outHeight + 3) / 4) * ((shape.outWidth + 3) / 4)
        return shape.groups == 1 && shape.kernel == 3 && shape.stride == 1 && shape.padding == 1
            && shape.inputs % 16 == 0 && shape.outputs % 16 == 0
            && min(shape.inputs, shape.outputs) >= 32 && tiles >= 128
    }

    init(_ shape: ConvolutionShape, _ purpose: ConvolutionPurpose, threads: Int) {
        self.shape = shape
        self.threads = threads
        switch purpose {
        case .inference(let relu, let addsToOutput):
            (self.relu, self.addsToOutput, keepsWeights) = (relu, addsToOutput, true)
        // Only oneDNN computes in int8.
        case .training, .int8: (relu, addsToOutput, keepsWeights) = (false, false, false)
        }
        (tileRows, tileColumns) = ((shape.outHeight + 3) / 4, (shape.outWidth + 3) / 4)
    }

    private var transformedCount: Int { Self.planes * shape.inputs * shape.outputs }
    /// The number of tiles in a forward block, whose V and M take about 1 MB, within a core's
    /// second-level cache, unless that would leave the products fewer than 32 rows.
    private var forwardBlock: Int {
        min(
            max(262_144 / (Self.planes * (shape.inputs + shape.outputs)), 32),
            max((tiles + threads - 1) / threads, 1))
    }
    /// The number of tiles in a block of the weight gradient, whose V and dM, shared by all
    /// threads, take about 16 MB.
    private var gradientBlock: Int {
        min(max(4_194_304 / (Self.planes * (shape.inputs + shape.outputs)), 64), tiles)
    }
    /// The number of workers, each of which has a block's V and M of its own.
    private var workers: Int { min(threads, (tiles + forwardBlock - 1) / forwardBlock) }

    var packedByteCount: Int { keepsWeights ? transformedCount * 4 : 0 }
    let packedForGradientByteCount = 0
    var scratchByteCount: Int {
        let channels = shape.inputs + shape.outputs
        let forward =
            (keepsWeights ? 0 : transformedCount) + workers * Self.planes * forwardBlock * channels
        let gradient = keepsWeights ? 0 : transformedCount + Self.planes * gradientBlock * channels
        return max(forward, gradient) * 4
    }

    func pack(
        _ weights: UnsafePointer<Float>, into packed: UnsafeMutableRawPointer,
        forGradient: UnsafeMutableRawPointer
    ) {
        if keepsWeights {
            transform(weights, into: floats(packed), turned: false)
        } else {
            self.weights = weights
        }
    }

    private func transform(
        _ weights: UnsafePointer<Float>, into u: UnsafeMutablePointer<Float>, turned: Bool
    ) {
        let (outputs, inputs) = (shape.outputs, shape.inputs)
        Parallel.ranges(turned ? outputs : inputs, grain: 4, threads: threads) { range in
            let (first, last) = (Int64(range.lowerBound), Int64(range.upperBound))
            if turned {
                sc_winograd_turned_weights(weights, Int64(outputs), Int64(inputs), first, last, u)
            } else {
                sc_winograd_weights(weights, Int64(outputs), Int64(inputs), first, last, u)
            }
        }
    }

    func forward(
        x: UnsafeRawPointer, packed: UnsafeMutableRawPointer, bias: UnsafePointer<Float>?,
        y: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer
    ) {
        var (u, rest) = (floats(packed), floats(scratch))
        if !keepsWeights, let weights {
            (u, rest) = (rest, rest + transformedCount)
            transform(weights, into: u, turned: false)
        }
        convolve(
            f32(x), inputs: shape.inputs, u, outputs: shape.outputs, bias: bias, y: floats(y),
            scratch: rest)
    }

    func inputGradient(
        dy: UnsafeRawPointer, packed: UnsafeMutableRawPointer, dx: UnsafeMutableRawPointer,
        scratch: UnsafeMutableRawPointer
    ) {
        guard let weights else { return }
        let u = floats(scratch)
        transform(weights, into: u, turned: true)
        convolve(
            f32(dy), inputs: shape.outputs, u, outputs: shape.inputs, bias: nil, y: floats(dx),
            scratch: u + transformedCount)
    }

    /// Computes y = relu?(x ∗ u + bias + y?), where x has `inputs` channels and y has `outputs`.
    private func convolve(
        _ x: UnsafePointer<Float>, inputs: Int, _ u: UnsafePointer<Float>, outputs: Int,
        bias: UnsafePointer<Float>?, y: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>
    ) {
        let (block, tiles) = (forwardBlock, tiles)
        let blocks = (tiles + block - 1) / block
        let (relu, adds) = (Int32(relu ? 1 : 0), Int32(addsToOutput ? 1 : 0))
        let (height, width) = (Int64(shape.height), Int64(shape.width))
        MatrixProduct.withOneThreadPerCall {
            Parallel.pieces(blocks, threads: workers) { worker, number in
                let v = scratch + worker * Self.planes * block * (inputs + outputs)
                let m = v + Self.planes * block * inputs
                let range = (number * block)..<min((number + 1) * block, tiles)
                let count = range.count
                for tile in range {
                    let (image, top, left) = position(tile)
                    sc_winograd_input(
                        x + image * shape.height * shape.width * inputs, height, width,
                        Int64(inputs), top - 1, left - 1,
                        v + (tile - range.lowerBound) * inputs, Int64(count * inputs))
                }
                for plane in 0..<Self.planes {
                    MatrixProduct.multiply(
                        m: count, n: outputs, k: inputs, a: v + plane * count * inputs,
                        lda: inputs, b: u + plane * inputs * outputs, ldb: outputs,
                        c: m + plane * count * outputs, ldc: outputs)
                }
                for tile in range {
                    let (image, top, left) = position(tile)
                    sc_winograd_output(
                        m + (tile - range.lowerBound) * outputs, Int64(count * outputs), bias,
                        adds, relu, y + image * shape.height * shape.width * outputs, height,
                        width, Int64(outputs), top, left)
                }
            }
        }
    }

    func weightGradient(
        x: UnsafeRawPointer, dy: UnsafeRawPointer, dw: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer
    ) {
        let (x, dy, du) = (f32(x), f32(dy), floats(scratch))
        let (inputs, outputs, block, tiles) = (shape.inputs, shape.outputs, gradientBlock, tiles)
        let (height, width) = (Int64(shape.height), Int64(shape.width))
        let v = du + transformedCount
        let m = v + Self.planes * block * inputs
        MatrixProduct.withOneThreadPerCall {
            for start in stride(from: 0, to: tiles, by: block) {
                let count = min(block, tiles - start)
                Parallel.ranges(count, grain: 8, threads: threads) { range in
                    for tile in range {
                        let (image, top, left) = position(start + tile)
                        sc_winograd_input(
                            x + image * shape.height * shape.width * inputs, height, width,
                            Int64(inputs), top - 1, left - 1, v + tile * inputs,
                            Int64(count * inputs))
                        sc_winograd_output_gradient(
                            dy + image * shape.height * shape.width * outputs, height, width,
                            Int64(outputs), top, left, m + tile * outputs, Int64(count * outputs))
                    }
                }
                Parallel.chunks(Self.planes, threads: threads) { plane in
                    MatrixProduct.multiply(
                        transposeA: true, m: inputs, n: outputs, k: count,
                        a: v + plane * count * inputs, lda: inputs, b: m + plane * count * outputs,
                        ldb: outputs,
                        beta: start == 0 ? 0 : 1, c: du + plane * inputs * outputs, ldc: outputs)
                }
            }
        }
        Parallel.ranges(inputs, grain: 4, threads: threads) { range in
            sc_winograd_weight_gradient(
                du, Int64(outputs), Int64(inputs), Int64(range.lowerBound), Int64(range.upperBound),
                dw)
        }
    }

    /// Returns the image of a tile, and the position of its 4×4 outputs.
    private func position(_ tile: Int) -> (image: Int, top: Int64, left: Int64) {
        let (image, rest) = tile.quotientAndRemainder(dividingBy: tileRows * tileColumns)
        return (image, Int64(rest / tileColumns * 4), Int64(rest % tileColumns * 4))
    }

    private func floats(_ pointer: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Float> {
        pointer.assumingMemoryBound(to: Float.self)
    }
}
