import Foundation
import SupConTensor
import TestSupport
import Testing

@testable import SupConEvaluation

@Suite struct LBFGSTests {
    func minimize(
        _ start: [Double], _ search: LBFGS, stop: (Int) -> Bool = { _ in false },
        _ f: ([Double]) -> (Double, [Double])
    ) throws -> (
        [Double], LBFGS.Result
    ) {
        var x = start
        let count = x.count
        let result = try x.withUnsafeMutableBufferPointer { x in
            try search.minimize(x.baseAddress!, count: count, stop: stop) { x, gradient in
                let (value, slopes) = f((0..<count).map { x[$0] })
                for i in 0..<count { gradient[i] = slopes[i] }
                return value
            }
        }
        return (x, result)
    }

    /// Returns Rosenbrock's function Σ 100 (x₂ᵢ₊₁ − x₂ᵢ²)² + (1 − x₂ᵢ)², which is smallest at (1,
    /// 1, …), and its gradient.
    func rosenbrock(_ x: [Double]) -> (Double, [Double]) {
        var value = 0.0, gradient = [Double](repeating: 0, count: x.count)
        for i in stride(from: 0, to: x.count, by: 2) {
            let a = x[i + 1] - x[i] * x[i], b = 1 - x[i]
            value += 100 * a * a + b * b
            gradient[i] = -400 * a * x[i] - 2 * b
            gradient[i + 1] = 200 * a
        }
        return (value, gradient)
    }

    @Test(arguments: [2, 20]) func findsRosenbrocksMinimum(_ count: Int) throws {
        var search = LBFGS()
        (search.gradientTolerance, search.valueTolerance) = (1e-9, 0)
        let (x, result) = try minimize(
            (0..<count).map { $0 % 2 == 0 ? -1.2 : 1 }, search, rosenbrock)
        for value in x { #expect(abs(value - 1) < 1e-8) }
        #expect(result.ending == .gradient)
        #expect(result.iterations < 60 && result.evaluations < 90, "\(result)")
    }

    @Test func solvesAnIllConditionedQuadratic() throws {
        // ½ Σ λᵢ (xᵢ − i)², λ from 1 to 10⁴
        let scales = (0..<30).map { pow(10, 4 * Double($0) / 29) }
        var search = LBFGS()
        // SciPy 1.17 takes 777 steps and 833 evaluations.
        (search.gradientTolerance, search.valueTolerance, search.iterations) = (1e-8, 0, 1000)
        let (x, result) = try minimize([Double](repeating: 0, count: 30), search) { x in
            (
                zip(x.indices, x).reduce(0) {
                    $0 + 0.5 * scales[$1.0] * pow($1.1 - Double($1.0), 2)
                }, x.indices.map { scales[$0] * (x[$0] - Double($0)) }
            )
        }
        #expect(result.ending == .gradient && result.evaluations < 1000, "\(result)")
        for i in x.indices { #expect(abs(x[i] - Double(i)) < 1e-7) }
    }

    @Test func stepsBackFromWhereTheFunctionIsNot() throws {
        // x − log x is not a number for x ≤ 0; from 0.01 the first step of length 1 and the pairs'
        // guesses may leave. 1 is least.
        let (x, _) = try minimize([0.01], LBFGS()) { x in
            x[0] > 0 ? (x[0] - log(x[0]), [1 - 1 / x[0]]) : (.nan, [.nan])
        }
        #expect(abs(x[0] - 1) < 1e-4)
        let (far, _) = try minimize([300.0], LBFGS()) { x in
            x[0] > 0 ? (x[0] - log(x[0]), [1 - 1 / x[0]]) : (.nan, [.nan])
        }
        #expect(abs(far[0] - 1) < 1e-4)
    }

    @Test func endsAtOnceWhereNothingIsToGain() throws {
        let (x, result) = try minimize([0.0, 0], LBFGS()) { x in (dot(x, x), x.map { 2 * $0 }) }
        #expect(
            x == [0, 0] && result.iterations == 0 && result.evaluations == 1
                && result.ending == .gradient)
    }

    @Test func survivesAFunctionThatFallsWithoutEndAndAWrongGradient() throws {
        var search = LBFGS()
        search.iterations = 5
        let (_, falling) = try minimize([0.0], search) { x in (-x[0], [-1]) }
        #expect(falling.iterations == 5 && falling.value < -5)
        let (x, uphill) = try minimize([1.0], search) { x in (x[0] * x[0], [-2 * x[0]]) }
        #expect(uphill.ending == .lineSearch && x == [1])
    }

    @Test func stopsWhenTold() throws {
        var steps: [Int] = []
        expectError(.canceled, "3 steps") {
            _ = try minimize(
                [-1.2, 1], LBFGS(),
                stop: {
                    steps.append($0); return $0 == 3
                }, rosenbrock)
        }
        #expect(steps == [1, 2, 3])
    }

    @Test func keepsToItsLimit() throws {
        var search = LBFGS()
        search.iterations = 4
        let (_, result) = try minimize([-1.2, 1], search, rosenbrock)
        #expect(result.iterations == 4 && result.ending == .iterations)
    }

    @Test func refusesWhatMakesNoSense() {
        var search = LBFGS()
        search.history = 0
        expectError(.argument, "history 0") { _ = try minimize([1], search, rosenbrock) }
        expectError(.argument, "nan at the start") {
            _ = try minimize([1.0], LBFGS()) { _ in (.nan, [0]) }
        }
        expectError(.argument, "gradient is not finite") {
            _ = try minimize([1.0, 2], LBFGS()) { _ in (0, [.nan, 1]) }
        }
        search.history = Int.max / 2
        expectError(.memory) { _ = try minimize([1.0, 2], search, rosenbrock) }
    }
}
