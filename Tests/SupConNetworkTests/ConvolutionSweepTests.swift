import Dispatch
import Glibc
import SupConTensor
import Synchronization
import Testing

@testable import SupConNetwork

/// Compares every convolution that a network can need with the plain engine, so that no engine
/// computes a shape that no test has compared. A sample runs with the other tests; all of them run
/// if SUPCON_EXHAUSTIVE is set (`make test-exhaustive`).
@Suite struct ConvolutionSweepTests {
    static let isExhaustive = getenv("SUPCON_EXHAUSTIVE") != nil
    static let kinds = [(1, 1), (1, 2), (3, 1), (3, 2), (7, 2)]

    /// Returns every `step`-th shape, and all narrow ones on the smallest size that has several
    /// outputs.
    private func shapes(_ kind: (kernel: Int, stride: Int), step: Int) -> [ConvolutionShape] {
        let all = ConvolutionSweep.shapes(kernel: kind.kernel, stride: kind.stride)
        return Self.isExhaustive ? all : stride(from: 0, to: all.count, by: step).map { all[$0] }
    }

    private func run(
        _ kind: (kernel: Int, stride: Int), step: Int,
        _ body: (inout ConvolutionCheck) throws -> Void
    ) throws {
        let found = shapes(kind, step: step)
        try #require(found.count > 5)
        var faulty = 0
        for shape in found {
            for threads in [1, 2] {
                var check = ConvolutionCheck(shape, .standard, threads: threads)
                try body(&check)
                guard !check.faults.isEmpty else { continue }
                faulty += 1
                if faulty <= 20 {
                    Issue.record(
                        "\(shape), \(threads) threads: \(check.faults.joined(separator: "; "))")
                }
            }
        }
        #expect(faulty == 0, "\(faulty) of \(2 * found.count) are wrong")
    }

    @Test(arguments: kinds) func trainingInF32(_ kind: (Int, Int)) throws {
        try run(kind, step: 67) { try $0.training(.f32) }
    }

    @Test(.enabled(if: (try? Engine.standard.check(.bf16)) != nil), arguments: kinds)
    func trainingInBF16(_ kind: (Int, Int)) throws {
        try run(kind, step: 67) { try $0.training(.bf16) }
    }

    @Test(arguments: kinds) func fusedInferenceInF32(_ kind: (Int, Int)) throws {
        try run(kind, step: 101) {
            try $0.inference(.f32, relu: true, addsToOutput: true)
            try $0.inference(.f32, relu: false, addsToOutput: false)
        }
    }

    @Test(.enabled(if: (try? Engine.standard.check(.bf16)) != nil), arguments: kinds)
    func fusedInferenceInBF16(_ kind: (Int, Int)) throws {
        try run(kind, step: 101) {
            try $0.inference(.bf16, relu: true, addsToOutput: true)
            try $0.inference(.bf16, relu: false, addsToOutput: false)
        }
    }

    @Test(.enabled(if: (try? Engine.standard.checkInt8()) != nil), arguments: kinds)
    func inferenceInInt8(_ kind: (Int, Int)) throws {
        try run(kind, step: 101) {
            try $0.int8(xIsSigned: false)
            try $0.int8(xIsSigned: true)
        }
    }

    /// Tests the convolutions in which oneDNN writes past its workspace; see `ConvolutionEngine`.
    @Test func narrowStridedPointwiseConvolutionsAreRight() throws {
        for inputs in 1...17 {
            for outputs in [1, 8, 12, 16, 33] {
                let shape = ConvolutionShape(
                    images: 8, height: 16, width: 16, inputs: inputs, outputs: outputs, kernel: 1,
                    stride: 2, padding: 0)
                for threads in [1, 2] {
                    var check = ConvolutionCheck(shape, .standard, threads: threads)
                    try check.training(.f32)
                    #expect(
                        check.faults.isEmpty,
                        "\(inputs) → \(outputs), \(threads) threads: \(check.faults)")
                }
            }
        }
    }

    /// Tests plans made on many threads at once, as by programs that embed concurrently.
    @Test func convolutionsCreatedAtTheSameTimeAreRight() throws {
        let shapes = ConvolutionSweep.shapes(kernel: 3, stride: 1)
        let failures = Mutex<[String]>([])
        DispatchQueue.concurrentPerform(iterations: 4) { worker in
            for index in stride(from: worker % 2, to: shapes.count, by: 83) {
                var check = ConvolutionCheck(shapes[index], .standard, threads: 1)
                do throws(SupConError) {
                    try check.inference(.f32, relu: true, addsToOutput: true)
                } catch {
                    failures.withLock { $0.append(error.message) }
                }
                let faults = check.faults
                if !faults.isEmpty {
                    failures.withLock { $0.append("\(shapes[index]): \(faults)") }
                }
            }
        }
        #expect(failures.withLock { $0 } == [])
    }
}
