import CLimit
import SupCon

/// Returns the largest number of operations per second that `threads` threads of this CPU reach in
/// a loop of multiply-adds alone (the best of several runs); 0: it has no such instruction.
func operationsPerSecond(_ precision: String, threads: Int) -> Double {
    let kind = Int32(
        ["f32": LIMIT_F32, "bf16": LIMIT_BF16, "int8": LIMIT_INT8][precision] ?? LIMIT_F32)
    let perRound = limit_operations(kind)
    guard perRound > 0 else { return 0 }
    let rounds: Int64 = 200_000
    let best = times(runs: 7, warmUp: 2) {
        Parallel.chunks(threads, threads: threads) { _ in _ = limit_run(kind, rounds) }
    }[0]
    return Double(perRound * rounds) * Double(threads) / best
}

func measureLimit(_ arguments: Arguments) throws {
    for precision in ["f32", "bf16", "int8"] {
        emit([
            ("precision", .text(precision)),
            (
                "gflops",
                .number(
                    (operationsPerSecond(precision, threads: arguments.threads) / 1e7).rounded()
                        / 100)
            ),
        ])
    }
}
