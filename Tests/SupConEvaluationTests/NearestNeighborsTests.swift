import Foundation
import SupConTensor
import TestSupport
import Testing

@testable import SupConEvaluation

@Suite struct NearestNeighborsTests {
    /// Returns the k nearest rows by sorting all of them, in f64.
    func nearest(_ query: [Double], _ gallery: LabeledRows, _ k: Int, but self: Int? = nil)
        -> [Int]
    {
        let cosines = (0..<gallery.count).map { dot(query, gallery.unit($0)) }
        return Array(
            (0..<gallery.count).filter { $0 != self }.sorted {
                (cosines[$1], $0) < (cosines[$0], $1)
            }.prefix(k))
    }

    /// Tests sizes around those of the tiles (128 and 1024), and k from 1 to all.
    @Test(arguments: [
        (5, 7, 3, 1), (5, 7, 3, 7), (130, 1100, 9, 20), (3, 1025, 2, 1025), (129, 40, 70, 3),
    ]) func findsWhatSortingFinds(
        _ size: (Int, Int, Int, Int)
    ) throws {
        let (queries, count, dimension, k) = size
        let gallery = LabeledRows(random: count, dimension: dimension, classes: 4, seed: 1),
            test = LabeledRows(random: queries, dimension: dimension, classes: 4, seed: 2)
        let context = try ExecutionContext(threads: 2)
        let neighbors = try gallery.with {
            try NearestNeighbors(gallery: $0, labels: $1, dimension: dimension, context: context)
        }
        let found = try AlignedBuffer(Int.self, count: queries * k),
            indices = found.values(of: Int.self)
        try test.with { rows, _ in
            let checked = try CheckedRows(
                rows, count: queries, dimension: dimension, name: "query row", context: context)
            try neighbors.search(checked, vote: .init(k: k), context: context) {
                query, nearest, _ in
                for (i, n) in nearest.enumerated() { indices[query * k + i] = Int(n.index) }
            }
        }
        for query in 0..<queries {
            let unit = test.unit(query), expected = nearest(unit, gallery, k)
            #expect(Set((0..<k).map { indices[query * k + $0] }).count == k)
            for i in 0..<k where indices[query * k + i] != expected[i] {
                // Only what f32 cannot tell apart may change places.
                let difference =
                    dot(unit, gallery.unit(indices[query * k + i]))
                    - dot(unit, gallery.unit(expected[i]))
                #expect(abs(difference) < 1e-6, "query \(query), neighbor \(i)")
            }
        }
    }

    @Test(arguments: EvaluationReference.all) func votesLikeScikitLearn(
        _ reference: EvaluationReference
    ) throws {
        let test = reference.test
        var options = EvaluateOptions(method: .knn)
        (options.k, options.temperature) = (reference.k, reference.temperature)
        let outcome = try evaluate(
            train: reference.train.rows, trainLabels: reference.train_labels, test: test.rows,
            testLabels: test.labels, dimension: reference.dimension,
            options: options)
        #expect(outcome.predictions == reference.knn_predictions)
        #expect(abs(outcome.top5 - reference.knn_top5) < 1e-12)
    }

    @Test func equalsGoToTheFirstRowAndTheLowestClass() throws {
        // Four rows in one direction: the nearest two are rows 0 and 1; of two equal votes the
        // lower class wins.
        let gallery = LabeledRows(
            rows: [1, 0, 2, 0, 3, 0, 4, 0], labels: [9, 2, 2, 2], dimension: 2)
        let neighbors = try gallery.with {
            try NearestNeighbors(gallery: $0, labels: $1, dimension: 2)
        }
        #expect(try neighbors.predict([5, 0], count: 1, vote: .init(k: 1)) == [9])
        #expect(try neighbors.predict([5, 0], count: 1, vote: .init(k: 2)) == [2])
    }

