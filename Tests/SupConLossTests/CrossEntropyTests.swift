import Foundation
import SupConLoss
import SupConTensor
import Testing

@Suite struct CrossEntropyTests {
    /// Computes −Σ q log softmax in double precision.
    private func reference(
        _ x: [Double], _ labels: [Int64], _ second: [Int64], _ fraction: [Float], classes: Int,
        smoothing: Double
    ) -> Double {
        var total = 0.0
        for row in labels.indices {
            let x = Array(x[row * classes..<(row + 1) * classes]), most = x.max()!
            let logarithm = most + log(x.reduce(0) { $0 + exp($1 - most) })
            for k in 0..<classes {
                var q = smoothing / Double(classes)
                if k == Int(labels[row]) { q += (1 - smoothing) * Double(fraction[row]) }
                if k == Int(second[row]) { q += (1 - smoothing) * (1 - Double(fraction[row])) }
                total -= q * (x[k] - logarithm)
            }
        }
        return total / Double(labels.count)
    }

    @Test(arguments: [Float(0), 0.1, 1], [1, 3, 10, 70])
    func agreesWithTheFormula(_ smoothing: Float, _ classes: Int) throws {
        let n = 6
        var random = Philox(seed: 2, purpose: .test)
        let x = (0..<n * classes).map { _ in 3 * random.normal() }, exact = x.map(Double.init)
        let labels = (0..<n).map { _ in Int64(random.index(below: classes)) },
            second = (0..<n).map { _ in Int64(random.index(below: classes)) }
        let loss = try CrossEntropy(classes: classes, labelSmoothing: smoothing)
        for fraction in [[Float](repeating: 1, count: n), (0..<n).map { _ in random.uniform() }] {
            var gradient = [Float](repeating: 9, count: x.count)
            let outcome = try second.withUnsafeBufferPointer { second in
                try fraction.withUnsafeBufferPointer { fraction in
                    try loss.evaluate(
                        logits: x, labels: labels, count: n,
                        mix: .init(labels: second.baseAddress!, fraction: fraction.baseAddress!),
                        gradient: &gradient)
                }
            }
            func value(_ x: [Double]) -> Double {
                reference(
                    x, labels, second, fraction, classes: classes, smoothing: Double(smoothing))
            }
            #expect(abs(outcome.loss - value(exact)) < 1e-6)
            for k in x.indices {
                var (up, down) = (exact, exact)
                (up[k], down[k]) = (up[k] + 1e-5, down[k] - 1e-5)
                #expect(abs(Double(gradient[k]) - (value(up) - value(down)) / 2e-5) < 1e-6)
            }
            if fraction[0] == 1 {
                var plain = [Float](repeating: 9, count: x.count)
                let same = try loss.evaluate(logits: x, labels: labels, count: n, gradient: &plain)
                #expect(same.loss == outcome.loss && plain == gradient)
            }
        }
        let right = labels.indices.count { row in
            (0..<classes).max { x[row * classes + $0] < x[row * classes + $1] } == Int(labels[row])
        }
        #expect(
            try loss.evaluate(logits: x, labels: labels, count: n, gradient: nil).correct == right)
    }

    /// Compares λ w L(y) + (1 − λ) w′ L(y′) with the unweighted formula, row by row.
    @Test(arguments: [Float(0), 0.2])
    func weightsMultiplyTheLossesOfTheirLabels(_ smoothing: Float) throws {
        let (n, classes) = (5, 4)
        var random = Philox(seed: 3, purpose: .test)
        let x = (0..<n * classes).map { _ in 2 * random.normal() }
        let labels: [Int64] = [0, 3, 1, 2, 2], second: [Int64] = [1, 3, 0, 3, 0]
        let (own, other): ([Float], [Float]) = ([0, 1, 2.5, 0.5, 3], [2, 0.25, 0, 1, 4])
        let fraction = (0..<n).map { _ in random.uniform() }
        var gradient = [Float](repeating: 9, count: x.count)
        let outcome = try second.withUnsafeBufferPointer { second in
            try fraction.withUnsafeBufferPointer { fraction in
                try other.withUnsafeBufferPointer { other in
                    try CrossEntropy(classes: classes, labelSmoothing: smoothing).evaluate(
                        logits: x, labels: labels, count: n,
                        mix: .init(
                            labels: second.baseAddress!, fraction: fraction.baseAddress!,
                            weights: other.baseAddress!), weights: own, gradient: &gradient)
                }
            }
        }
        func value(_ x: [Double]) -> Double {
            (0..<n).reduce(0) { sum, row in
                func single(_ label: Int64) -> Double {
                    reference(
                        Array(x[row * classes..<(row + 1) * classes]), [label], [label], [1],
                        classes: classes, smoothing: Double(smoothing))
                }
                let first = Double(fraction[row]) * Double(own[row]) * single(labels[row])
                return sum + first + (1 - Double(fraction[row])) * Double(other[row])
                    * single(second[row])
            } / Double(n)
        }
        let exact = x.map(Double.init)
        #expect(abs(outcome.loss - value(exact)) < 1e-6)
        for k in x.indices {
            var (up, down) = (exact, exact)
            (up[k], down[k]) = (up[k] + 1e-5, down[k] - 1e-5)
            #expect(abs(Double(gradient[k]) - (value(up) - value(down)) / 2e-5) < 1e-6)
        }
    }

    @Test func equalLogitsGiveTheLogarithmOfTheClasses() throws {
        for value in [Float(0), 1e6, -3e38, .greatestFiniteMagnitude, -.greatestFiniteMagnitude] {
            let outcome = try CrossEntropy(classes: 17, labelSmoothing: 0.2).evaluate(
                logits: [Float](repeating: value, count: 34), labels: [3, 0], count: 2,
                gradient: nil)
            #expect(abs(outcome.loss - log(17)) < 1e-9 * max(1, abs(Double(value)) * 1e-15))
            #expect(outcome.correct == 1)  // of equal logits the first counts as the guess
        }
    }

    @Test func farApartLogits() throws {
        var gradient = [Float](repeating: 9, count: 3)
        let outcome = try CrossEntropy(classes: 3).evaluate(
            logits: [3e38, -3e38, 0], labels: [1], count: 1, gradient: &gradient)
        #expect(
            abs(outcome.loss / 6e38 - 1) < 1e-6 && gradient == [1, -1, 0] && outcome.correct == 0)
    }

    @Test func refusals() throws {
        func refused(_ kind: SupConError.Kind, _ words: String, _ body: () throws -> Void) {
            let error = #expect(throws: SupConError.self) { try body() }
            #expect(
                error?.kind == kind && error?.message.contains(words) == true,
                "\(String(describing: error))")
        }
        refused(.shape, "0 classes") { _ = try CrossEntropy(classes: 0) }
        for smoothing in [Float(-0.1), 1.1, .nan] {
            refused(.argument, "label smoothing is \(smoothing)") {
                _ = try CrossEntropy(classes: 2, labelSmoothing: smoothing)
            }
        }
        let loss = try CrossEntropy(classes: 2)
        refused(.shape, "0 rows") {
            _ = try loss.evaluate(logits: [1, 2], labels: [0], count: 0, gradient: nil)
        }
        var gradient = [Float](repeating: 9, count: 4)
        for label in [Int64(-1), 2, .max] {
            refused(.argument, "label 1 is \(label)") {
                _ = try loss.evaluate(
                    logits: [1, 2, 3, 4], labels: [0, label], count: 2, gradient: &gradient)
            }
        }
        for value in [Float.nan, .infinity, -.infinity] {
            refused(.argument, "row 1 of the logits") {
                _ = try loss.evaluate(
                    logits: [1, 2, value, 4], labels: [0, 1], count: 2, gradient: &gradient)
            }
        }
        let (second, fraction): ([Int64], [Float]) = ([0, 5], [0.5, 2])
        second.withUnsafeBufferPointer { second in
            fraction.withUnsafeBufferPointer { fraction in
                refused(.argument, "second label 1 is 5") {
                    _ = try loss.evaluate(
                        logits: [1, 2, 3, 4], labels: [0, 1], count: 2,
                        mix: .init(labels: second.baseAddress!, fraction: fraction.baseAddress!),
                        gradient: &gradient)
                }
                refused(.argument, "fraction 0 of the first label is 2.0") {
                    _ = try loss.evaluate(
                        logits: [1, 2], labels: [0], count: 1,
                        mix: .init(
                            labels: second.baseAddress!, fraction: fraction.baseAddress! + 1),
                        gradient: &gradient)
                }
            }
        }
        #expect(gradient == [9, 9, 9, 9])
    }
}
