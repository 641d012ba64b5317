import Foundation
import SupConTensor
import TestSupport
import Testing

@testable import SupConEvaluation

@Suite struct EvaluateTests {
    typealias Method = EvaluateOptions.Method

    func judge(
        _ train: LabeledRows, _ test: LabeledRows, _ options: EvaluateOptions,
        context: ExecutionContext = .default
    ) throws -> Evaluation {
        try evaluate(
            train: train.rows, trainLabels: train.labels, test: test.rows, testLabels: test.labels,
            dimension: train.dimension, options: options,
            context: context)
    }

    @Test(arguments: EvaluationReference.all) func linearGuessesAreScikitLearns(
        _ reference: EvaluationReference
    ) throws {
        var options = EvaluateOptions()
        (options.iterations, options.l2) = (1000, reference.l2)
        let outcome = try judge(reference.train, reference.test, options)
        #expect(outcome.predictions == reference.linear_predictions)
        #expect(abs(outcome.top5 - reference.linear_top5) < 1e-12)
        let right = zip(reference.linear_predictions, reference.test_labels).filter { $0 == $1 }
            .count
        #expect(outcome.top1 == Double(right) / Double(reference.test_labels.count))
    }

    @Test func prototypesAreTheNearestMeans() throws {
        let train = LabeledRows(random: 500, dimension: 7, classes: 8, seed: 1, spread: 2),
            test = LabeledRows(random: 600, dimension: 7, classes: 8, seed: 2, spread: 2)
        let outcome = try judge(train, test, .init(method: .prototypes))
        var means = [[Double]](repeating: [Double](repeating: 0, count: 7), count: 8)
        for i in 0..<train.count {
            for (k, value) in train.unit(i).enumerated() { means[Int(train.labels[i])][k] += value }
        }
        means = means.map { mean in mean.map { $0 / dot(mean, mean).squareRoot() } }
        var first = 0, firstFive = 0
        for i in 0..<test.count {
            let cosines = means.map { dot($0, test.unit(i)) }
            let order = cosines.indices.sorted { cosines[$0] > cosines[$1] }
            #expect(outcome.predictions[i] == order[0])
            if order[0] == Int(test.labels[i]) { first += 1 }
            if order[..<5].contains(Int(test.labels[i])) { firstFive += 1 }
        }
        #expect(outcome.top1 == Double(first) / 600 && outcome.top5 == Double(firstFive) / 600)
        #expect(first > 200 && firstFive < 600, "the problem is neither hopeless nor trivial")
        let alone = try train.with { try Prototypes(rows: $0, labels: $1, dimension: 7) }
        #expect(try alone.predict(test.rows, count: 600).map { Int($0) } == outcome.predictions)
    }

    /// Compares kNN's five guesses with votes by brute force; classes without a vote follow in
    /// order.
    @Test(arguments: [1, 6, 40]) func fiveGuessesByVotesThenByNumber(_ k: Int) throws {
        let train = LabeledRows(random: 200, dimension: 3, classes: 9, seed: 3, spread: 1),
            test = LabeledRows(random: 150, dimension: 3, classes: 9, seed: 4, spread: 1)
        var options = EvaluateOptions(method: .knn)
        options.k = k
        let outcome = try judge(train, test, options)
        var firstFive = 0
        for i in 0..<test.count {
            let cosines = (0..<train.count).map { dot(train.unit($0), test.unit(i)) }
            var votes = [Double](repeating: 0, count: 9)
            for j in cosines.indices.sorted(by: { cosines[$0] > cosines[$1] }).prefix(k) {
                votes[Int(train.labels[j])] += exp(cosines[j] / 0.1)
            }
            let order = votes.indices.sorted { (votes[$1], $0) < (votes[$0], $1) }
            #expect(outcome.predictions[i] == order[0])
            if order[..<5].contains(Int(test.labels[i])) { firstFive += 1 }
        }
        #expect(outcome.top5 == Double(firstFive) / 150)
    }

