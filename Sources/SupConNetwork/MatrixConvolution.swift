import Glibc
import SupConTensor

/// A matrix convolution is computed as matrix products, by im2col and OpenBLAS, in f32. With K =
/// kernel²·inputs and P = outHeight·outWidth, per image and group
///
///     y [P, outputs] = columns [P, K] · w [K, outputs]
///     dcolumns = dy · wᵀ,   dw = columnsᵀ · dy.
///
/// A row of columns holds the groups one after another, each [kernel², inputs of the group]; packed
/// weights are [group, kernel², inputs, outputs of the group].
///
/// Images are divided into as many fixed parts as there are threads; sums over parts are computed
/// in order.
final class MatrixConvolution: Convolution {
    private let shape: ConvolutionShape
    private let relu: Bool
    private let addsToOutput: Bool
    private let threads: Int
    private let parts: Int

    /// The elements of the columns of one image (K·P), of the packed weights, and of a part's
    /// scratch: columns and a partial gradient.
    private var columnCount: Int { patch * area }
    private var partCount: Int { columnCount + shape.weightCount }
    private var patch: Int { shape.kernel * shape.kernel * shape.inputs }
    private var groupPatch: Int { patch / shape.groups }
    private var groupInputs: Int { shape.inputs / shape.groups }
    private var groupOutputs: Int { shape.outputs / shape.groups }
    private var area: Int { shape.outHeight * shape.outWidth }
    /// Whether the input itself serves as the columns, as in a 1×1 convolution of stride 1.
    private var isPointwise: Bool { shape.kernel == 1 && shape.stride == 1 }

    var packedByteCount: Int { shape.weightCount * 4 }
    let packedForGradientByteCount = 0
    var scratchByteCount: Int { parts * partCount * 4 }

    init(_ shape: ConvolutionShape, _ purpose: ConvolutionPurpose, threads: Int) {
        self.shape = shape
        self.threads = threads
        parts = min(shape.images, threads)
        switch purpose {
        case .inference(let relu, let addsToOutput):
            (self.relu, self.addsToOutput) = (relu, addsToOutput)
        // The engine has refused int8 already.
        case .training, .int8: (relu, addsToOutput) = (false, false)
        }
    }

    /// Returns the index of weight [o, i, t] among the packed weights.
    @inline(__always)
    private func packedPlace(_ o: Int, _ i: Int, _ t: Int) -> Int {
        let (group, within) = o.quotientAndRemainder(dividingBy: groupOutputs)
        return (group * groupPatch + t * groupInputs + i) * groupOutputs + within
    }

    /// Packs weights [outputs, inputs / groups, kernel²] as [group, kernel², inputs / groups,
    /// outputs / groups].
    func pack(
        _ weights: UnsafePointer<Float>, into packed: UnsafeMutableRawPointer,
        forGradient: UnsafeMutableRawPointer
    ) {
        let to = packed.assumingMemoryBound(to: Float.self)
        let (outputs, inputs, taps) = (shape.outputs, groupInputs, shape.kernel * shape.kernel)
        for o in 0..<outputs {
            for i in 0..<inputs {
                for t in 0..<taps {
                    to[packedPlace(o, i, t)] = weights[(o * inputs + i) * taps + t]
                }
            }
        }
    }

    func forward(
        x: UnsafeRawPointer, packed: UnsafeMutableRawPointer, bias: UnsafePointer<Float>?,
        y: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer
    ) {
        let (w, y) = (
            packed.assumingMemoryBound(to: Float.self), y.assumingMemoryBound(to: Float.self)
        )
        eachImage(x, scratch) {
            [shape, area, patch, groupPatch, groupOutputs, relu, addsToOutput] image, columns, _ in
            let out = y + image * area * shape.outputs
            for group in 0..<shape.groups {
                MatrixProduct.multiply(
                    m: area, n: groupOutputs, k: groupPatch, a: columns + group * groupPatch,
                    lda: patch, b: w + group * groupPatch * groupOutputs,
                    ldb: groupOutputs, beta: addsToOutput ? 1 : 0, c: out + group * groupOutputs,
                    ldc: shape.outputs)
            }
            guard let bias else { return }
            for p in 0..<area {
                let row = out + p * shape.outputs
                for o in 0..<shape.outputs {
                    let sum = row[o] + bias[o]
                    row[o] = relu && !(sum > 0) ? 0 : sum
                }
            }
        }
    }

