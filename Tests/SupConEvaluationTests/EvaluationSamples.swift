import Foundation
import SupConTensor
import Testing

@testable import SupConEvaluation

/// Labeled rows are the samples of the evaluation tests.
struct LabeledRows {
    var rows: [Float]
    var labels: [Int64]
    var dimension: Int
    var count: Int { labels.count }

    /// Makes rows by the formula of Fixtures/make_evaluation_reference.py.
    init(labels: [Int64], dimension: Int, phase: Double, noise: Double) {
        (self.labels, self.dimension) = (labels, dimension)
        rows = (0..<(labels.count * dimension)).map { n in
            let i = Double(n), c = Double(labels[n / dimension]), k = Double(n % dimension)
            return Float(
                3 * sin(1.3 * k * c + c) / (1 + noise) + 2 * sin(0.7 * i + 0.013 * i * i + phase))
        }
    }

    /// Makes normal variates around class means, with labels from 0 to classes − 1.
    init(random count: Int, dimension: Int, classes: Int, seed: UInt64, spread: Float = 1) {
        var random = Philox(seed: seed, purpose: .test), centers = Philox(seed: 5, purpose: .test)
        let means = (0..<(classes * dimension)).map { _ in centers.normal() }
        self.dimension = dimension
        (rows, labels) = ([], [])
        for _ in 0..<count {
            let label = random.index(below: classes)
            labels.append(Int64(label))
            for k in 0..<dimension {
                rows.append(means[label * dimension + k] + spread * random.normal())
            }
        }
    }

    func with<R>(_ body: (UnsafePointer<Float>, UnsafeBufferPointer<Int64>) throws -> R) throws -> R
    {
        try rows.withUnsafeBufferPointer { rows in
            let base = try #require(rows.baseAddress)
            return try labels.withUnsafeBufferPointer { try body(base, $0) }
        }
    }

    /// Returns row i at length 1, in f64.
    func unit(_ i: Int) -> [Double] {
        let row = rows[i * dimension..<(i + 1) * dimension].map(Double.init)
        let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return length > 0 ? row.map { $0 / length } : row
    }
}

func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
func squaredDistance(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
}

/// The evaluation reference holds scikit-learn's results, from
/// Fixtures/make_evaluation_reference.py.
struct EvaluationReference: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var dimension, classes, k: Int
    var l2, temperature: Float
    var noise, objective, scaled_objective, linear_top5, knn_top5: Double
    var train_labels, test_labels: [Int64]
    var linear_predictions, knn_predictions: [Int]
    var first_row, weight, bias, scaled_weight, scaled_bias: [Double]
    var testDescription: String { name }

    var train: LabeledRows {
        LabeledRows(labels: train_labels, dimension: dimension, phase: 0, noise: noise)
    }
    var test: LabeledRows {
        LabeledRows(labels: test_labels, dimension: dimension, phase: 1, noise: noise)
    }

    static let all: [EvaluationReference] = {
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/evaluation_reference.json")
        return try! JSONDecoder().decode([EvaluationReference].self, from: Data(contentsOf: url))
    }()
}

/// Evaluates arrays of rows.
func evaluate(
    train: [Float], trainLabels: [Int64], test: [Float], testLabels: [Int64], dimension: Int,
    options: EvaluateOptions = EvaluateOptions(), context: ExecutionContext = .default,
    stop: (Int, Int) -> Bool = { _, _ in false }
) throws -> Evaluation {
    try trainLabels.withUnsafeBufferPointer { trainLabels in
        try testLabels.withUnsafeBufferPointer { testLabels in
            try SupConEvaluation.evaluate(
                train: train, trainLabels: trainLabels, test: test, testLabels: testLabels,
                dimension: dimension, options: options, context: context, stop: stop)
        }
    }
}
