import CKernels
import SupConTensor

/// L-BFGS minimizes a smooth function of many variables by limited-memory BFGS: Nocedal and Wright,
/// "Numerical Optimization", 2nd edition, algorithms 7.4 and 7.5, with the line search for the
/// strong Wolfe conditions of algorithms 3.5 and 3.6.
///
/// The step is −H g, where H approximates the inverse Hessian from the last `history` pairs s = x′
/// − x, y = g′ − g, starting from H₀ = (s·y / y·y) I. All of it runs in f64 on one thread, so that
/// results are reproducible.
package struct LBFGS: Sendable {
    /// The number of pairs that are remembered.
    package var history = 10
    /// The largest number of steps.
    package var iterations = 200
    /// The largest magnitude of a derivative at which the search ends.
    package var gradientTolerance = 1e-6
    /// The relative decrease of the value (absolute, if the value is below 1) over five steps at
    /// which the search ends. A single step may be short, or hidden by rounding.
    package var valueTolerance = 1e-9
    /// The fraction of a value (of 1, if the value is smaller) that rounding may hide. Within it a
    /// step counts as lowering the value if the slope at its end is right: Hager and Zhang's
    /// approximate Wolfe condition (SIAM J. Optim. 16, 2005), without which an objective computed
    /// in f32 stops the search too early.
    package var rounding = 0.0

    package init() {}

    /// The reason for which the search ended.
    package enum Ending: Sendable {
        /// The gradient, or the decrease of the value, is within its tolerance.
        case gradient, value
        case iterations
        /// No step along the direction lowers the value, because rounding hides what could still be
        /// gained.
        case lineSearch
    }

    package struct Result: Sendable {
        package var value: Double
        /// The largest magnitude of a derivative.
        package var gradient: Double
        package var iterations: Int
        package var evaluations: Int
        package var ending: Ending
    }

    /// Moves x [count] to a minimum.
    ///
    /// - Parameters:
    ///   - stop: called after each step with its number, from 1; if it returns true, the search
    ///     ends with an error.
    ///   - objective: returns the value at its first argument [count], and writes the gradient
    ///     there to its second [count]. A value that is not finite is treated as a step too far.
    /// Errors: argument (the settings, or a start where the function is not finite), memory,
    /// canceled; x is then the best point so far.
    package func minimize(
        _ x: UnsafeMutablePointer<Double>, count: Int, stop: (Int) -> Bool = { _ in false },
        objective: (UnsafePointer<Double>, UnsafeMutablePointer<Double>) -> Double
    ) throws(SupConError) -> Result {
        try require(
            history >= 1 && iterations >= 1, .argument,
            """
            L-BFGS with history \(history) and \(iterations) iterations; expected 1 or more \
            of each
            """
        )
        try require(count >= 1, .argument, "L-BFGS over \(count) variables; expected 1 or more")
        let memory = try AlignedBuffer(
            Double.self, count: try Self.workspace(count: count, history: history))
        let base = memory.values(of: Double.self)
        let direction = base, difference = base + count
        var pairs = CurvaturePairs(
            steps: base + 2 * count, changes: base + (2 + history) * count, count: count,
            capacity: history)
        let search = LineSearch(
            count: count, memory: base + (2 + 2 * history) * count, rounding: rounding)

        var value = objective(x, search.gradient)
        var evaluations = 1
        try require(
            value.isFinite && sc_dot_f64(search.gradient, search.gradient, Int64(count)).isFinite,
            .argument,
            """
            the function to minimize is \(value) at the start, or its gradient is not finite; \
            expected finite numbers
            """
        )
        var ending = Ending.iterations, iteration = 0
        var former = [Double](repeating: .infinity, count: 5)  // values, by iteration modulo 5
        if largest(search.gradient, count) <= gradientTolerance { ending = .gradient }
        while ending == .iterations && iteration < iterations {
            pairs.apply(to: search.gradient, into: direction)
            var slope = sc_dot_f64(search.gradient, direction, Int64(count))
            if !(slope < 0) {  // rounding has spoilt the pairs
                pairs.forget()
                pairs.apply(to: search.gradient, into: direction)
                slope = sc_dot_f64(search.gradient, direction, Int64(count))
            }
            // Without pairs the scale is unknown, so the step has a length of at most 1.
            let first = pairs.isEmpty ? min(1, 1 / (-slope).squareRoot()) : 1
            difference.update(from: search.gradient, count: count)
            let outcome = search.run(
                from: x, along: direction, value: value, slope: slope, first: first,
                objective: objective)
            evaluations += outcome.evaluations
            guard outcome.step > 0 else {
                if pairs.isEmpty {
                    ending = .lineSearch
                    break
                }
                pairs.forget()
                continue
            }
            iteration += 1
            sc_add_scaled_f64(direction, outcome.step, x, Int64(count))
            sc_scale_f64(direction, outcome.step, Int64(count))
            sc_scale_f64(difference, -1, Int64(count))
            sc_add_scaled_f64(search.gradient, 1, difference, Int64(count))
            pairs.remember(step: direction, change: difference)
            let gain = former[iteration % 5] - outcome.value
            former[iteration % 5] = value
            value = outcome.value
            if largest(search.gradient, count) <= gradientTolerance {
                ending = .gradient
            } else if gain <= valueTolerance * max(abs(value), 1) {
                ending = .value
            }
            try require(!stop(iteration), .canceled, "stopped after \(iteration) steps of L-BFGS")
        }
        return Result(
            value: value, gradient: largest(search.gradient, count), iterations: iteration,
            evaluations: evaluations, ending: ending)
    }

    /// Returns the number of elements of the working memory. Errors: memory.
    static func workspace(count: Int, history: Int) throws(SupConError) -> Int {
        let vectors = history.multipliedReportingOverflow(by: 2)
        let (elements, overflow) = count.multipliedReportingOverflow(by: vectors.partialValue &+ 5)
        try require(
            !vectors.overflow && !overflow && vectors.partialValue <= Int.max - 5, .memory,
            "L-BFGS over \(count) variables with history \(history) is too large")
        return elements
    }

    private func largest(_ x: UnsafePointer<Double>, _ count: Int) -> Double {
        var most = 0.0
        for i in 0..<count { most = max(most, abs(x[i])) }
        return most
    }
}

