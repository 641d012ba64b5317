import CKernels
import Foundation
import Testing

/// Compares the kernels' own exp and log1p with double precision.
@Suite struct LossMathTests {
    private func worst(
        _ x: [Float], _ kernel: (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int64) -> Void,
        _ exact: (Double) -> Double
    ) -> Double {
        var y = [Float](repeating: 0, count: x.count)
        kernel(x, &y, Int64(x.count))
        return zip(x, y).reduce(0) { most, pair in
            let truth = exact(Double(pair.0))
            return max(most, abs(Double(pair.1) - truth) / Double(Float(truth).ulp))
        }
    }

    @Test func exponential() {
        var x = [Float]()
        for i in 0...200_000 { x.append(-87 + 175 * Float(i) / 200_000) }
        for i in 0...20_000 { x.append(Float(i) / 10_000 - 1) }
        let error = worst(x, sc_exp_f32, exp)
        #expect(error < 1.5, "\(error) units in the last place")
    }

    @Test func exponentialAtTheEdges() {
        let x: [Float] = [0, -0.0, -87.1, -1e30, -.infinity, 1e30, .infinity]
        var y = [Float](repeating: 5, count: 7)
        sc_exp_f32(x, &y, 7)
        #expect(y[0] == 1 && y[1] == 1 && y[2...4] == [0, 0, 0])
        #expect(abs(y[5] / Float(exp(88.0)) - 1) < 1e-6 && y[6] == y[5])
    }

    @Test func logarithm() {
        var x = [Float]()
        for i in 0...100_000 { x.append(Float(i) / 100_000) }
        for i in 1...1000 { x.append(powf(2, -Float(i) / 10)) }
        let error = worst(x, sc_log1p_f32, log1p)
        #expect(error < 3, "\(error) units in the last place")
    }
}