    @Test(arguments: Method.allCases) func confusionCountsEveryTestRow(_ method: Method) throws {
        let train = LabeledRows(random: 200, dimension: 4, classes: 3, seed: 5, spread: 2),
            test = LabeledRows(random: 90, dimension: 4, classes: 3, seed: 6, spread: 2)
        let outcome = try judge(train, test, .init(method: method))
        let confusion = try outcome.confusion()
        #expect(outcome.classes == 3 && confusion.count == 9 && confusion.reduce(0, +) == 90)
        #expect(outcome.top1 == Double(confusion[0] + confusion[4] + confusion[8]) / 90)
        for c in 0..<3 {
            #expect(
                confusion[c * 3..<c * 3 + 3].reduce(0, +)
                    == test.labels.count { $0 == c })
        }
        for c in 0..<3 {
            #expect(
                stride(from: c, to: 9, by: 3).reduce(0) { $0 + confusion[$1] }
                    == outcome.predictions.count { $0 == c })
        }
        #expect(outcome.top5 == 1, "there are only three classes to guess")
    }

    @Test(arguments: Method.allCases) func classesWithoutTrainingRowsAreNeverGuessed(
        _ method: Method
    ) throws {
        var train = LabeledRows(random: 200, dimension: 4, classes: 3, seed: 5),
            test = LabeledRows(random: 90, dimension: 4, classes: 3, seed: 6)
        let ids: [Int64] = [.min, 5, 1 << 60]
        train.labels = train.labels.map { ids[Int($0)] }
        test.labels = test.labels.map { ids[Int($0)] }
        test.labels[0] = -1  // in no training row
        test.labels[1] = .max
        let outcome = try judge(train, test, .init(method: method))
        #expect(outcome.classLabels == [.min, -1, 5, 1 << 60, .max])
        #expect(Set(outcome.predictions).isSubset(of: ids.map { Int($0) }))
        #expect(outcome.top5 == 88.0 / 90)
        let confusion = try outcome.confusion()
        for (row, truth) in outcome.classLabels.enumerated() {
            for (column, guess) in outcome.classLabels.enumerated() {
                #expect(
                    confusion[row * 5 + column]
                        == zip(test.labels, outcome.predictions).count {
                            $0 == truth && $1 == guess
                        })
            }
        }
        expectError(.memory, "5 classes") {
            _ = try outcome.confusion(context: ExecutionContext(memoryLimit: 100))
        }
    }

    @Test(arguments: Method.allCases) func oneClassOneRowAndZeros(_ method: Method) throws {
        var options = EvaluateOptions(method: method)
        options.k = 1
        let outcome = try judge(
            .init(rows: [0, 0], labels: [4], dimension: 2),
            .init(rows: [0, 0, 1, 1], labels: [4, 0], dimension: 2), options)
        #expect(
            outcome.predictions == [4, 4] && outcome.top1 == 0.5 && outcome.top5 == 0.5
                && outcome.classLabels == [0, 4])
    }

    /// Checks that only the direction of rows counts: lengths from the smallest to the largest f32
    /// change no guess.
    @Test(arguments: Method.allCases) func lengthsDoNotMatter(_ method: Method) throws {
        let train = LabeledRows(random: 150, dimension: 4, classes: 3, seed: 5),
            test = LabeledRows(random: 90, dimension: 4, classes: 3, seed: 6)
        var (longTrain, longTest) = (train, test)
        for i in longTrain.rows.indices { longTrain.rows[i] *= [1, 0x1p-100, 0x1p120][i / 4 % 3] }
        for i in longTest.rows.indices { longTest.rows[i] *= [0x1p124, 1][i / 4 % 2] }
        let options = EvaluateOptions(method: method)
        #expect(
            try judge(longTrain, longTest, options).predictions
                == judge(train, test, options).predictions)
    }

    @Test(arguments: Method.allCases) func numberOfThreadsDoesNotMatter(_ method: Method) throws {
        let train = LabeledRows(random: 1500, dimension: 12, classes: 5, seed: 8, spread: 3),
            test = LabeledRows(random: 1200, dimension: 12, classes: 5, seed: 9, spread: 3)
        let outcomes = try [1, 4].map {
            try judge(train, test, .init(method: method), context: ExecutionContext(threads: $0))
                .predictions
        }
        #expect(outcomes[0] == outcomes[1])
    }

    @Test func errorsSayWhatIsWrong() throws {
        let good = LabeledRows(random: 30, dimension: 3, classes: 3, seed: 10)
        var bad = good
        bad.rows[3 * 3 + 2] = .nan
        bad.rows[5 * 3] = .infinity
        for method in Method.allCases {
            expectError(.argument, "training row 3", "nan", "column 2") {
                _ = try judge(bad, good, .init(method: method))
            }
            expectError(.argument, "test row 3", "nan", "column 2") {
                _ = try judge(good, bad, .init(method: method))
            }
        }

        var options = EvaluateOptions(method: .knn)
        for k in [-1, -3, 31] {
            options.k = k
            expectError(.argument, "k is \(k)", "1 to 30") { _ = try judge(good, good, options) }
        }
        // Nobody asked for 20 or 30: as many as there are, if there are fewer than 20.
        options.k = 0
        let few = LabeledRows(
            rows: Array(good.rows.prefix(7 * good.dimension)),
            labels: Array(good.labels.prefix(7)), dimension: good.dimension)
        let chosen = try judge(few, good, options)
        options.k = 7
        #expect(try judge(few, good, options).predictions == chosen.predictions)
        options.k = 20
        let twenty = try judge(good, good, options).predictions
        options.k = 0
        #expect(try judge(good, good, options).predictions == twenty)
        (options.k, options.temperature) = (3, 0)
        expectError(.argument, "temperature is 0") { _ = try judge(good, good, options) }
        options = EvaluateOptions()
        options.iterations = 0
        expectError(.argument, "iterations is 0") { _ = try judge(good, good, options) }
        (options.iterations, options.l2) = (10, -2)
        expectError(.argument, "l2 is -2") { _ = try judge(good, good, options) }
        // k is none of the other methods' business.
        options = EvaluateOptions(method: .prototypes)
        options.k = 0
        _ = try judge(good, good, options)

        let empty = LabeledRows(rows: [], labels: [], dimension: 3)
        expectError(.shape, "training rows is 0") {
            _ = try judge(empty, good, .init(method: .prototypes))
        }
        expectError(.shape, "test rows is 0") {
            _ = try judge(good, empty, .init(method: .prototypes))
        }
        for dimension in [0, -1, Int.max] {
            expectError(.shape, "\(dimension)") {
                _ = try good.with {
                    try evaluate(
                        train: $0, trainLabels: $1, test: $0, testLabels: $1, dimension: dimension,
                        options: .init(method: .prototypes))
                }
            }
        }
        expectError(.memory) {
            _ = try judge(good, good, .init(), context: ExecutionContext(memoryLimit: 1000))
        }
        expectError(.canceled) {
            _ = try evaluate(
                train: good.rows, trainLabels: good.labels, test: good.rows,
                testLabels: good.labels, dimension: 3, stop: { i, _ in i == 1 })
        }
    }
}
