import CKernels
import CTestLevel
import SupConTensor
import Testing

struct InstructionSetTests {
    /// Checks that a run that is meant to be of one level is of that level.
    @Test func theLevelIsTheOneAskedFor() {
        let level = Int(sc_instruction_level())
        #expect((0...2).contains(level))
        if ctl_requested_level() >= 0 { #expect(level == Int(ctl_requested_level())) }
        let names = [["baseline"], ["AVX2"], ["AVX-512", "AVX-512 with bf16"]]
        #expect(names[level].contains(CPUFeatures.instructionSet))
        // bf16 and bytes are multiplied at the levels that have the instructions alone.
        #expect(!CPUFeatures.hasBF16 || level == 2)
        #expect(!CPUFeatures.hasVNNI || level >= 1)
    }

    /// Checks that a limit above the level changes nothing.
    @Test func aLimitNeverRaises() {
        let level = sc_instruction_level()
        sc_limit_instruction_set(2)
        sc_limit_instruction_set(99)
        #expect(sc_instruction_level() == level)
    }
}
