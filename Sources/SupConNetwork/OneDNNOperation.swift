#if OneDNN
import COneDNN
import Glibc
import SupConTensor

/// A oneDNN operation is one operation of a convolution (`SCD_FORWARD`, …), divided into pieces of
/// the batch that any thread may take: each worker has a primitive for one thread. A batch with
/// fewer images than threads is a single piece, which the engine's team shares.
final class OneDNNOperation {
    let packedByteCount: Int
    /// The bytes of scratch of all workers.
    let scratchByteCount: Int

    private let threads: Int
    private let usesTeam: Bool
    /// Whether the scratch must be cleared, because the primitives read what they have not written.
    private let clearsScratch: Bool
    private let cut: BatchCut
    /// The bytes of one image of x and of y.
    private let (xStride, yStride): (Int, Int)
    private let scratchStride: Int
    /// One primitive per worker for a full piece, and, if the last piece is smaller, one for that.
    private let (primitives, lastPrimitives): ([OpaquePointer], [OpaquePointer])

    /// Makes the primitives. Errors: unsupported, memory.
    init(
        _ shape: ConvolutionShape, _ what: Int, fused: Int, int8: QuantizedConvolution?,
        type: ElementType, cut: BatchCut, threads: Int
    ) throws(SupConError) {
        // oneDNN does not check the memory of the code that it generates.
        try checkSpareMemory(for: "the code of a convolution")
        usesTeam = EngineTeam.isUsed(images: shape.images, threads: threads)
        (self.threads, self.cut) = (threads, cut)
        clearsScratch =
            what == SCD_WEIGHT_GRADIENT && OneDNNFaults.readsUnwrittenWorkspace(shape, type)
        let (workers, usesTeam) = (min(threads, cut.count), usesTeam)
        var made: [OpaquePointer] = []
        func primitives(images: Int) throws(SupConError) -> [OpaquePointer] {
            var piece = shape
            piece.images = images
            let first = made.count
            for _ in 0..<workers {
                var result: OpaquePointer?
                let status =
                    made.count > first
                    ? scd_convolution_copy(made[first], &result)
                    : Self.create(
                        piece, what, fused, int8, type, threads: usesTeam ? threads : 1,
                        like: made.first, &result)
                guard let result else {
                    made.forEach { scd_convolution_free($0) }
                    throw SupConError(
                        status == 1 ? .memory : .unsupported,
                        """
                        oneDNN cannot prepare a \(shape.kernel)×\(shape.kernel) convolution of \
                        \(shape.inputs) to \(shape.outputs) channels on \
                        \(shape.height)×\(shape.width) in \(int8 == nil ? "\(type)" : "int8"): \
                        status \(status)
                        """
                    )
                }
                made.append(result)
            }
            return Array(made[first...])
        }
        let whole = try primitives(images: cut.size)
        self.primitives = whole
        lastPrimitives =
            cut.lastSize == cut.size ? whole : try primitives(images: cut.lastSize)
        let bytes = int8 == nil ? type.byteCount : 1
        xStride = shape.height * shape.width * shape.inputs * bytes
        yStride = shape.outHeight * shape.outWidth * shape.outputs * bytes
        packedByteCount = scd_convolution_packed_bytes(whole[0])
        scratchStride =
            ((made.map { scd_convolution_scratch_bytes($0) }.max() ?? 0) + 63) / 64 * 64
        scratchByteCount = scratchStride * whole.count
    }

    deinit {
        primitives.forEach { scd_convolution_free($0) }
        if cut.lastSize != cut.size { lastPrimitives.forEach { scd_convolution_free($0) } }
    }

    private static func create(
        _ shape: ConvolutionShape, _ what: Int, _ fused: Int, _ int8: QuantizedConvolution?,
        _ type: ElementType, threads: Int, like: OpaquePointer?, _ result: inout OpaquePointer?
    ) -> Int32 {
        var shape = scd_convolution_shape(
            images: Int64(shape.images), height: Int64(shape.height), width: Int64(shape.width),
            inputs: Int64(shape.inputs), out_height: Int64(shape.outHeight),
            out_width: Int64(shape.outWidth), outputs: Int64(shape.outputs),
            kernel: Int64(shape.kernel), stride: Int64(shape.stride),
            padding: Int64(shape.padding), groups: Int64(shape.groups),
            type: Int32(type == .bf16 ? SCD_BF16 : SCD_F32))
        guard let int8 else {
            return scd_convolution_create(
                &shape, Int32(what), Int32(fused), nil, Int32(threads), like, &result)
        }
        return int8.scales.withUnsafeBufferPointer { scales in
            var quantization = scd_quantization(
                x_signed: int8.xIsSigned ? 1 : 0, y_signed: int8.yIsSigned ? 1 : 0,
                residual_signed: int8.residual?.isSigned == true ? 1 : 0,
                residual_scale: int8.residual?.scale ?? 1, scales: scales.baseAddress)
            return scd_convolution_create(
                &shape, Int32(what), Int32(fused), &quantization, Int32(threads), like, &result)
        }
    }

    // The primitives were created for these sizes, so running them could only fail for want of
    // memory, which the plan has already allocated.

    /// The number of parts in which weights are packed, by one thread each. oneDNN's own packing is
    /// one part, which the calling thread packs if there is no other: in int8 it gave wrong results
    /// on workers of the team.
    var packedParts: Int { scd_convolution_packs_parts(primitives[0]) != 0 ? threads : 1 }

    /// Packs a part of the weights on the calling thread.
    func pack(
        _ weights: UnsafePointer<Float>, into packed: UnsafeMutableRawPointer, part: Int,
        of parts: Int
    ) {
        onEngineThreads {
            _ = scd_convolution_pack(primitives[0], weights, packed, Int32(part), Int32(parts))
        }
    }
    /// Unpacks a gradient of weights on the calling thread.
    func unpack(_ packed: UnsafeRawPointer, into weights: UnsafeMutablePointer<Float>) {
        onEngineThreads { _ = scd_convolution_unpack(primitives[0], packed, weights) }
    }
    func prepare(bias: UnsafeMutablePointer<Float>) {
        scd_convolution_prepare_bias(primitives[0], bias)
    }

    /// Runs the operation on x, y and the packed weights. `weightStride` is the number of bytes
    /// between the weights of successive pieces, if each piece has its own.
    func run(
        x: UnsafeRawPointer, weights: UnsafeMutableRawPointer, weightStride: Int = 0,
        bias: UnsafePointer<Float>? = nil, y: UnsafeRawPointer, scratch: UnsafeMutableRawPointer
    ) {
        Parallel.pieces(cut.count, threads: threads) { worker, piece in
            let primitives = piece == cut.count - 1 ? lastPrimitives : primitives
            let image = piece * cut.size
            let own = scratch + worker * scratchStride
            if clearsScratch { memset(own, 0, scratchStride) }
            // A thread of ours has a team of its own, which oneDNN's matrix products would use.
            onEngineThreads {
                _ = scd_convolution_run(
                    primitives[worker], UnsafeMutableRawPointer(mutating: x + image * xStride),
                    weights + piece * weightStride, bias,
                    UnsafeMutableRawPointer(mutating: y + image * yStride),
                    own)
            }
        }
    }

    /// Runs `body` with the calling thread's team set to the size that the primitives were created
    /// for.
    private func onEngineThreads(_ body: () -> Void) {
        let former = scd_enter(usesTeam ? Int32(threads) : 1)
        body()
        scd_leave(former)
    }
}
#endif
