import Foundation
import SupConTensor
import TestSupport
import Testing

@testable import SupConEvaluation

@Suite struct SoftmaxRegressionTests {
    /// Compares the smallest objective, the weights and the guesses with scikit-learn's.
    @Test(arguments: EvaluationReference.all) func agreesWithScikitLearn(
        _ reference: EvaluationReference
    ) throws {
        let train = reference.train
        for (value, expected) in zip(train.rows, reference.first_row) {
            #expect(abs(Double(value) - expected) < 1e-6, "the formula is the script's")
        }
        for scaling in [SoftmaxRegression.Scaling.unit, .scaled] {
            let fitted = try train.with {
                try SoftmaxRegression(
                    rows: $0, labels: $1, dimension: reference.dimension,
                    classes: reference.classes, scaling: scaling,
                    options: .init(iterations: 1000, l2: reference.l2),
                    context: ExecutionContext(threads: 2))
            }
            let expected = scaling == .unit ? reference.objective : reference.scaled_objective
            // The objective of the weights returned, in f64: no lower than the least, and as good
            // as there. In f32 it may look a little lower.
            let objective = self.objective(fitted, train, scaling, l2: Double(reference.l2))
            #expect(
                objective > expected * (1 - 1e-9) && objective <= expected * (1 + 1e-6),
                "\(scaling) \(fitted.fit): \(expected) expected")
            #expect(abs(fitted.objective - objective) < 2e-7 * max(expected, 0.1))
            // A minimum is flat: weights are known less well than the objective.
            let weight = scaling == .unit ? reference.weight : reference.scaled_weight
            let largest = weight.map(abs).max() ?? 0
            for (a, b) in zip(fitted.weight, weight) {
                #expect(abs(Double(a) - b) < 5e-3 * largest)
            }
            let mean = fitted.bias.reduce(0, +) / Float(reference.classes)
            let bias = scaling == .unit ? reference.bias : reference.scaled_bias
            for (a, b) in zip(fitted.bias, bias) { #expect(abs(Double(a - mean) - b) < 5e-3) }
        }
    }

    func objective(
        _ fitted: SoftmaxRegression, _ data: LabeledRows, _ scaling: SoftmaxRegression.Scaling,
        l2: Double
    ) -> Double {
        let d = data.dimension, n = Double(data.count)
        let length = (data.rows.reduce(0) { $0 + Double($1) * Double($1) } / n).squareRoot()
        let factor = scaling == .unit ? 10 : 10 / length
        let weight = fitted.weight.map(Double.init)
        var loss = 0.0
        for i in 0..<data.count {
            let row =
                scaling == .unit ? data.unit(i) : data.rows[i * d..<(i + 1) * d].map(Double.init)
            let z = (0..<fitted.classes).map {
                dot(Array(weight[$0 * d..<($0 + 1) * d]), row) + Double(fitted.bias[$0])
            }
            let most = z.max() ?? 0
            loss += log(z.reduce(0) { $0 + exp($1 - most) }) + most - z[Int(data.labels[i])]
        }
        return loss / n + l2 * dot(weight, weight) / (factor * factor)
    }

    /// Compares value and gradient with the formula in f64, for sizes that leave remainders
    /// everywhere.
    @Test(arguments: [(1, 1, 1), (700, 5, 3), (65, 33, 70), (3000, 17, 2), (300, 3, 1500)])
    func objectiveAndGradientAreTheFormulas(_ size: (Int, Int, Int))
        throws
    {
        let (count, dimension, classes) = size
        let data = LabeledRows(random: count, dimension: dimension, classes: classes, seed: 1)
        let factor = 0.75, l2 = 0.01, weights = classes * dimension
        var random = Philox(seed: 2, purpose: .test)
        // Large weights, so that exponentials span the range.
        let x = (0..<(weights + classes)).map { _ in Double(4 * random.normal()) }
        var gradient = [Double](repeating: .nan, count: x.count)
        let value = try data.with { rows, labels in
            try SoftmaxObjective(
                rows: rows, labels: labels.map { Int32($0) },
                parts: [Float](repeating: Float(1 / Double(count)), count: count),
                dimension: dimension, classes: classes, factor: factor, l2: l2,
                context: ExecutionContext(threads: 2), watch: ExecutionContext.default.watch()
            ).evaluate(x, gradient: &gradient)
        }
        var expected = l2 * dot(Array(x[..<weights]), Array(x[..<weights]))
        var slopes = x.indices.map { $0 < weights ? 2 * l2 * x[$0] : 0 }
        for i in 0..<count {
            let row = data.rows[i * dimension..<(i + 1) * dimension].map { factor * Double($0) }
            let z = (0..<classes).map { c in
                dot(Array(x[c * dimension..<(c + 1) * dimension]), row) + x[weights + c]
            }
            let most = z.max() ?? 0, sum = z.reduce(0) { $0 + exp($1 - most) }
            expected += (log(sum) + most - z[Int(data.labels[i])]) / Double(count)
            for c in 0..<classes {
                let residual =
                    (exp(z[c] - most) / sum - (Int(data.labels[i]) == c ? 1 : 0)) / Double(count)
                for k in 0..<dimension { slopes[c * dimension + k] += residual * row[k] }
                slopes[weights + c] += residual
            }
        }
        #expect(abs(value - expected) <= 2e-6 * max(expected, 1))
        let largest = slopes.map(abs).max() ?? 0
        let worst = zip(gradient, slopes).map { abs($0 - $1) }.max() ?? 0
        #expect(worst <= 1e-5 * max(largest, 0.1), "off by \(worst) of \(largest)")
    }

