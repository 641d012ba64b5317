import Glibc
import SupConTensor

/// The large-margin softmax of Liu, Wen, Yu and Yang, arXiv:1612.02295, is the max-margin baseline
/// of Khosla et al., arXiv:2004.11362, table 2. It is cross-entropy whose logit of the true class y
/// is reduced, so that the angle θ between row x and weight W_y must be m times smaller for the
/// same loss:
///
///     f_y = |W_y| |x| ψ(θ) + b_y,   ψ(θ) = (−1)^k cos mθ − 2k for θ in [kπ/m, (k + 1)π/m]
///     f_j = W_j·x + b_j for the other classes j
///
/// With c = cos θ, cos mθ = T_m(c) and ∂ψ/∂c = (−1)^k m U_{m−1}(c) (Chebyshev), so that
///
///     ∂f_y/∂x = ψ′ W_y + (ψ − c ψ′) |W_y|/|x| x,   ∂f_y/∂W_y = ψ′ x + (ψ − c ψ′) |x|/|W_y| W_y
///
/// m = 1 is cross-entropy. The paper's classifier has no bias; one that is there stays outside the
/// margin. No annealing between softmax and margin.
package final class LargeMargin {
    package let margin: Int
    private let rows: Int
    private let inputs: Int
    private let classes: Int
    private let crossEntropy: CrossEntropy
    /// The values ψ′, ψ − c ψ′ and |W_y|/|x| of each row.
    private let slope: Buffer<Double>
    private let rest: Buffer<Double>
    private let ratio: Buffer<Double>

    package static let margins = 1...8

    /// Makes the loss. Errors: argument, memory.
    package init(_ margin: Int, rows: Int, inputs: Int, crossEntropy: CrossEntropy)
        throws(SupConError)
    {
        try require(
            Self.margins.contains(margin), .argument,
            "margin is \(margin); expected \(Self.margins.lowerBound) to \(Self.margins.upperBound)"
        )
        (self.margin, self.rows, self.inputs, self.crossEntropy, classes) = (
            margin, rows, inputs, crossEntropy, crossEntropy.classes
        )
        slope = try Buffer(rows)
        rest = try Buffer(rows)
        ratio = try Buffer(rows)
    }

    /// Evaluates the loss.
    /// - Parameters:
    ///   - features: x [rows, inputs].
    ///   - logits: x Wᵀ + b [rows, classes]; those of the true classes are replaced by f_y.
    ///   - weight, bias: [classes, inputs], [classes].
    ///   - labels: [rows].
    ///   - weights: [rows], the factors of the rows' losses; nil: 1.
    ///   - gradient: receives dL/df, laid out like the logits.
    /// - Returns: the mean loss, and the number of rows in which the largest logit, before the
    ///   margin, is that of the true class.
    /// Errors: argument (labels out of range, elements that are not finite).
    package func evaluate(
        features: UnsafePointer<Float>, logits: UnsafeMutablePointer<Float>,
        weight: UnsafePointer<Float>, bias: UnsafePointer<Float>,
        labels: UnsafePointer<Int64>, weights: UnsafePointer<Float>? = nil,
        gradient: UnsafeMutablePointer<Float>
    ) throws(SupConError) -> (loss: Double, correct: Int) {
        let correct = try crossEntropy.evaluate(
            logits: logits, labels: labels, count: rows, gradient: nil
        ).correct
        for row in 0..<rows {
            let (x, label) = (features + row * inputs, Int(labels[row]))
            let w = weight + label * inputs
            var (xx, ww, xw) = (0.0, 0.0, 0.0)
            for i in 0..<inputs {
                let (a, b) = (Double(x[i]), Double(w[i]))
                xx += a * a
                ww += b * b
                xw += a * b
            }
            let lengths = (xx * ww).squareRoot()
            guard lengths > 1e-30 else {
                // A row without a direction has no angle, so it keeps the plain logit.
                (slope.start[row], rest.start[row], ratio.start[row]) = (1, 0, 0)
                continue
            }
            let (value, derivative) = psi(max(-1, min(1, xw / lengths)))
            slope.start[row] = derivative
            rest.start[row] = value - xw / lengths * derivative
            ratio.start[row] = (ww / xx).squareRoot()
            logits[row * classes + label] = Float(lengths * value + Double(bias[label]))
        }
        return (
            try crossEntropy.evaluate(
                logits: logits, labels: labels, count: rows, weights: weights, gradient: gradient
            ).loss, correct
        )
    }

    /// Converts dL/df, in place, to the dL/dlogits that a linear layer's backward takes, and writes
    /// the part of the feature gradient that this leaves out to `featureGradient` [rows, inputs].
    /// The corresponding part of the weights' gradient is added by `addRest`, for which dL/df of
    /// the true classes is kept.
    package func chain(
        gradient: UnsafeMutablePointer<Float>, features: UnsafePointer<Float>,
        labels: UnsafePointer<Int64>, featureGradient: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<rows {
            let index = row * classes + Int(labels[row])
            let g = Double(gradient[index])
            let along = Float(g * rest.start[row] * ratio.start[row])
            for i in 0..<inputs {
                featureGradient[row * inputs + i] = along * features[row * inputs + i]
            }
            rest.start[row] *= g
            gradient[index] = Float(g * slope.start[row])
            slope.start[row] = g * (1 - slope.start[row])
        }
    }

    /// Adds, after the layer's backward, the part of the gradients of W and b that it left out.
    package func addRest(
        weight: UnsafePointer<Float>, labels: UnsafePointer<Int64>,
        weightGradient: UnsafeMutablePointer<Float>, biasGradient: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<rows {
            let label = Int(labels[row])
            biasGradient[label] += Float(slope.start[row])
            guard ratio.start[row] > 0 else { continue }
            let along = Float(rest.start[row] / ratio.start[row])
            for i in 0..<inputs {
                weightGradient[label * inputs + i] += along * weight[label * inputs + i]
            }
        }
    }

    /// Returns ψ and ∂ψ/∂c at c = cos θ.
    private func psi(_ c: Double) -> (Double, Double) {
        let k = min(margin - 1, Int(acos(c) * Double(margin) / Double.pi))
        // T_j and U_{j−1} by their recurrences, from j = 1.
        var (before, t, u, uBefore) = (1.0, c, 1.0, 0.0)
        for _ in 1..<max(margin, 1) {
            (before, t) = (t, 2 * c * t - before)
            (uBefore, u) = (u, 2 * c * u - uBefore)
        }
        let sign: Double = k % 2 == 0 ? 1 : -1
        return (sign * t - 2 * Double(k), sign * Double(margin) * u)
    }
}