    @Test func temperatureWeighs() throws {
        // cosines 1, 0.8, 0.8: warm, two of one class win; cold, the nearest. No temperature
        // overflows.
        let gallery = LabeledRows(
            rows: [1, 0, 0.8, 0.6, 0.8, -0.6], labels: [0, 1, 1], dimension: 2)
        let neighbors = try gallery.with {
            try NearestNeighbors(gallery: $0, labels: $1, dimension: 2)
        }
        let boundary = Float(0.2 / log(2.0))  // e^(1/T) = 2 e^(0.8/T)
        for (temperature, expected) in [
            (boundary * 1.01, 1), (boundary * 0.99, 0), (Float.leastNonzeroMagnitude, 0),
            (.greatestFiniteMagnitude, 1),
        ] {
            #expect(
                try neighbors.predict(
                    [1, 0], count: 1, vote: .init(k: 3, temperature: temperature)) == [
                        Int64(expected)
                    ], "temperature \(temperature)")
        }
    }

    @Test func leavesOneOut() throws {
        let data = LabeledRows(random: 300, dimension: 5, classes: 3, seed: 3)
        for k in [1, 4, 299] {
            var right = 0
            for i in 0..<data.count {
                let unit = data.unit(i)
                var votes = [Double](repeating: 0, count: 3)
                for j in nearest(unit, data, k, but: i) {
                    votes[Int(data.labels[j])] += exp(dot(unit, data.unit(j)) / 0.1)
                }
                if votes.firstIndex(of: votes.max() ?? 0) == Int(data.labels[i]) { right += 1 }
            }
            let accuracy = try data.with {
                try knnAccuracy(leavingOneOut: $0, labels: $1, dimension: 5, k: k)
            }
            #expect(accuracy == Double(right) / 300, "k \(k)")
        }
        // Among themselves every row is its own nearest.
        #expect(
            try data.with {
                try knnAccuracy(
                    queries: $0, labels: $1, gallery: $0, galleryLabels: $1, dimension: 5)
            } == 1)
        expectError(.argument, "k is 300", "1 to 299") {
            _ = try data.with {
                try knnAccuracy(leavingOneOut: $0, labels: $1, dimension: 5, k: 300)
            }
        }
    }

    @Test func numberOfThreadsDoesNotMatter() throws {
        let gallery = LabeledRows(random: 2000, dimension: 16, classes: 10, seed: 4, spread: 3),
            test = LabeledRows(random: 700, dimension: 16, classes: 10, seed: 5, spread: 3)
        let outcomes = try [1, 2, 7].map {
            try evaluate(
                train: gallery.rows, trainLabels: gallery.labels, test: test.rows,
                testLabels: test.labels, dimension: 16, options: .init(method: .knn),
                context: ExecutionContext(threads: $0)
            ).predictions
        }
        #expect(outcomes[1] == outcomes[0] && outcomes[2] == outcomes[0])
    }

    @Test func errorsSayWhatIsWrong() throws {
        let gallery = LabeledRows(random: 10, dimension: 2, classes: 3, seed: 7)
        let neighbors = try gallery.with {
            try NearestNeighbors(gallery: $0, labels: $1, dimension: 2)
        }
        let query: [Float] = [1, .nan]
        expectError(.argument, "query row 0", "nan", "column 1") {
            _ = try neighbors.predict(query, count: 1, vote: .init(k: 1))
        }
        for k in [0, -1, 11, Int.max] {
            expectError(.argument, "k is \(k)", "1 to 10") {
                _ = try neighbors.predict([1, 1], count: 1, vote: .init(k: k))
            }
        }
        for t in [0, -1, .nan, .infinity] as [Float] {
            expectError(.argument, "temperature is \(t)") {
                _ = try neighbors.predict([1, 1], count: 1, vote: .init(k: 1, temperature: t))
            }
        }
        expectError(.shape, "query rows is 0") {
            _ = try neighbors.predict([1, 1], count: 0, vote: .init(k: 1))
        }
    }
}

extension LabeledRows {
    init(rows: [Float], labels: [Int64], dimension: Int) {
        (self.rows, self.labels, self.dimension) = (rows, labels, dimension)
    }
}