    @Test func numberOfThreadsDoesNotMatter() throws {
        let data = LabeledRows(random: 5000, dimension: 20, classes: 6, seed: 3)
        let fits = try [1, 2, 5].map { threads in
            try data.with {
                try SoftmaxRegression(
                    rows: $0, labels: $1, dimension: 20, classes: 6, scaling: .unit,
                    options: .init(iterations: 15), context: ExecutionContext(threads: threads)
                )
            }
        }
        for other in fits[1...] {
            #expect(
                other.weight == fits[0].weight && other.bias == fits[0].bias
                    && other.objective == fits[0].objective)
        }
    }

    /// Checks that weights at a common scale classify rows as they are, whatever their size, over
    /// f32's whole range, and zeros.
    @Test(arguments: [1e-20, 1, 1e18, 1e36] as [Float]) func scaledWeightsAreForRowsAsTheyAre(
        _ size: Float
    ) throws {
        var data = LabeledRows(random: 400, dimension: 6, classes: 3, seed: 4, spread: 0.2)
        data.rows = data.rows.map { $0 * size }
        let fitted = try data.with {
            try SoftmaxRegression(rows: $0, labels: $1, dimension: 6, classes: 3, scaling: .scaled)
        }
        var right = 0
        for i in 0..<data.count {
            let row = data.rows[i * 6..<(i + 1) * 6].map(Double.init)
            let z = (0..<3).map { c in
                dot(fitted.weight[c * 6..<(c + 1) * 6].map(Double.init), row)
                    + Double(fitted.bias[c])
            }
            if z.firstIndex(of: z.max() ?? 0) == Int(data.labels[i]) { right += 1 }
        }
        #expect(right == 400)
    }

    @Test func zerosTellTheClassesSharesAlone() throws {
        let labels: [Int64] = [0, 0, 0, 1]
        let fitted = try LabeledRows(labels: labels, dimension: 2, phase: 0, noise: 0).with {
            _, labels in
            try SoftmaxRegression(
                rows: [Float](repeating: 0, count: 8), labels: labels, dimension: 2, classes: 2,
                scaling: .scaled)
        }
        #expect(fitted.weight == [0, 0, 0, 0])
        #expect(abs(fitted.bias[0] - fitted.bias[1] - Float(log(3.0))) < 1e-4)
    }

    @Test func emptyClassesAreUnlikely() throws {
        let data = LabeledRows(random: 300, dimension: 4, classes: 3, seed: 6)
        let fitted = try data.with {
            try SoftmaxRegression(rows: $0, labels: $1, dimension: 4, classes: 9, scaling: .scaled)
        }
        let used = fitted.bias[..<3].min() ?? 0, empty = fitted.bias[3...].max() ?? 0
        #expect(empty < used - 3, "\(fitted.bias)")
    }

    @Test func errorsSayWhatIsWrong() throws {
        let data = LabeledRows(random: 10, dimension: 2, classes: 3, seed: 7)
        func fit(
            _ data: LabeledRows, classes: Int = 3, dimension: Int = 2,
            _ options: ClassifierOptions = .init(), context: ExecutionContext = .default,
            stop: (Int, Int) -> Bool = { _, _ in false }
        ) throws {
            _ = try data.with {
                try SoftmaxRegression(
                    rows: $0, labels: $1, dimension: dimension, classes: classes, scaling: .unit,
                    options: options, context: context, stop: stop)
            }
        }
        expectError(.argument, "iterations is 0") { try fit(data, .init(iterations: 0)) }
        expectError(.argument, "l2 is -2") { try fit(data, .init(l2: -2)) }
        expectError(.argument, "l2 is nan") { try fit(data, .init(l2: .nan)) }
        expectError(.argument, "0 classes") { try fit(data, classes: 0) }
        expectError(.argument, "1000001 classes") { try fit(data, classes: 1_000_001) }
        expectError(.shape, "is 0") { try fit(data, dimension: 0) }
        expectError(.shape, "too many") { try fit(data, dimension: Int.max / 2) }
        var bad = data
        bad.rows[7] = .infinity
        expectError(.argument, "row 3", "inf in column 1") { try fit(bad) }
        bad = data
        bad.labels[4] = 3
        expectError(.argument, "row 4 is 3", "0 to 2") { try fit(bad) }
        expectError(.memory) {
            try fit(data, classes: 1_000_000, context: ExecutionContext(memoryLimit: 1_000_000))
        }
        expectError(.canceled, "2 steps") { try fit(data, stop: { i, _ in i == 2 }) }
    }
}
