import Foundation
import SupConLoss
import SupConTensor
import Testing

@Suite struct LargeMarginTests {
    /// Computes the loss from its definition, by angles, in double precision.
    private func reference(
        _ x: [Double], _ w: [Double], _ b: [Double], _ labels: [Int64], margin: Int, inputs: Int
    ) -> Double {
        let (classes, m) = (b.count, Double(margin))
        var total = 0.0
        for row in labels.indices {
            let own = Array(x[row * inputs..<(row + 1) * inputs])
            func dot(_ a: [Double], _ b: [Double]) -> Double {
                zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
            }
            var f = (0..<classes).map { j in
                dot(own, Array(w[j * inputs..<(j + 1) * inputs])) + b[j]
            }
            let y = Int(labels[row]), wy = Array(w[y * inputs..<(y + 1) * inputs])
            let lengths = (dot(own, own) * dot(wy, wy)).squareRoot()
            let theta = acos(dot(own, wy) / lengths), k = floor(theta * m / .pi)
            f[y] = lengths * (pow(-1, k) * cos(m * theta) - 2 * k) + b[y]
            let most = f.max()!
            total += most + log(f.reduce(0) { $0 + exp($1 - most) }) - f[y]
        }
        return total / Double(labels.count)
    }

    @Test(arguments: 1...5)
    func agreesWithTheDefinitionAndItsSlopes(_ margin: Int) throws {
        let (rows, inputs, classes) = (7, 5, 4)
        var random = Philox(seed: UInt64(margin), purpose: .test)
        func numbers(_ n: Int) -> [Float] { (0..<n).map { _ in random.normal() } }
        let (x, w, b) = (numbers(rows * inputs), numbers(classes * inputs), numbers(classes))
        let labels = (0..<rows).map { Int64($0 % classes) }
        var logits = (0..<rows * classes).map { place in
            (0..<inputs).reduce(b[place % classes]) {
                $0 + x[place / classes * inputs + $1] * w[place % classes * inputs + $1]
            }
        }
        let plain = logits
        let loss = try LargeMargin(
            margin, rows: rows, inputs: inputs, crossEntropy: CrossEntropy(classes: classes))
        var g = [Float](repeating: 9, count: logits.count),
            dx = [Float](repeating: 9, count: x.count)
        let outcome = try loss.evaluate(
            features: x, logits: &logits, weight: w, bias: b, labels: labels, gradient: &g)
        loss.chain(gradient: &g, features: x, labels: labels, featureGradient: &dx)
        // The linear layer's backward.
        var (dw, db) = (
            [Float](repeating: 0, count: w.count), [Float](repeating: 0, count: classes)
        )
        for row in 0..<rows {
            for j in 0..<classes {
                db[j] += g[row * classes + j]
                for i in 0..<inputs {
                    dw[j * inputs + i] += g[row * classes + j] * x[row * inputs + i]
                    dx[row * inputs + i] += g[row * classes + j] * w[j * inputs + i]
                }
            }
        }
        loss.addRest(weight: w, labels: labels, weightGradient: &dw, biasGradient: &db)
        let (xd, wd, bd) = (x.map(Double.init), w.map(Double.init), b.map(Double.init))
        func value(_ x: [Double], _ w: [Double], _ b: [Double]) -> Double {
            reference(x, w, b, labels, margin: margin, inputs: inputs)
        }
        #expect(abs(outcome.loss - value(xd, wd, bd)) < 1e-5)
        func moved(_ v: [Double], _ k: Int, _ h: Double) -> [Double] {
            var v = v
            v[k] += h
            return v
        }
        let h = 1e-6
        for k in x.indices {
            #expect(
                abs(
                    Double(dx[k])
                        - (value(moved(xd, k, h), wd, bd) - value(moved(xd, k, -h), wd, bd))
                        / (2 * h)) < 2e-5)
        }
        for k in w.indices {
            #expect(
                abs(
                    Double(dw[k])
                        - (value(xd, moved(wd, k, h), bd) - value(xd, moved(wd, k, -h), bd))
                        / (2 * h)) < 2e-5)
        }
        for k in b.indices {
            #expect(
                abs(
                    Double(db[k])
                        - (value(xd, wd, moved(bd, k, h)) - value(xd, wd, moved(bd, k, -h)))
                        / (2 * h)) < 2e-5)
        }
        let right = (0..<rows).count { row in
            (0..<classes).max { plain[row * classes + $0] < plain[row * classes + $1] }
                == Int(labels[row])
        }
        #expect(outcome.correct == right)
    }

    /// Checks that ψ decreases continuously over all angles, and never exceeds the cosine.
    @Test(arguments: 1...8)
    func theMarginFallsFromOneToOneLessTwiceItself(_ margin: Int) throws {
        let loss = try LargeMargin(
            margin, rows: 1, inputs: 2, crossEntropy: CrossEntropy(classes: 2))
        var last = 1.0
        for step in 0...200 {
            let theta = Double(step) * .pi / 200, x = [Float(cos(theta)), Float(sin(theta))]
            var (logits, g): ([Float], [Float]) = ([x[0], 0], [0, 0])
            _ = try loss.evaluate(
                features: x, logits: &logits, weight: [1, 0, 0, 1], bias: [0, 0], labels: [0],
                gradient: &g)
            #expect(Double(logits[0]) <= last + 1e-5 && logits[0] <= x[0] + 1e-5)
            last = Double(logits[0])
        }
        #expect(abs(last - Double(1 - 2 * margin)) < 1e-4)
    }

    @Test func rowsWithoutDirectionAndBadInput() throws {
        let loss = try LargeMargin(3, rows: 1, inputs: 2, crossEntropy: CrossEntropy(classes: 2))
        var (logits, g, dx): ([Float], [Float], [Float]) = ([0, 0], [9, 9], [9, 9])
        #expect(
            abs(
                try loss.evaluate(
                    features: [0, 0], logits: &logits, weight: [1, 0, 0, 1], bias: [0, 0],
                    labels: [0], gradient: &g
                ).loss - log(2)) < 1e-9)
        loss.chain(gradient: &g, features: [0, 0], labels: [0], featureGradient: &dx)
        #expect(g == [-0.5, 0.5] && dx == [0, 0])
        for margin in [0, -1, 9] {
            let error = #expect(throws: SupConError.self) {
                try LargeMargin(margin, rows: 1, inputs: 1, crossEntropy: CrossEntropy(classes: 2))
            }
            #expect(
                error?.kind == .argument && error?.message.contains("margin is \(margin)") == true)
        }
        var bad: [Float] = [.nan, 0]
        #expect(throws: SupConError.self) {
            try loss.evaluate(
                features: [0, 1], logits: &bad, weight: [1, 0, 0, 1], bias: [0, 0], labels: [0],
                gradient: &g)
        }
        #expect(throws: SupConError.self) {
            try loss.evaluate(
                features: [0, 1], logits: &logits, weight: [1, 0, 0, 1], bias: [0, 0], labels: [2],
                gradient: &g)
        }
    }
}
