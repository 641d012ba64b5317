#if OneDNN
import COneDNN
import SupConTensor

/// A oneDNN convolution has one operation each for forward, the input's gradient and the weights'
/// gradient, the last of which is our own where that is faster.
final class OneDNNConvolution: Convolution {
    private let forwardOperation: OneDNNOperation
    private let inputOperation: OneDNNOperation?
    private let weightOperation: (any WeightGradientOperation)?
    private let threads: Int

    let packedByteCount: Int
    let packedForGradientByteCount: Int
    let scratchByteCount: Int

    /// The number of multiplications below which handing out a piece, at some 20 µs, would cost
    /// more than it is worth.
    private static let smallWork = 2_000_000

    /// Prepares a convolution for a shape and a purpose. Errors: unsupported, memory.
    init(_ shape: ConvolutionShape, _ purpose: ConvolutionPurpose, type: ElementType, threads: Int)
        throws(SupConError)
    {
        let perImage = max(shape.multiplications / max(shape.images, 1), 1)
        let cut = BatchCut(
            images: shape.images, threads: threads, perThread: 4,
            smallest: Self.smallWork / perImage)
        func operation(_ what: Int, fused: Int = 0, _ int8: QuantizedConvolution? = nil)
            throws(SupConError) -> OneDNNOperation
        {
            try OneDNNOperation(
                shape, what, fused: fused, int8: int8, type: type, cut: cut, threads: threads)
        }
        switch purpose {
        case .inference(let relu, let adds):
            forwardOperation = try operation(
                SCD_INFERENCE, fused: (relu ? SCD_RELU : 0) | (adds ? SCD_ADD_TO_OUTPUT : 0))
            (inputOperation, weightOperation) = (nil, nil)
        case .int8(let convolution):
            forwardOperation = try operation(
                SCD_INFERENCE,
                fused: (convolution.relu ? SCD_RELU : 0)
                    | (convolution.residual != nil ? SCD_ADD_TO_OUTPUT : 0), convolution)
            (inputOperation, weightOperation) = (nil, nil)
        case .training(let wantsInput):
            forwardOperation = try operation(SCD_FORWARD)
            inputOperation = wantsInput ? try operation(SCD_INPUT_GRADIENT) : nil
            let smallest = Self.smallWork / perImage
            weightOperation =
                PairedWeightGradient.suits(shape, type, threads: threads)
                ? PairedWeightGradient(
                    shape, type: type, smallest: smallest, threads: threads)
                : try OneDNNWeightGradient(
                    shape, type: type, smallest: smallest, threads: threads)
        }
        self.threads = threads
        packedByteCount = forwardOperation.packedByteCount
        packedForGradientByteCount = inputOperation?.packedByteCount ?? 0
        scratchByteCount = max(
            forwardOperation.scratchByteCount, inputOperation?.scratchByteCount ?? 0,
            weightOperation?.scratchByteCount ?? 0)
    }

    func pack(
        _ weights: UnsafePointer<Float>, into packed: UnsafeMutableRawPointer,
        forGradient: UnsafeMutableRawPointer
    ) {
        let (parts, more) = (forwardOperation.packedParts, inputOperation?.packedParts ?? 0)
        Parallel.chunks(parts + more, threads: threads) { part in
            if part < parts {
                forwardOperation.pack(weights, into: packed, part: part, of: parts)
            } else {
                inputOperation?.pack(weights, into: forGradient, part: part - parts, of: more)
            }
        }
    }

    func prepare(bias: UnsafeMutablePointer<Float>) { forwardOperation.prepare(bias: bias) }

    func forward(
        x: UnsafeRawPointer, packed: UnsafeMutableRawPointer, bias: UnsafePointer<Float>?,
        y: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer
    ) {
        forwardOperation.run(x: x, weights: packed, bias: bias, y: y, scratch: scratch)
    }

    func inputGradient(
        dy: UnsafeRawPointer, packed: UnsafeMutableRawPointer, dx: UnsafeMutableRawPointer,
        scratch: UnsafeMutableRawPointer
    ) {
        inputOperation?.run(x: dx, weights: packed, y: dy, scratch: scratch)
    }

    func weightGradient(
        x: UnsafeRawPointer, dy: UnsafeRawPointer, dw: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer
    ) {
        weightOperation?.run(x: x, dy: dy, dw: dw, scratch: scratch)
    }
}
#endif