    func inputGradient(
        dy: UnsafeRawPointer, packed: UnsafeMutableRawPointer, dx: UnsafeMutableRawPointer,
        scratch: UnsafeMutableRawPointer
    ) {
        let (w, dy, dx) = (
            packed.assumingMemoryBound(to: Float.self), dy.assumingMemoryBound(to: Float.self),
            dx.assumingMemoryBound(to: Float.self)
        )
        let imageCount = shape.height * shape.width * shape.inputs
        eachPart(scratch) {
            [shape, area, patch, groupPatch, groupInputs, groupOutputs, isPointwise]
            image, columns, _ in
            let to = dx + image * imageCount
            let columns = isPointwise ? to : columns
            for group in 0..<shape.groups {
                MatrixProduct.multiply(
                    transposeB: true, m: area, n: groupPatch, k: groupOutputs,
                    a: dy + image * area * shape.outputs + group * groupOutputs, lda: shape.outputs,
                    b: w + group * groupPatch * groupOutputs, ldb: groupOutputs,
                    c: columns + group * groupPatch, ldc: patch)
            }
            if !isPointwise {
                to.update(repeating: 0, count: imageCount)
                self.eachTap { tap, inside in
                    for i in 0..<groupInputs { to[inside + i] += columns[tap + i] }
                }
            }
        }
    }

    func weightGradient(
        x: UnsafeRawPointer, dy: UnsafeRawPointer, dw: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer
    ) {
        let dy = dy.assumingMemoryBound(to: Float.self)
        eachImage(x, scratch) {
            [shape, area, patch, groupPatch, groupOutputs] image, columns, partial in
            for group in 0..<shape.groups {
                MatrixProduct.multiply(
                    transposeA: true, m: groupPatch, n: groupOutputs, k: area,
                    a: columns + group * groupPatch, lda: patch,
                    b: dy + image * area * shape.outputs + group * groupOutputs, ldb: shape.outputs,
                    beta: 1, c: partial + group * groupPatch * groupOutputs,
                    ldc: groupOutputs)
            }
        }
        let sums = scratch.assumingMemoryBound(to: Float.self)
        let (outputs, inputs, taps) = (shape.outputs, groupInputs, shape.kernel * shape.kernel)
        for o in 0..<outputs {
            for i in 0..<inputs {
                for t in 0..<taps {
                    var sum: Float = 0
                    for part in 0..<parts {
                        sum += sums[part * partCount + columnCount + packedPlace(o, i, t)]
                    }
                    dw[(o * inputs + i) * taps + t] = sum
                }
            }
        }
    }

    /// Calls `body(image, columns of the image, the part's partial gradient)` for all images.
    private func eachImage(
        _ x: UnsafeRawPointer, _ scratch: UnsafeMutableRawPointer,
        _ body: (Int, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) {
        let x = x.assumingMemoryBound(to: Float.self)
        eachPart(scratch) { image, columns, partial in
            let from = x + image * shape.height * shape.width * shape.inputs
            if isPointwise { return body(image, from, partial) }
            columns.update(repeating: 0, count: columnCount)
            eachTap { tap, inside in memcpy(columns + tap, from + inside, groupInputs * 4) }
            body(image, columns, partial)
        }
    }

    /// Calls `body(image, buffer for its columns, the part's partial gradient, initially zero)` for
    /// all images; parts run in parallel.
    private func eachPart(
        _ scratch: UnsafeMutableRawPointer,
        _ body: (Int, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) {
        let floats = scratch.assumingMemoryBound(to: Float.self)
        MatrixProduct.withOneThreadPerCall {
            Parallel.chunks(parts, threads: threads) { part in
                let columns = floats + part * partCount
                let partial = columns + columnCount
                partial.update(repeating: 0, count: shape.weightCount)
                for image in Parallel.range(part, of: parts, count: shape.images) {
                    body(image, columns, partial)
                }
            }
        }
    }

    /// Calls `body(offset in the columns, offset in the image)` for every tap of every output
    /// position that lies inside the image, and every group; each call covers all inputs of the
    /// group.
    @inline(__always)
    private func eachTap(_ body: (Int, Int) -> Void) {
        for i in 0..<shape.outHeight {
            for j in 0..<shape.outWidth {
                for kernelRow in 0..<shape.kernel {
                    let row = i * shape.stride + kernelRow - shape.padding
                    guard row >= 0 && row < shape.height else { continue }
                    for kernelColumn in 0..<shape.kernel {
                        let column = j * shape.stride + kernelColumn - shape.padding
                        guard column >= 0 && column < shape.width else { continue }
                        for group in 0..<shape.groups {
                            body(
                                (i * shape.outWidth + j) * patch + group * groupPatch
                                    + (kernelRow * shape.kernel + kernelColumn) * groupInputs,
                                (row * shape.width + column) * shape.inputs + group * groupInputs)
                        }
                    }
                }
            }
        }
    }
}
