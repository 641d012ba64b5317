import CKernels
import SupConTensor

/// Softmax regression is a linear classifier, logits = W x + b with W [classes, dimension], fitted
/// by minimizing
///
///     (weighted) mean over rows of −log softmax(W x̂ + b)[label]  +  l2 · Σ W²
///
/// (the bias is free) by L-BFGS from zero: a convex problem, so the answer does not depend on where
/// it begins. x̂ is the row at a common scale of 10: lengths of 1 would hold logits, and with them
/// the fit, back by the weights' size. On rows of length 1, scikit-learn's C is 50 / (l2 · rows).
/// Where no l2 is given, `L2Choice` chooses it.
package struct SoftmaxRegression: Sendable {
    /// The factor by which a row is multiplied before the fit, and which is then folded into the
    /// weights.
    package enum Scaling: Sendable {
        /// 10 divided by the row's own length: the weights apply to rows of length 1.
        case unit
        /// 10 divided by the root mean square of all lengths: the weights apply to rows as they
        /// are.
        case scaled
    }

    package static let scale = 10.0

    package let classes: Int
    package let dimension: Int
    package let weight: [Float]  // [classes, dimension]
    package let bias: [Float]
    /// The l2 of the fit: the option, or what was chosen.
    package let l2: Float
    /// The final value of the objective, and the way in which the fit ended.
    package let objective: Double
    package let fit: LBFGS.Result

    /// Fits a classifier.
    /// - Parameters:
    ///   - rows: [labels.count, dimension].
    ///   - labels: 0 to classes − 1; a class may be empty.
    ///   - weights: the weight of each row [labels.count], 0 or more: a row of weight 2 counts as
    ///     two of weight 1. nil: all weigh the same.
    ///   - copies: the last copies.count rows are copies; for each, the index of its original. The
    ///     choice of l2 does not judge by them.
    ///   - stop: called after each iteration with its number and the largest number of them, which
    ///     includes those of choosing l2; if it returns true, the fit ends with an error.
    /// Errors: argument, shape, memory, canceled.
    package init(
        rows: UnsafePointer<Float>, labels: UnsafeBufferPointer<Int64>, dimension: Int,
        classes: Int, scaling: Scaling, weights: [Float]? = nil, copies: [Int] = [],
        options: ClassifierOptions = ClassifierOptions(),
        context: ExecutionContext = .default, watch: CancelWatch? = nil,
        stop: (Int, Int) -> Bool = { _, _ in false }
    ) throws(SupConError) {
        try options.validate()
        try require(
            (1...mostClasses).contains(classes), .argument,
            "the classifier has \(classes) classes; expected 1 to \(mostClasses)")
        let checked = try CheckedRows(
            rows, count: labels.count, dimension: dimension, name: "training row", context: context)
        try checkLabels(labels, count: checked.count, below: classes, name: "training row")
        try self.init(
            checked, labels: labels.map { Int32($0) }, classes: classes, scaling: scaling,
            weights: weights, copies: copies, options: options, context: context, watch: watch,
            stop: stop)
    }

    /// Fits rows that have been checked.
    init(
        _ rows: CheckedRows, labels: [Int32], classes: Int, scaling: Scaling,
        weights: [Float]? = nil, copies: [Int] = [], options: ClassifierOptions,
        context: ExecutionContext, watch: CancelWatch? = nil,
        stop: (Int, Int) -> Bool = { _, _ in false }
    ) throws(SupConError) {
        let watch = watch ?? context.watch()
        let unit = scaling == .unit ? try rows.unitCopy(context: context) : nil
        let parts = try Self.parts(weights, count: rows.count)
        let factor = scaling == .unit ? Self.scale : Self.commonFactor(rows, parts)
        let input = unit.map { UnsafePointer($0.floats) } ?? rows.rows
        let dimension = rows.dimension
        let choice =
            options.l2 < 0
            ? try L2Choice(
                labels: labels, classes: classes, weights: weights, copies: copies, context: context
            )
            : nil
        let most = options.iterations + (choice?.steps ?? 0)
        var done = 0
        func hear(_: Int) -> Bool {
            done += 1
            return stop(done, most)
        }
        if options.l2 < 0 {
            let counted = weights.map { $0.count(where: { $0 > 0 }) } ?? rows.count
            let best = try choice?.best(
                input, labels: labels, weights: weights, dimension: dimension, classes: classes,
                factor: factor, context: context, watch: watch, stop: hear)
            l2 = Float((best ?? L2Choice.usual) / Double(max(1, counted)))
        } else {
            l2 = options.l2
        }
        let problem = try SoftmaxObjective(
            rows: input, labels: labels, parts: parts, dimension: dimension, classes: classes,
            factor: factor, l2: Double(l2), context: context, watch: watch)
        var search = LBFGS()
        (search.iterations, search.gradientTolerance, search.rounding) = (
            options.iterations, 1e-7, 3e-8
        )
        try context.checkMemory(
            problem.variables * 8, for: "the weights of \(classes) classes on \(dimension) numbers")
        let x = try AlignedBuffer(Double.self, count: problem.variables)
        fit = try problem.minimize(x, by: search, context: context, stop: hear)
        let scores = LinearScores(x, classes: classes, dimension: dimension, factor: factor)
        (weight, bias, objective) = (scores.weight, scores.bias, fit.value)
        (self.classes, self.dimension) = (classes, dimension)
    }

    /// Returns the weights of the rows, scaled to a sum of 1. Errors: shape, argument.
    static func parts(_ weights: [Float]?, count: Int) throws(SupConError) -> [Float] {
        guard let weights else { return [Float](repeating: Float(1 / Double(count)), count: count) }
        try require(
            weights.count == count, .shape,
            "there are \(weights.count) weights for \(count) rows; expected one each")
        try checkWeights(weights)
        let sum = weights.reduce(0.0) { $0 + Double($1) }
        return weights.map { Float(Double($0) / sum) }
    }

    /// Returns the factor that all rows share, so this is no L2 normalization of each. Rows so
    /// small that it would leave f32's range are treated as zeros.
    private static func commonFactor(_ rows: CheckedRows, _ parts: [Float]) -> Double {
        let squares = zip(rows.lengths, parts).reduce(0) { $0 + $1.0 * $1.0 * Double($1.1) }
        let length = squares.squareRoot()
        return length > 1e-30 ? scale / length : 1
    }
}

/// The largest number of classes. It is bounded so that a stray label does not ask for all of the
/// machine's memory.
package let mostClasses = 1_000_000
