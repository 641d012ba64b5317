import Glibc
import SupCon
import Testing

/// Compares the Swift API's loss with the formula in double precision.
@Suite struct SupConLossTests {
    /// Computes the mean over anchors of −1/|P| Σ_p log(exp(s_ip) / Σ_{a ≠ i} exp(s_ia)): equation
    /// 2 of arXiv:2004.11362.
    private static func truth(_ rows: [[Double]], _ labels: [Int], temperature: Double) -> Double {
        var total = 0.0
        for i in rows.indices {
            let s = rows.map { row in zip(row, rows[i]).map(*).reduce(0, +) / temperature }
            let others = rows.indices.filter { $0 != i }
            let logSum = exp64(others.map { s[$0] })
            let positives = others.filter { labels[$0] == labels[i] }
            total -= positives.map { s[$0] - logSum }.reduce(0, +) / Double(positives.count)
        }
        return total / Double(rows.count)
    }
    private static func exp64(_ values: [Double]) -> Double {
        let most = values.max() ?? 0
        return most + log(values.map { exp($0 - most) }.reduce(0, +))
    }

    private static let (samples, views, dimension) = (6, 2, 5)
    private static let labels = [3, -1, 3, 1 << 40, -1, 1 << 40]
    private static func features() -> [Float] {
        var random = SystemRandomNumberGenerator()
        return (0..<samples * views).flatMap { _ -> [Float] in
            let row = (0..<dimension).map { _ in Float.random(in: -1...1, using: &random) }
            let length = row.map { $0 * $0 }.reduce(0, +).squareRoot()
            return row.map { $0 / length }
        }
    }
    private static func rows(_ features: [Float]) -> [[Double]] {
        (0..<samples * views).map { row in
            features[row * dimension..<(row + 1) * dimension].map(Double.init)
        }
    }

    @Test func isTheFormula() throws {
        let features = Self.features(), each = Self.labels.flatMap { [$0, $0] }
        for temperature in [0.07, 0.5] {
            var options = ContrastiveOptions()
            options.temperature = Float(temperature)
            let value = try SupConLoss(options)(
                features, views: Self.views, dimension: Self.dimension, labels: Self.labels)
            let truth = Self.truth(
                Self.rows(features), each, temperature: Double(options.temperature))
            #expect(abs(value.loss / Double(options.scale) - truth) < 1e-5 * max(1, truth))
            #expect(value.anchors == each.count && value.anchorsWithoutPositive == 0)
            #expect(value.perAnchor.count == each.count)
        }
    }

    @Test func withoutLabelsTheViewsOfASampleArePositives() throws {
        let features = Self.features(), loss = SupConLoss()
        let value = try loss(features, views: Self.views, dimension: Self.dimension)
        let each = (0..<Self.samples).flatMap { [$0, $0] }
        let truth = Self.truth(Self.rows(features), each, temperature: 0.1)
        #expect(abs(value.loss / Double(loss.options.scale) - truth) < 1e-4 * max(1, truth))
    }

    @Test func gradientIsTheSlope() throws {
        var features = Self.features()
        var options = ContrastiveOptions()
        options.temperature = 0.5
        let loss = SupConLoss(options)
        func at(_ features: [Float]) throws -> SupConLoss.Value {
            try loss(features, views: Self.views, dimension: Self.dimension, labels: Self.labels)
        }
        let gradient = try at(features).gradient
        #expect(gradient.count == features.count)
        for index in [0, 17, features.count - 1] {
            let before = features[index], step: Float = 1e-2
            features[index] = before + step
            let above = try at(features).loss
            features[index] = before - step
            let below = try at(features).loss
            features[index] = before
            #expect(abs((above - below) / Double(2 * step) - Double(gradient[index])) < 2e-3)
        }
    }

    @Test func weightsMultiplyAnchors() throws {
        let features = Self.features(), loss = SupConLoss()
        func value(_ weights: [Float]?) throws -> SupConLoss.Value {
            try loss(
                features, views: Self.views, dimension: Self.dimension, labels: Self.labels,
                sampleWeights: weights)
        }
        let plain = try value(nil), weighted = try value([2, 1, 1, 0, 1, 1])
        #expect(weighted.perAnchor[0] == 2 * plain.perAnchor[0])
        #expect(weighted.perAnchor[6] == 0 && weighted.perAnchor[2] == plain.perAnchor[2])
    }

    @Test func refusesWhatDoesNotFit() throws {
        let loss = SupConLoss()
        func refuses(_ words: String, _ call: () throws -> SupConLoss.Value) {
            let error = #expect(throws: SupConError.self) { _ = try call() }
            #expect(error?.message.contains(words) == true)
        }
        refuses("7 numbers") { try loss([Float](repeating: 0, count: 7), views: 2, dimension: 3) }
        refuses("0 numbers") { try loss([], views: 1, dimension: 3) }
        refuses("whole samples") { try loss([1, 2], views: Int.max, dimension: 3) }
        refuses("1 labels; expected 2") {
            try loss([1, 0, 0, 1], views: 1, dimension: 2, labels: [1])
        }
        refuses("1 sample weights") {
            try loss([1, 0, 0, 1], views: 1, dimension: 2, sampleWeights: [1])
        }
    }
}
