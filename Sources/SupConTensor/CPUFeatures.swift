import CKernels

/// What this machine's processor can do.
package enum CPUFeatures {
    /// It multiplies bf16 by itself (AVX512-BF16 or AMX).
    package static let hasBF16 = sc_has_bf16() != 0
    /// It multiplies bytes by itself (AVX512-VNNI or AVX-VNNI).
    package static let hasVNNI = sc_has_vnni() != 0
    /// What our own kernels run on here: "AVX-512 with bf16", "AVX-512", "AVX2" or "baseline".
    package static let instructionSet = String(cString: sc_instruction_set())
}
