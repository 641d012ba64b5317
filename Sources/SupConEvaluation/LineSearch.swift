import CKernels

/// A line search finds a step a along a direction d that satisfies the strong Wolfe conditions for
/// φ(a) = f(x + a d):
///
///     φ(a) ≤ φ(0) + c₁ a φ′(0),   |φ′(a)| ≤ c₂ |φ′(0)|,   c₁ = 10⁻⁴, c₂ = 0.9
///
/// Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithm 3.5 (grow until an interval
/// must hold such a step) and 3.6 (narrow it, by cubic interpolation).
struct LineSearch {
    private let count: Int
    private let point: UnsafeMutablePointer<Double>
    /// The gradient at the point from which `run` starts; afterwards, that at the point it has
    /// found.
    let gradient: UnsafeMutablePointer<Double>
    private let best: UnsafeMutablePointer<Double>
    private let mostEvaluations = 25
    private let decrease = 1e-4, curvature = 0.9
    private let rounding: Double

    /// Makes a search. `memory` is a buffer of 3 count elements; `rounding` is the fraction of a
    /// value (of 1, if it is smaller) below which a difference is meaningless.
    init(count: Int, memory: UnsafeMutablePointer<Double>, rounding: Double) {
        (self.count, self.rounding) = (count, rounding)
        (point, gradient, best) = (memory, memory + count, memory + 2 * count)
    }

    struct Outcome {
        /// The length of the step; 0 if no step lowers the value.
        var step: Double
        var value: Double
        var evaluations: Int
    }

    private struct Sample {
        var step, value, slope: Double
    }

    /// Runs the search. If the evaluations run out before the curvature condition holds, the step
    /// is the best of those with sufficient decrease.
    func run(
        from x: UnsafePointer<Double>, along direction: UnsafePointer<Double>, value: Double,
        slope: Double, first: Double,
        objective: (UnsafePointer<Double>, UnsafeMutablePointer<Double>) -> Double
    ) -> Outcome {
        let start = Sample(step: 0, value: value, slope: slope)
        var evaluations = 0
        best.update(from: gradient, count: count)

        func sample(_ step: Double) -> Sample {
            evaluations += 1
            point.update(from: x, count: count)
            sc_add_scaled_f64(direction, step, point, Int64(count))
            let value = objective(point, gradient)
            let slope = sc_dot_f64(gradient, direction, Int64(count))
            return value.isFinite && slope.isFinite
                ? Sample(step: step, value: value, slope: slope)
                : Sample(step: step, value: .infinity, slope: .infinity)
        }
        func decreases(_ s: Sample) -> Bool { s.value <= value + decrease * s.step * slope }
        func isFlat(_ s: Sample) -> Bool { abs(s.slope) <= -curvature * slope }
        func isRight(_ s: Sample) -> Bool {
            isFlat(s) && (decreases(s) || s.value <= value + rounding * max(abs(value), 1))
        }
        /// Accepts the sample s, whose gradient is in `gradient`.
        func accept(_ s: Sample) -> Outcome {
            Outcome(step: s.step, value: s.value, evaluations: evaluations)
        }

        var low = start, high = start
        var previous = start, step = first
        growing: while true {
            let current = sample(step)
            if isRight(current) { return accept(current) }
            if !decreases(current) || (previous.step > 0 && current.value >= previous.value) {
                (low, high) = (previous, current)
                break growing
            }
            best.update(from: gradient, count: count)
            if current.slope >= 0 {
                (low, high) = (current, previous)
                break growing
            }
            if evaluations >= mostEvaluations { return accept(current) }
            step = min(max(cubicMinimum(previous, current) ?? 2 * step, 1.5 * step), 10 * step)
            previous = current
        }

        // A step that satisfies both conditions lies between low, the best so far, and high; `best`
        // is the gradient at low.
        var width = abs(high.step - low.step)
        while evaluations < mostEvaluations, width > 1e-12 * max(low.step, high.step) {
            let (from, to) = (min(low.step, high.step), max(low.step, high.step))
            let inside = (from + 0.1 * (to - from))...(to - 0.1 * (to - from))
            // Interpolation that hardly narrows the interval gives way to halving.
            let guess = evaluations % 3 == 0 ? nil : cubicMinimum(low, high)
            let current = sample(
                guess.map { min(max($0, inside.lowerBound), inside.upperBound) } ?? (from + to) / 2)
            if isRight(current) { return accept(current) }
            if !decreases(current) || current.value >= low.value {
                high = current
            } else {
                if current.slope * (high.step - low.step) >= 0 { high = low }
                low = current
                best.update(from: gradient, count: count)
            }
            width = abs(high.step - low.step)
        }
        gradient.update(from: best, count: count)
        return accept(low)
    }

    /// Returns the minimum of the cubic through two values and slopes (equation 3.59); nil if there
    /// is none.
    private func cubicMinimum(_ a: Sample, _ b: Sample) -> Double? {
        let d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step)
        let square = d1 * d1 - a.slope * b.slope
        guard square >= 0 else { return nil }
        let d2 = (b.step > a.step ? 1 : -1) * square.squareRoot()
        let step = b.step - (b.step - a.step) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2)
        return step.isFinite ? step : nil
    }
}
