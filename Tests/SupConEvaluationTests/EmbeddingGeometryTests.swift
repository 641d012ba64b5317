import Foundation
import SupConTensor
import TestSupport
import Testing

@testable import SupConEvaluation

@Suite struct EmbeddingGeometryTests {
    func measure(_ data: LabeledRows, threads: Int = 2) throws -> (
        alignment: Double?, uniformity: Double?
    ) {
        let context = try ExecutionContext(threads: threads)
        return try data.with { rows, labels in
            (
                try alignment(rows, labels: labels, dimension: data.dimension, context: context),
                try uniformity(
                    rows, count: data.count, dimension: data.dimension, context: context)
            )
        }
    }

    /// Compares with sums over all pairs in f64, for sizes around a tile's 256 rows.
    @Test(arguments: [(2, 1, 1), (40, 6, 3), (257, 5, 300), (600, 9, 4)]) func agreesWithAllPairs(
        _ size: (Int, Int, Int)
    ) throws {
        var data = LabeledRows(random: size.0, dimension: size.1, classes: size.2, seed: 1)
        data.labels = data.labels.map { $0 - 1 }  // any label will do here
        if size.0 > 30 { for k in 0..<size.1 { data.rows[7 * size.1 + k] = 0 } }
        let units = (0..<data.count).map(data.unit)
        var distances: [Double] = [], potential = 0.0, pairs = 0.0
        for i in 0..<data.count {
            for j in 0..<i {
                let distance = squaredDistance(units[i], units[j])
                if data.labels[i] == data.labels[j] { distances.append(distance) }
                potential += exp(-2 * distance)
                pairs += 1
            }
        }
        let found = try measure(data)
        let mean = distances.isEmpty ? nil : distances.reduce(0, +) / Double(distances.count)
        #expect((found.alignment == nil) == (mean == nil))
        #expect(abs((found.alignment ?? 0) - (mean ?? 0)) < 1e-10)
        #expect(abs(try #require(found.uniformity) - log(potential / pairs)) < 1e-6)
    }

    @Test func closedForms() throws {
        // Both ends of each axis: antipodes of one class are 4 apart.
        let axes = LabeledRows(
            rows: [3, 0, -2, 0, 0, 1, 0, -5], labels: [0, 0, 1, 1], dimension: 2)
        let found = try measure(axes)
        #expect(found.alignment == 4)
        #expect(abs((found.uniformity ?? 0) - log((2 * exp(-8.0) + 4 * exp(-4.0)) / 6)) < 1e-6)
        // All the same but for their lengths.
        let same = try measure(
            LabeledRows(rows: [1, 2, 2, 4, 0.5, 1], labels: [0, 0, 0], dimension: 2))
        #expect((same.alignment ?? 1) < 1e-12 && abs(same.uniformity ?? 1) < 1e-6)
        // No positives; no pairs.
        #expect(
            try measure(LabeledRows(rows: [1, 2, 3, 4], labels: [0, 1], dimension: 2)).alignment
                == nil)
        #expect(
            try measure(LabeledRows(rows: [1, 2], labels: [0], dimension: 2)).uniformity == nil)
    }

    @Test func rowsOnASphere() throws {
        var random = Philox(seed: 3, purpose: .test)
        let data = LabeledRows(
            rows: (0..<(5000 * 16)).map { _ in random.normal() },
            labels: [Int64](repeating: 0, count: 5000), dimension: 16)
        let found = try measure(data)
        #expect(abs((found.alignment ?? 0) - 2) < 0.01)
        let other = try measure(data, threads: 5)
        #expect(found.alignment == other.alignment && found.uniformity == other.uniformity)
        // Only the first rows count for uniformity.
        let first = LabeledRows(
            rows: Array(data.rows[..<(uniformityRows * 16)]),
            labels: Array(data.labels[..<uniformityRows]), dimension: 16)
        #expect(try measure(first).uniformity == found.uniformity)
    }

    @Test func errorsSayWhatIsWrong() throws {
        let bad = LabeledRows(rows: [1, 2, .nan, 4], labels: [0, 0], dimension: 2)
        try bad.with { rows, labels in
            expectError(.argument, "row 1", "column 0") {
                _ = try alignment(rows, labels: labels, dimension: 2)
            }
            expectError(.argument, "row 1", "column 0") {
                _ = try uniformity(rows, count: 2, dimension: 2)
            }
            for count in [0, -1] {
                expectError(.shape, "rows is \(count)") {
                    _ = try uniformity(rows, count: count, dimension: 2)
                }
            }
            expectError(.shape, "is 0") { _ = try alignment(rows, labels: labels, dimension: 0) }
        }
    }
}
