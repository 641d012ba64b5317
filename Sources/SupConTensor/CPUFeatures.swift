import CKernels

/// The features of this machine's processor.
package enum CPUFeatures {
    /// Whether it has bf16 products (AVX512-BF16 or AMX).
    package static let hasBF16 = sc_has_bf16() != 0
    /// Whether it has byte products (AVX512-VNNI or AVX-VNNI).
    package static let hasVNNI = sc_has_vnni() != 0
    /// Whether it has AVX2.
    package static let hasAVX2 = sc_instruction_level() >= Int32(SC_AVX2)
    /// The instruction set that the library's own kernels use here: "AVX-512 with bf16", "AVX-512",
    /// "AVX2" or "baseline".
    package static let instructionSet = String(cString: sc_instruction_set())
}
