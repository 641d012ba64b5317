import Foundation
import SupConTensor
import TestSupport
import Testing

@testable import SupConEvaluation

@Suite struct ConfidenceCalibrationTests {
    func run(_ p: [Float], _ labels: [Int64], _ classes: Int, bins: Int = CalibrationOptions().bins)
        throws
        -> ConfidenceCalibration
    {
        try LabeledRows(rows: p, labels: labels, dimension: classes).with {
            try calibration(probabilities: $0, labels: $1, classes: classes, bins: bins)
        }
    }

    /// Checks values computed by hand: confidences 0.9 (right), 0.8 (wrong), 0.55 (right), and 0.5
    /// (right, as equals go to class 0), in four bins.
    @Test func byHand() throws {
        let found = try run([0.9, 0.1, 0.2, 0.8, 0.45, 0.55, 0.5, 0.5], [0, 0, 1, 0], 2, bins: 4)
        #expect(found.bins.map(\.count) == [0, 1, 1, 2])
        #expect(
            zip(found.bins.map(\.confidence), [0, 0.5, 0.55, 0.85]).allSatisfy {
                abs($0 - $1) < 1e-7
            })
        #expect(found.bins.map(\.accuracy) == [0, 1, 1, 0.5])
        #expect(
            abs(found.expectedCalibrationError - (0.25 * 0.5 + 0.25 * 0.45 + 0.5 * 0.35)) < 1e-7)
        #expect(abs(found.maximumCalibrationError - 0.5) < 1e-7)
        #expect(found.accuracy == 0.75 && abs(found.confidence - 2.75 / 4) < 1e-7)
        #expect(
            abs(found.negativeLogLikelihood + (log(0.9) + log(0.2) + log(0.55) + log(0.5)) / 4)
                < 1e-6)
        #expect(abs(found.brierScore - 2 * (0.01 + 0.64 + 0.45 * 0.45 + 0.25) / 4) < 1e-6)
    }

    /// Checks a classifier whose accuracy equals its confidence: p n of its n rows of confidence p
    /// are right.
    @Test func zeroForTheHonest() throws {
        var p: [Float] = [], labels: [Int64] = []
        for (confidence, right) in [(Float(0.6), 6), (0.8, 8), (0.9, 9), (1, 10)] {
            for i in 0..<10 {
                p += [confidence, 1 - confidence]
                labels.append(i < right ? 0 : 1)
            }
        }
        let found = try run(p, labels, 2)
        #expect(found.expectedCalibrationError < 1e-7 && found.maximumCalibrationError < 1e-7)
        // One bin: the difference of the means alone.
        #expect(
            try run([1, 0, 0.5, 0.5], [0, 1], 2, bins: 1).expectedCalibrationError
                == abs(0.5 - 0.75))
    }

    /// Checks that borders belong to the lower bin: (0, 1/4], (1/4, 1/2], …
    @Test func borders() throws {
        let found = try run(
            [0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 0, 0, 0.75, 0.25, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0], 4,
            bins: 4)
        #expect(found.bins.map(\.count) == [1, 1, 1, 1])
    }

    @Test func refuses() throws {
        expectError(.argument, "row 1", "-0.5") { _ = try run([1, 0, -0.5, 1], [0, 0], 2) }
        expectError(.argument, "nan") { _ = try run([1, .nan], [0], 2) }
        expectError(.argument, "sum 0.5") { _ = try run([0.25, 0.25], [0], 2) }
        expectError(.argument, "label", "2") { _ = try run([1, 0], [2], 2) }
        expectError(.argument, "bins is 0") { _ = try run([1, 0], [1], 2, bins: 0) }
    }
}

@Suite struct CorruptionErrorTests {
    @Test func ratiosAndTheirMeans() throws {
        let found = try corruptionError(
            [[0.2, 0.4], [0.1, 0.3]], baseline: [[0.5, 0.7], [0.6, 1]], clean: (0.1, 0.4))
        #expect(
            abs(found.errors[0] - 0.5) < 1e-12 && abs(found.errors[1] - 0.25) < 1e-12
                && abs(found.mean - 0.375) < 1e-12)
        // (0.6 − 0.2) / (1.2 − 0.8), (0.4 − 0.2) / (1.6 − 0.8)
        let relative = try #require(found.relativeErrors)
        #expect(
            abs(relative[0] - 1) < 1e-12 && abs(relative[1] - 0.25) < 1e-12
                && abs((found.relativeMean ?? 0) - 0.625) < 1e-12)
        #expect(try corruptionError([[0.5]], baseline: [[0.5]]).relativeMean == nil)
    }

    @Test func refuses() {
        expectError(.shape, "no corruptions") { _ = try corruptionError([], baseline: [[0.1]]) }
        expectError(.shape, "1 corruptions", "2") {
            _ = try corruptionError([[0.1]], baseline: [[0.1], [0.1]])
        }
        expectError(.shape, "severities") {
            _ = try corruptionError([[0.1, 0.2]], baseline: [[0.1]])
        }
        expectError(.argument, "1.5") { _ = try corruptionError([[1.5]], baseline: [[0.1]]) }
        expectError(.argument, "nan") { _ = try corruptionError([[0.5]], baseline: [[.nan]]) }
        expectError(.argument, "no errors") { _ = try corruptionError([[0.5]], baseline: [[0]]) }
        expectError(.argument, "loses nothing") {
            _ = try corruptionError([[0.5]], baseline: [[0.2]], clean: (0.1, 0.2))
        }
    }
}
