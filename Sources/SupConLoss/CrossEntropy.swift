import CKernels
import Glibc
import SupConTensor

/// Cross-entropy is that of the softmax of logits x [n, classes], averaged over the rows; with
/// label smoothing ε (Szegedy et al., arXiv:1512.00567, §7) and, for MixUp and CutMix, two labels
/// per row:
///
///     q_k = (1 − ε)(λ [k = y] + (1 − λ) [k = y′]) + ε/classes
///     L = log Σ_k exp x_k − Σ_k q_k x_k,   ∂L/∂x_k = softmax(x)_k − q_k
///
/// With weights, w for y and w′ for y′, L = λ w L(y) + (1 − λ) w′ L(y′), where L(y) is the loss
/// with λ = 1: of a row without a second label, w times its loss. The mean stays one over rows.
package struct CrossEntropy: Sendable {
    /// The label smoothing ε, 0 to 1.
    package let labelSmoothing: Float
    package let classes: Int

    /// A second label for each row, and the fraction of the first; [n] each.
    package struct Mix {
        package var labels: UnsafePointer<Int64>
        /// The fraction λ of the first label, 0 to 1.
        package var fraction: UnsafePointer<Float>
        /// The weights of the second labels; nil: each is 1.
        package var weights: UnsafePointer<Float>?
        package init(
            labels: UnsafePointer<Int64>, fraction: UnsafePointer<Float>,
            weights: UnsafePointer<Float>? = nil
        ) {
            (self.labels, self.fraction, self.weights) = (labels, fraction, weights)
        }
    }

    /// Makes the loss. Errors: argument, shape.
    package init(classes: Int, labelSmoothing: Float = 0) throws(SupConError) {
        try require(classes >= 1, .shape, "there are \(classes) classes; expected at least 1")
        try require(
            labelSmoothing >= 0 && labelSmoothing <= 1, .argument,
            "label smoothing is \(labelSmoothing); expected 0 to 1")
        (self.classes, self.labelSmoothing) = (classes, labelSmoothing)
    }

    /// Evaluates the loss.
    /// - Parameters:
    ///   - logits: [n, classes].
    ///   - labels: [n], 0 to classes − 1.
    ///   - weights: [n], of the (first) labels; nil: 1.
    ///   - gradient: receives that of the mean loss, laid out like the logits, which it must not
    ///     overlap; nil: none is computed. It is unchanged after an error.
    /// - Returns: the mean loss, and the number of rows in which the (first) largest logit is that
    ///   of `labels`.
    /// Errors: shape (n), argument (logits that are not finite, labels out of range).
    package func evaluate(
        logits: UnsafePointer<Float>, labels: UnsafePointer<Int64>, count: Int, mix: Mix? = nil,
        weights: UnsafePointer<Float>? = nil, gradient: UnsafeMutablePointer<Float>?
    ) throws(SupConError) -> (loss: Double, correct: Int) {
        try require(count >= 1, .shape, "there are \(count) rows of logits; expected at least 1")
        let (rowWeight, uniform) = (1 / Double(count), Double(labelSmoothing) / Double(classes))
        var (total, correct) = (0.0, 0)
        for row in 0..<count {
            let (x, targets, sums) = (
                logits + row * classes, try targets(row, labels, mix, weights),
                sums(logits + row * classes)
            )
            try require(
                sums.all.isFinite, .argument,
                "row \(row) of the logits has a value that is not finite")
            if sums.argmax == targets.first.label { correct += 1 }
            // Relative to the maximum, so that equal logits of any size lose no precision.
            let maximum = Double(sums.maximum)
            let expected =
                targets.first.fraction * (Double(x[targets.first.label]) - maximum) + targets.second
                .fraction * (Double(x[targets.second.label]) - maximum)
            total +=
                targets.weight
                * (log(sums.exponentials) - uniform * (sums.all - Double(classes) * maximum))
                - expected
        }
        guard let gradient else { return (total * rowWeight, correct) }
        for row in 0..<count {
            let (g, targets, sums) = (
                gradient + row * classes, try targets(row, labels, mix, weights),
                sums(logits + row * classes)
            )
            sc_softmax_gradient_row(
                logits + row * classes, Int64(classes), sums.maximum,
                Float(rowWeight * targets.weight / sums.exponentials),
                Float(rowWeight * targets.weight * uniform), g)
            g[targets.first.label] -= Float(rowWeight * targets.first.fraction)
            g[targets.second.label] -= Float(rowWeight * targets.second.fraction)
        }
        return (total * rowWeight, correct)
    }

    /// Returns the maximum of a row and its index, Σ exp(x − maximum), and Σ x.
    private func sums(_ x: UnsafePointer<Float>) -> (
        maximum: Float, argmax: Int, exponentials: Double, all: Double
    ) {
        var (maximum, argmax, exponentials, all): (Float, Int64, Double, Double) = (0, 0, 0, 0)
        sc_softmax_row(x, Int64(classes), &maximum, &argmax, &exponentials, &all)
        return (maximum, Int(argmax), exponentials, all)
    }

    /// Returns the labels of a row with their fractions of the target, without the smoothing, times
    /// their weights; and the weight of the whole row.
    private func targets(
        _ row: Int, _ labels: UnsafePointer<Int64>, _ mix: Mix?, _ weights: UnsafePointer<Float>?
    ) throws(SupConError) -> (
        first: (label: Int, fraction: Double), second: (label: Int, fraction: Double),
        weight: Double
    ) {
        try require(
            labels[row] >= 0 && labels[row] < Int64(classes), .argument,
            "label \(row) is \(labels[row]); expected 0 to \(classes - 1)")
        let (certain, own) = (1 - Double(labelSmoothing), weights.map { Double($0[row]) } ?? 1)
        guard let mix else {
            return ((Int(labels[row]), certain * own), (Int(labels[row]), 0), own)
        }
        let (second, fraction) = (mix.labels[row], mix.fraction[row])
        try require(
            second >= 0 && second < Int64(classes), .argument,
            "second label \(row) is \(second); expected 0 to \(classes - 1)")
        try require(
            fraction >= 0 && fraction <= 1, .argument,
            "fraction \(row) of the first label is \(fraction); expected 0 to 1")
        let first = Double(fraction) * own
        let other = (1 - Double(fraction)) * (mix.weights.map { Double($0[row]) } ?? 1)
        return (
            (Int(labels[row]), certain * first), (Int(second), certain * other), first + other
        )
    }
}
