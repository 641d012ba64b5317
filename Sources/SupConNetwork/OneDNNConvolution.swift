#if OneDNN
import COneDNN
import Glibc
import SupConTensor

/// A convolution by oneDNN: one primitive each for forward, the input's gradient and the weights'.
final class OneDNNConvolution: Convolution {
    private let forwardPrimitive: OpaquePointer
    private let inputPrimitive: OpaquePointer?
    private let weightPrimitive: OpaquePointer?

    let packedByteCount: Int
    let packedForGradientByteCount: Int
    let scratchByteCount: Int
    /// Bytes of the packed gradient of the weights, which begins the scratch. Each primitive's own
    /// ends where the scratch ends, so that a test's guard behind it sees a write past the end.
    private let gradientByteCount: Int
    private let clearsScratch: Bool

    /// Errors: unsupported, memory.
    init(_ shape: ConvolutionShape, _ purpose: ConvolutionPurpose, type: ElementType, threads: Int)
        throws(SupConError)
    {
        var made: [OpaquePointer] = []
        func primitive(_ what: Int, fused: Int = 0, _ int8: QuantizedConvolution? = nil)
            throws(SupConError) -> OpaquePointer
        {
            var description = scd_convolution_shape(
                images: Int64(shape.images), height: Int64(shape.height), width: Int64(shape.width),
                inputs: Int64(shape.inputs), out_height: Int64(shape.outHeight),
                out_width: Int64(shape.outWidth), outputs: Int64(shape.outputs),
                kernel: Int64(shape.kernel), stride: Int64(shape.stride),
                padding: Int64(shape.padding), groups: Int64(shape.groups),
                type: Int32(type == .bf16 ? SCD_BF16 : SCD_F32))
            var result: OpaquePointer?
            let status = Self.create(&description, what, fused, int8, threads, &result)
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
            return result
        }
        var input: OpaquePointer?
        var weight: OpaquePointer?
        switch purpose {
        case .inference(let relu, let adds):
            forwardPrimitive = try primitive(
                SCD_INFERENCE, fused: (relu ? SCD_RELU : 0) | (adds ? SCD_ADD_TO_OUTPUT : 0))
        case .int8(let convolution):
            forwardPrimitive = try primitive(
                SCD_INFERENCE,
                fused: (convolution.relu ? SCD_RELU : 0)
                    | (convolution.residual != nil ? SCD_ADD_TO_OUTPUT : 0), convolution)
        case .training(let wantsInput):
            forwardPrimitive = try primitive(SCD_FORWARD)
            if wantsInput { input = try primitive(SCD_INPUT_GRADIENT) }
            weight = try primitive(SCD_WEIGHT_GRADIENT)
        }
        inputPrimitive = input
        weightPrimitive = weight
        packedByteCount = scd_convolution_packed_bytes(forwardPrimitive)
        packedForGradientByteCount = input.map { scd_convolution_packed_bytes($0) } ?? 0
        let own = made.map { Self.scratchByteCount($0) }.max() ?? 0
        gradientByteCount = weight.map { scd_convolution_packed_bytes($0) } ?? 0
        clearsScratch = OneDNNFaults.readsUnwrittenWorkspace(shape, type)
        scratchByteCount = (gradientByteCount + 63) / 64 * 64 + own
    }

    private static func scratchByteCount(_ primitive: OpaquePointer) -> Int {
        (scd_convolution_scratch_bytes(primitive) + 63) / 64 * 64
    }

    /// A primitive's own part of the scratch.
    private func own(_ primitive: OpaquePointer?, _ scratch: UnsafeMutableRawPointer)
        -> UnsafeMutableRawPointer
    {
        scratch + scratchByteCount - (primitive.map { Self.scratchByteCount($0) } ?? 0)
    }

    private static func create(
        _ shape: inout scd_convolution_shape, _ what: Int, _ fused: Int,
        _ int8: QuantizedConvolution?, _ threads: Int, _ result: inout OpaquePointer?
    ) -> Int32 {
        guard let int8 else {
            return scd_convolution_create(
                &shape, Int32(what), Int32(fused), nil, Int32(threads), &result)
        }
        return int8.scales.withUnsafeBufferPointer { scales in
            var quantization = scd_quantization(
                x_signed: int8.xIsSigned ? 1 : 0, y_signed: int8.yIsSigned ? 1 : 0,
                residual_signed: int8.residual?.isSigned == true ? 1 : 0,
                residual_scale: int8.residual?.scale ?? 1, scales: scales.baseAddress)
            return scd_convolution_create(
                &shape, Int32(what), Int32(fused), &quantization, Int32(threads), &result)
        }
    }

    deinit {
        scd_convolution_free(forwardPrimitive)
        scd_convolution_free(inputPrimitive)
        scd_convolution_free(weightPrimitive)
    }

    /// Names of the implementations that oneDNN chose, for profiles.
    var implementations: [String] {
        [forwardPrimitive, inputPrimitive, weightPrimitive].compactMap {
            $0.map { String(cString: scd_convolution_implementation($0)) }
        }
    }

    // The primitives were created for these sizes: running them cannot fail but by memory that is
    // not there, which the plan has taken already.

    func pack(
        _ weights: UnsafePointer<Float>, into packed: UnsafeMutableRawPointer,
        forGradient: UnsafeMutableRawPointer
    ) {
        _ = scd_convolution_pack(forwardPrimitive, weights, packed)
        if let inputPrimitive { _ = scd_convolution_pack(inputPrimitive, weights, forGradient) }
    }

    func prepare(bias: UnsafeMutablePointer<Float>) {
        scd_convolution_prepare_bias(forwardPrimitive, bias)
    }

    func forward(
        x: UnsafeRawPointer, packed: UnsafeMutableRawPointer, bias: UnsafePointer<Float>?,
        y: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer
    ) {
        _ = scd_convolution_run(
            forwardPrimitive, UnsafeMutableRawPointer(mutating: x), packed, bias, y,
            own(forwardPrimitive, scratch))
    }

    func inputGradient(
        dy: UnsafeRawPointer, packed: UnsafeMutableRawPointer, dx: UnsafeMutableRawPointer,
        scratch: UnsafeMutableRawPointer
    ) {
        _ = scd_convolution_run(
            inputPrimitive, dx, packed, nil, UnsafeMutableRawPointer(mutating: dy),
            own(inputPrimitive, scratch))
    }

    func weightGradient(
        x: UnsafeRawPointer, dy: UnsafeRawPointer, dw: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer
    ) {
        if clearsScratch { memset(scratch, 0, scratchByteCount) }
        _ = scd_convolution_run(
            weightPrimitive, UnsafeMutableRawPointer(mutating: x), scratch, nil,
            UnsafeMutableRawPointer(mutating: dy), own(weightPrimitive, scratch))
        _ = scd_convolution_unpack(weightPrimitive, scratch, dw)
    }
}
#endif
