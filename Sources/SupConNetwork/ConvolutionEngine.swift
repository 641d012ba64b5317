import SupConTensor
#if OneDNN
import COneDNN
#endif

/// A convolution prepared for one shape. It owns no memory: its caller gives it weights ("packed":
/// as the engine likes them) and scratch of the sizes that it names.
protocol Convolution: AnyObject {
    /// Bytes of the packed weights, for forward and for the input's gradient (0: the forward ones
    /// serve).
    var packedByteCount: Int { get }
    var packedForGradientByteCount: Int { get }
    /// Scratch that any of its operations takes.
    var scratchByteCount: Int { get }

    /// weights [outputs, inputs / groups, kernel, kernel] f32; those of training stay where they
    /// are and as they are until they are packed again.
    func pack(
        _ weights: UnsafePointer<Float>, into packed: UnsafeMutableRawPointer,
        forGradient: UnsafeMutableRawPointer)
    /// Of an int8 convolution: bias [outputs], in steps of y, to what `forward` takes.
    func prepare(bias: UnsafeMutablePointer<Float>)
    /// y = conv(x, w); for inference y = relu?(conv(x, w) + bias + y?).
    func forward(
        x: UnsafeRawPointer, packed: UnsafeMutableRawPointer, bias: UnsafePointer<Float>?,
        y: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer)
    /// dx = conv's transpose (dy, w).
    func inputGradient(
        dy: UnsafeRawPointer, packed: UnsafeMutableRawPointer, dx: UnsafeMutableRawPointer,
        scratch: UnsafeMutableRawPointer)
    /// dw [outputs, inputs / groups, kernel, kernel] f32, overwritten.
    func weightGradient(
        x: UnsafeRawPointer, dy: UnsafeRawPointer, dw: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer)
}

extension Convolution {
    func prepare(bias: UnsafeMutablePointer<Float>) {}
}

/// What a convolution is prepared for.
enum ConvolutionPurpose: Equatable {
    case training(inputGradient: Bool)
    case inference(relu: Bool, addsToOutput: Bool)
    case int8(QuantizedConvolution)

    var isInt8: Bool { if case .int8 = self { true } else { false } }
}

/// Who computes the convolutions.
package enum Engine: String, Sendable, CaseIterable {
    /// oneDNN's kernels, f32 and bf16.
    case oneDNN = "onednn"
    /// im2col and OpenBLAS, f32.
    case openBLAS = "openblas"

    /// oneDNN where the package was built with it.
    package static var standard: Engine {
        #if OneDNN
        .oneDNN
        #else
        .openBLAS
        #endif
    }

    /// "oneDNN 2.6.3", or "OpenBLAS".
    package var versionedName: String {
        #if OneDNN
        let version = Int(scd_version())
        return self == .oneDNN
            ? "oneDNN \(version / 10000).\(version / 100 % 100).\(version % 100)" : "OpenBLAS"
        #else
        return "OpenBLAS"
        #endif
    }

    /// The precision to use where the caller did not choose: bf16 where the CPU multiplies it by
    /// itself.
    package static var fastestPrecision: Precision {
        (try? standard.check(.bf16)) == nil ? .f32 : .bf16
    }

    /// Errors: unsupported, with the reason.
    package func check(_ precision: Precision) throws(SupConError) {
        guard precision == .bf16 else { return }
        try require(
            self == .oneDNN, .unsupported,
            "precision bf16 needs a library built with oneDNN; this one computes in f32")
        try require(
            CPUFeatures.hasBF16, .unsupported,
            """
            precision bf16 needs a CPU with bf16 instructions (AVX512-BF16 or AMX); this one \
            has \(CPUFeatures.instructionSet)
            """
        )
    }

    /// Whether it embeds in int8. Errors: unsupported, with the reason.
    package func checkInt8() throws(SupConError) {
        try require(
            self == .oneDNN, .unsupported,
            "int8 needs a library built with oneDNN; this one computes in f32")
        try require(
            CPUFeatures.hasVNNI, .unsupported,
            """
            int8 needs a CPU that multiplies bytes (AVX512-VNNI or AVX-VNNI); this one has \
            \(CPUFeatures.instructionSet)
            """
        )
    }

    /// Errors: unsupported, memory.
    func convolution(
        _ shape: ConvolutionShape, _ purpose: ConvolutionPurpose, type: ElementType, threads: Int
    ) throws(SupConError) -> any Convolution {
        switch self {
        case .oneDNN:
            #if OneDNN
            if type == .f32, !purpose.isInt8, WinogradConvolution.suits(shape) {
                return WinogradConvolution(shape, purpose, threads: threads)
            }
            if OneDNNFaults.writesPastItsWorkspace(shape, purpose, type) {
                return MatrixConvolution(shape, purpose, threads: threads)
            }
            return try OneDNNConvolution(shape, purpose, type: type, threads: threads)
            #else
            throw SupConError(.unsupported, "this library was built without oneDNN")
            #endif
        case .openBLAS:
            return MatrixConvolution(shape, purpose, threads: threads)
        }
    }
}

/// The convolutions that oneDNN gets wrong, all found by `ConvolutionSweepTests`; nowhere else is
/// one worked around.
enum OneDNNFaults {
    /// The f32 weight gradient of a strided 1×1 convolution gathers whole blocks of input channels
    /// into its workspace, which has room for the channels that there are: with fewer than a block
    /// (8 with AVX2, 16 with AVX-512) it writes past the end, and gradients are wrong
    /// (uxlfoundation/oneDNN issue 6035, open in 3.12). So narrow is cheap as matrix products.
    static func writesPastItsWorkspace(
        _ shape: ConvolutionShape, _ purpose: ConvolutionPurpose, _ type: ElementType
    ) -> Bool {
        guard case .training = purpose else { return false }
        return type == .f32 && shape.kernel == 1 && shape.stride > 1
            && shape.inputs / shape.groups < 16
    }

    /// The bf16 weight gradient reads workspace that it has not written where weights meet padding
    /// alone; whatever lies there, which may be NaN, ends up in their gradient instead of 0. The
    /// workspace must be cleared before.
    static func readsUnwrittenWorkspace(_ shape: ConvolutionShape, _ type: ElementType) -> Bool {
        type == .bf16 && shape.hasIdleWeights
    }
}