/// The last steps s and changes y of the gradient, in a ring buffer.
private struct CurvaturePairs {
    let steps: UnsafeMutablePointer<Double>  // [capacity, count]
    let changes: UnsafeMutablePointer<Double>  // [capacity, count]
    let count: Int
    let capacity: Int
    private var products: [Double]  // s·y
    private var coefficients: [Double]
    private var scale = 1.0
    private var held = 0
    private var next = 0

    init(
        steps: UnsafeMutablePointer<Double>, changes: UnsafeMutablePointer<Double>, count: Int,
        capacity: Int
    ) {
        (self.steps, self.changes, self.count, self.capacity) = (steps, changes, count, capacity)
        products = [Double](repeating: 0, count: capacity)
        coefficients = products
    }

    var isEmpty: Bool { held == 0 }

    mutating func forget() { (held, next, scale) = (0, 0, 1) }

    /// Stores a pair, if its curvature is positive: only then H stays positive definite. The Wolfe
    /// conditions guarantee it, except for rounding.
    mutating func remember(step: UnsafePointer<Double>, change: UnsafePointer<Double>) {
        let n = Int64(count)
        let curvature = sc_dot_f64(step, change, n), changeSquare = sc_dot_f64(change, change, n)
        guard curvature > 1e-14 * (sc_dot_f64(step, step, n) * changeSquare).squareRoot(),
            changeSquare.isFinite
        else { return }
        (steps + next * count).update(from: step, count: count)
        (changes + next * count).update(from: change, count: count)
        products[next] = curvature
        scale = curvature / changeSquare
        next = (next + 1) % capacity
        held = min(held + 1, capacity)
    }

    /// Computes d ← −H g by the two loops of algorithm 7.4.
    mutating func apply(to gradient: UnsafePointer<Double>, into d: UnsafeMutablePointer<Double>) {
        let n = Int64(count)
        d.update(from: gradient, count: count)
        for age in 0..<held {
            let i = (next - 1 - age + 2 * capacity) % capacity
            coefficients[i] = sc_dot_f64(steps + i * count, d, n) / products[i]
            sc_add_scaled_f64(changes + i * count, -coefficients[i], d, n)
        }
        sc_scale_f64(d, scale, n)
        for age in (0..<held).reversed() {
            let i = (next - 1 - age + 2 * capacity) % capacity
            let back = sc_dot_f64(changes + i * count, d, n) / products[i]
            sc_add_scaled_f64(steps + i * count, coefficients[i] - back, d, n)
        }
        sc_scale_f64(d, -1, n)
    }
}
