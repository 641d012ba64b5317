import Foundation
import SupConTensor
import TestSupport
import Testing

@testable import SupConEvaluation

@Suite struct OutOfDistributionTests {
    func scores(_ train: LabeledRows, _ queries: LabeledRows?, k: Int, threads: Int = 2) throws
        -> [Float]
    {
        let context = try ExecutionContext(threads: threads), count = queries?.count ?? train.count
        var found = [Float](repeating: -1, count: count)
        try found.withUnsafeMutableBufferPointer { found in
            let start = try #require(found.baseAddress)
            try train.with { rows, _ in
                if let queries {
                    try queries.with { asked, _ in
                        try outOfDistributionScores(
                            train: rows, trainCount: train.count, queries: asked, queryCount: count,
                            dimension: train.dimension, k: k, into: start,
                            context: context)
                    }
                } else {
                    try outOfDistributionScores(
                        train: rows, trainCount: train.count, queries: nil,
                        dimension: train.dimension, k: k, into: start, context: context)
                }
            }
        }
        return found
    }

    @Test(arguments: [1, 3, 50], [true, false]) func isTheKthDistance(
        _ k: Int, _ amongThemselves: Bool
    ) throws {
        let train = LabeledRows(random: 1100, dimension: 7, classes: 3, seed: 1),
            queries = LabeledRows(random: 140, dimension: 7, classes: 3, seed: 2)
        let found = try scores(train, amongThemselves ? nil : queries, k: k)
        let units = (0..<train.count).map { train.unit($0) }
        for q in stride(from: 0, to: found.count, by: amongThemselves ? 10 : 1) {
            let unit = amongThemselves ? units[q] : queries.unit(q)
            let distances = units.indices.filter { !amongThemselves || $0 != q }.map {
                squaredDistance(unit, units[$0]).squareRoot()
            }.sorted()
            #expect(abs(Double(found[q]) - distances[k - 1]) < 1e-5)
        }
    }

    /// Checks that small distances keep their digits, that a row is at distance 0 of itself, and an
    /// opposite one at 2.
    @Test func distancesOfEqualAndOppositeRows() throws {
        let train = LabeledRows(rows: [3, 0, 0, 1], labels: [0, 0], dimension: 2)
        let queries = LabeledRows(rows: [7, 0, -1, 0, 1, 1e-5], labels: [0, 0, 0], dimension: 2)
        #expect(try scores(train, queries, k: 1)[0] == 0)
        #expect(abs(try scores(train, queries, k: 1)[2] - 1e-5) < 1e-9)
        #expect(try scores(train, queries, k: 2)[1] == 2)
    }

    @Test func refusesK() throws {
        let rows = LabeledRows(random: 5, dimension: 2, classes: 2, seed: 1)
        expectError(.argument, "k is 6", "1 to 5") { _ = try scores(rows, rows, k: 6) }
        expectError(.argument, "k is 5", "1 to 4") { _ = try scores(rows, nil, k: 5) }
        expectError(.argument, "k is -1") { _ = try scores(rows, rows, k: -1) }
    }

    func detect(_ inside: [Float], _ outside: [Float]) throws -> Detection {
        try inside.withUnsafeBufferPointer { inside in
            try outside.withUnsafeBufferPointer { try detection(inside: inside, outside: $0) }
        }
    }

    @Test func detectionByCountingPairs() throws {
        var random = Philox(seed: 4, purpose: .test)
        // Coarse, so that there are equals.
        let inside = (0..<200).map { _ in (random.normal() * 4).rounded() },
            outside = (0..<77).map { _ in (2 + random.normal() * 4).rounded() }
        var wins = 0.0
        for o in outside { for i in inside { wins += o > i ? 1 : o == i ? 0.5 : 0 } }
        let found = try detect(inside, outside)
        #expect(abs(found.auroc - wins / Double(200 * 77)) < 1e-12)
        let threshold = inside.sorted()[189]  // 190 of 200 are not above
        #expect(found.threshold == Double(threshold))
        #expect(abs(found.fpr95 - Double(outside.count { $0 <= threshold }) / 77) < 1e-12)
        let apart = try detect([0, 1], [2, 3])
        #expect(apart.auroc == 1 && apart.fpr95 == 0)
        #expect(try detect([1, 1], [1]).auroc == 0.5)
        expectError(.argument, "outside", "NaN") { _ = try detect([1], [.nan]) }
        expectError(.shape, "0 scores inside") { _ = try detect([], [1]) }
    }
}

@Suite struct ProbabilityTests {
    /// Compares each method's probabilities with their definition in f64.
    @Test(arguments: EvaluateOptions.Method.allCases) func sumToOneAndFollowTheDefinition(
        _ method: EvaluateOptions.Method
    ) throws {
        let train = LabeledRows(random: 150, dimension: 6, classes: 3, seed: 1),
            test = LabeledRows(random: 33, dimension: 6, classes: 3, seed: 2)
        var shifted = train  // classes 1, 3, 5 of 6: the others have no rows
        shifted.labels = train.labels.map { 2 * $0 + 1 }
        var options = EvaluateOptions(method: method)
        (options.k, options.temperature) = (9, 0.3)
        var p = [Float](repeating: 7, count: 33 * 6)
        // Labels are ids, of which all occur: class c is 1000 c - 7.
        let truth = test.labels.enumerated().map { $0 < 3 ? 2 * Int64($0) : 2 * $1 + 1 }
        let id = { (label: Int64) in 1000 * label - 7 }
        let outcome = try p.withUnsafeMutableBufferPointer { p in
            try shifted.with { rows, _ in
                try test.with { asked, _ in
                    try shifted.labels.map(id).withUnsafeBufferPointer { labels in
                        try truth.map(id).withUnsafeBufferPointer {
                            try evaluate(
                                train: rows, trainLabels: labels, test: asked, testLabels: $0,
                                dimension: 6, options: options, probabilities: p)
                        }
                    }
                }
            }
        }
        let units = (0..<train.count).map { train.unit($0) }
        for row in 0..<33 {
            let own = Array(p[row * 6..<(row + 1) * 6])
            #expect(own[0] == 0 && own[2] == 0 && own[4] == 0 && abs(own.reduce(0, +) - 1) < 1e-5)
            #expect(own.max() == own[Int(outcome.predictions[row] + 7) / 1000])
            let unit = test.unit(row)
            var expected = [Double](repeating: 0, count: 6)
            switch method {
            case .linear: continue
            case .knn:
                let cosines = units.map { dot(unit, $0) }
                for i in units.indices.sorted(by: { cosines[$0] > cosines[$1] }).prefix(9) {
                    expected[Int(shifted.labels[i])] += exp(cosines[i] / 0.3)
                }
            case .prototypes:
                for c in [1, 3, 5] {
                    var mean = [Double](repeating: 0, count: 6)
                    for i in units.indices where shifted.labels[i] == Int64(c) {
                        for d in 0..<6 { mean[d] += units[i][d] }
                    }
                    expected[c] = exp(dot(unit, mean) / dot(mean, mean).squareRoot() / 0.3)
                }
            }
            let sum = expected.reduce(0, +)
            for c in 0..<6 { #expect(abs(Double(own[c]) - expected[c] / sum) < 1e-5) }
        }
    }
}
