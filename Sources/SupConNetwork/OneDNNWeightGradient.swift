#if OneDNN
import COneDNN
import SupConTensor

/// A oneDNN weight gradient is the gradient of a convolution's weights, in pieces that any thread
/// may take.
///
/// If the weights are few compared with the activations, the pieces are parts of the batch; each
/// has its own gradient, and these are added in the order of the pieces. If the weights are many,
/// that would cost more than it saves: the pieces are then parts of the output channels, whose dy
/// is first made contiguous.
final class OneDNNWeightGradient: WeightGradientOperation {
    let scratchByteCount: Int

    private let shape: ConvolutionShape
    private let threads: Int
    private let elementBytes: Int
    private let operation: OneDNNOperation
    /// The number of pieces of the batch, each with its own packed gradient, and of pieces of the
    /// output channels.
    private let (parts, channelParts): (Int, Int)
    /// One operation per worker, for a part of the output channels.
    private let channelOperations: [OneDNNOperation]
    private let packedStride: Int
    private let dyStride: Int

    /// Makes the operations, for pieces of at least `smallest` images. Errors: unsupported, memory.
    init(_ shape: ConvolutionShape, type: ElementType, smallest: Int, threads: Int)
        throws(SupConError)
    {
        (self.shape, self.threads, elementBytes) = (shape, threads, type.byteCount)
        let activations =
            shape.images * elementBytes
            * (shape.height * shape.width * shape.inputs
                + shape.outHeight * shape.outWidth * shape.outputs)
        let widest = 2 * threads
        let byChannels =
            threads > 1 && !EngineTeam.isUsed(images: shape.images, threads: threads)
            && shape.groups == 1 && shape.outputs % (widest * 16) == 0
            && shape.weightCount * 4 * 2 > activations
        channelParts = byChannels ? widest : 1
        var part = shape
        part.outputs /= channelParts
        let cut = BatchCut(
            images: shape.images, threads: byChannels ? 1 : threads, perThread: 2,
            smallest: smallest)
        parts = cut.count
        func operation(threads: Int) throws(SupConError) -> OneDNNOperation {
            try OneDNNOperation(
                part, SCD_WEIGHT_GRADIENT, fused: 0, int8: nil, type: type, cut: cut,
                threads: threads)
        }
        var channelOperations: [OneDNNOperation] = []
        if byChannels {
            for _ in 0..<threads { channelOperations.append(try operation(threads: 1)) }
            self.operation = channelOperations[0]
            dyStride =
                (shape.images * shape.outHeight * shape.outWidth * part.outputs * elementBytes + 63)
                / 64 * 64
        } else {
            self.operation = try operation(threads: threads)
            dyStride = 0
        }
        self.channelOperations = channelOperations
        packedStride = (self.operation.packedByteCount + 63) / 64 * 64
        // The primitives' scratch is followed by packed gradients; with pieces of channels, each
        // worker has one, and its dy.
        scratchByteCount =
            byChannels
            ? threads * (self.operation.scratchByteCount + packedStride + dyStride)
            : self.operation.scratchByteCount + parts * packedStride
    }

    func run(
        x: UnsafeRawPointer, dy: UnsafeRawPointer, dw: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer
    ) {
        if channelParts > 1 { return runByChannels(x: x, dy: dy, dw: dw, scratch: scratch) }
        let packed = scratch + operation.scratchByteCount
        operation.run(x: x, weights: packed, weightStride: packedStride, y: dy, scratch: scratch)
        if parts > 1 { addParts(packed.assumingMemoryBound(to: Float.self)) }
        operation.unpack(packed, into: dw)
    }

    /// Adds all other parts to the first one.
    private func addParts(_ sums: UnsafeMutablePointer<Float>) {
        let count = operation.packedByteCount / 4
        Parallel.ranges(count, grain: 16384, threads: threads) { range in
            for part in 1..<parts {
                let summand = sums + part * packedStride / 4
                for i in range { sums[i] += summand[i] }
            }
        }
    }

    private func runByChannels(
        x: UnsafeRawPointer, dy: UnsafeRawPointer, dw: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer
    ) {
        let rows = shape.images * shape.outHeight * shape.outWidth
        let partBytes = shape.outputs / channelParts * elementBytes
        let perWorker = operation.scratchByteCount + packedStride + dyStride
        Parallel.pieces(channelParts, threads: threads) { worker, part in
            let own = scratch + worker * perWorker
            let packed = own + operation.scratchByteCount
            let slice = packed + packedStride
            for row in 0..<rows {
                (slice + row * partBytes).copyMemory(
                    from: dy + (row * channelParts + part) * partBytes, byteCount: partBytes)
            }
            channelOperations[worker].run(x: x, weights: packed, y: slice, scratch: own)
            channelOperations[worker].unpack(
                packed, into: dw + part * (shape.weightCount / channelParts))
        }
    }
}
#endif
