import SupConTensor
#if OneDNN
import COneDNN
#endif

/// A convolution is prepared for one shape. It owns no memory: its caller provides the weights
/// ("packed" in the engine's own order) and scratch of the sizes that it states.
protocol Convolution: AnyObject {
    /// The bytes of the packed weights: for forward, and for the input's gradient (0 if the latter
    /// uses the former).
    var packedByteCount: Int { get }
    var packedForGradientByteCount: Int { get }
    /// The bytes of scratch that any of its operations needs.
    var scratchByteCount: Int { get }

    /// Packs weights [outputs, inputs / groups, kernel, kernel] f32. Weights for training must stay
    /// valid and unchanged until they are packed again.
    func pack(
        _ weights: UnsafePointer<Float>, into packed: UnsafeMutableRawPointer,
        forGradient: UnsafeMutableRawPointer)
    /// Converts the bias [outputs] of an int8 convolution, given in steps of y, to the form that
    /// `forward` takes.
    func prepare(bias: UnsafeMutablePointer<Float>)
    /// Computes y = conv(x, w), or for inference y = relu?(conv(x, w) + bias + y?).
    func forward(
        x: UnsafeRawPointer, packed: UnsafeMutableRawPointer, bias: UnsafePointer<Float>?,
        y: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer)
    /// Computes dx, the transposed convolution of dy with w.
    func inputGradient(
        dy: UnsafeRawPointer, packed: UnsafeMutableRawPointer, dx: UnsafeMutableRawPointer,
        scratch: UnsafeMutableRawPointer)
    /// Computes dw [outputs, inputs / groups, kernel, kernel] f32, which is overwritten.
    func weightGradient(
        x: UnsafeRawPointer, dy: UnsafeRawPointer, dw: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer)
}

extension Convolution {
    func prepare(bias: UnsafeMutablePointer<Float>) {}
}

/// A weight gradient operation computes the gradient of a convolution's weights, in scratch of the
/// size that it states.
protocol WeightGradientOperation {
    var scratchByteCount: Int { get }
    /// Computes dw [outputs, inputs / groups, kernel, kernel] from x and dy, and overwrites it.
    func run(
        x: UnsafeRawPointer, dy: UnsafeRawPointer, dw: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutableRawPointer)
}

/// The purpose of a convolution determines what it is prepared for.
enum ConvolutionPurpose: Equatable {
    case training(inputGradient: Bool)
    case inference(relu: Bool, addsToOutput: Bool)
    case int8(QuantizedConvolution)

    var isInt8: Bool { if case .int8 = self { true } else { false } }
}

/// An engine is the library that computes the convolutions.
package enum Engine: String, Sendable, CaseIterable {
    /// The kernels of oneDNN, f32 and bf16.
    case oneDNN = "onednn"
    /// The products of im2col and OpenBLAS, f32.
    case openBLAS = "openblas"

    /// The default engine: oneDNN if the package was built with it.
    package static var standard: Engine {
        #if OneDNN
        .oneDNN
        #else
        .openBLAS
        #endif
    }

    /// The name and version, such as "oneDNN 2.6.3" or "OpenBLAS".
    package var versionedName: String {
        #if OneDNN
        let version = Int(scd_version())
        return self == .oneDNN
            ? "oneDNN \(version / 10000).\(version / 100 % 100).\(version % 100)" : "OpenBLAS"
        #else
        return "OpenBLAS"
        #endif
    }

    /// The default precision: bf16 if the CPU has instructions that multiply it.
    package static var fastestPrecision: Precision {
        (try? standard.check(.bf16)) == nil ? .f32 : .bf16
    }

    /// Throws unless the engine supports a precision. Errors: unsupported, with the reason.
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

    /// Throws unless the engine can embed in int8. Errors: unsupported, with the reason.
    package func checkInt8() throws(SupConError) {
        try require(
            self == .oneDNN, .unsupported,
            "int8 needs a library built with oneDNN; this one computes in f32")
        try require(
            CPUFeatures.hasAVX2, .unsupported,
            "int8 needs a CPU with AVX2; this one has \(CPUFeatures.instructionSet)"
        )
    }

    /// Makes a convolution. Errors: unsupported, memory.
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

/// The faults of oneDNN are the convolutions that it computes incorrectly, all found by
/// `ConvolutionSweepTests`. They are worked around here and nowhere else.
enum OneDNNFaults {
    /// Returns whether the f32 weight gradient writes past its workspace. For a strided 1×1
    /// convolution, oneDNN gathers whole blocks of input channels into a workspace sized for the
    /// actual channels: with fewer than a block (8 with AVX2, 16 with AVX-512) it writes past the
    /// end, and gradients are wrong (uxlfoundation/oneDNN issue 6035, open in 3.12). Such narrow
    /// convolutions are cheap as matrix products.
    static func writesPastItsWorkspace(
        _ shape: ConvolutionShape, _ purpose: ConvolutionPurpose, _ type: ElementType
    ) -> Bool {
        guard case .training = purpose else { return false }
        return type == .f32 && shape.kernel == 1 && shape.stride > 1
            && shape.inputs / shape.groups < 16
    }

    /// Returns whether the bf16 weight gradient reads workspace that it has not written, which it
    /// does where weights meet nothing but padding. Whatever the workspace holds, which may be NaN,
    /// ends up in their gradient instead of 0, so the workspace must be cleared first.
    static func readsUnwrittenWorkspace(_ shape: ConvolutionShape, _ type: ElementType) -> Bool {
        type == .bf16 && shape.hasIdleWeights
    }
}
