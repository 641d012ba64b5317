import Foundation
import SupConLoss
import SupConTensor
import Testing

/// Tests identities that hold for any features.
@Suite struct ContrastiveIdentityTests {
    /// Checks that with equal embeddings the loss is ln(2N − 1) (or the value of another
    /// denominator), and that there is no gradient along the sphere.
    @Test(arguments: 0..<5, [Float(0.07), 0.5, 0.002])
    func equalEmbeddings(_ kind: Int, _ temperature: Float) throws {
        for samples in [3, 64, 301] {
            var it = Case(samples: samples, views: 2, dimension: 5)
            (it.options.form, it.options.denominator, it.options.temperature) = (
                Case.kinds[kind].0, Case.kinds[kind].1, temperature
            )
            (it.options.scale, it.options.normalize) = (2, true)
            let row: [Float] = [0.3, -2, 1, 0.7, 4]
            let outcome = try it.run((0..<2 * samples).flatMap { _ in row })
            #expect(
                abs(
                    outcome.result.loss
                        - ContrastiveLoss.collapsedLoss(it.options, samples: samples, views: 2))
                    < 3e-6)
            #expect(outcome.gradient.allSatisfy { abs($0) < 1e-5 })
        }
    }

    @Test func collapsedLossInNumbers() {
        var options = ContrastiveOptions()
        #expect(
            abs(ContrastiveLoss.collapsedLoss(options, samples: 128, views: 2) - log(255)) < 1e-12)
        options.scale = 3
        options.denominator = .negatives
        #expect(
            abs(ContrastiveLoss.collapsedLoss(options, samples: 128, views: 2) - 3 * log(254))
                < 1e-12)
        options.denominator = .onePositive
        #expect(
            abs(
                ContrastiveLoss.collapsedLoss(options, samples: 128, views: 2, positives: 55) - 3
                    * log(201)) < 1e-12)
        #expect(ContrastiveLoss.collapsedLoss(options, samples: 1, views: 1) == 0)
        options.denominator = .all
        #expect(ContrastiveLoss.collapsedLoss(options, samples: 1, views: 1) == 0)
    }

    /// Checks Jensen's inequality: L_in ≤ L_out, anchor by anchor.
    @Test(arguments: 1...4)
    func inIsAtMostOut(_ seed: UInt64) throws {
        for denominator in [ContrastiveOptions.Denominator.all, .negatives] {
            for pairs in [
                Pairs.labels(Case.labels(70, classes: 4, seed: seed)),
                .mask(Case.mask(70, soft: true, seed: seed)),
            ] {
                var it = Case(samples: 70, views: 2, dimension: 6, pairs: pairs)
                it.options.denominator = denominator
                let out = try it.run(it.features(seed: seed))
                it.options.form = .in
                let within = try it.run(it.features(seed: seed))
                for (i, o) in zip(within.perAnchor, out.perAnchor) { #expect(i <= o + 1e-5) }
                #expect(within.result.loss < out.result.loss)
            }
        }
    }

    /// Checks that negatives ≤ onePositive ≤ all, anchor by anchor.
    @Test(arguments: 1...4)
    func denominatorsAreOrdered(_ seed: UInt64) throws {
        var it = Case(
            samples: 70, views: 2, dimension: 6,
            pairs: .labels(Case.labels(70, classes: 4, seed: seed)))
        let losses = try [ContrastiveOptions.Denominator.negatives, .onePositive, .all].map {
            it.options.denominator = $0
            return try it.run(it.features(seed: seed)).perAnchor
        }
        for anchor in 0..<140 {
            #expect(
                losses[0][anchor] <= losses[1][anchor] + 1e-5
                    && losses[1][anchor] <= losses[2][anchor] + 1e-5)
        }
    }

    @Test(arguments: 0..<5)
    func noLabelsAreAllDifferentLabels(_ kind: Int) throws {
        for anchors in ContrastiveOptions.Anchors.allCases {
            var it = Case(samples: 90, views: 3, dimension: 7)
            (it.options.form, it.options.denominator, it.options.anchors) = (
                Case.kinds[kind].0, Case.kinds[kind].1, anchors
            )
            let none = try it.run(it.features())
            it.pairs = .labels((0..<90).map { Int64.min + Int64($0) * 4_294_967_296 })
            #expect(try it.run(it.features()) == none)
        }
    }

    /// Checks that with a single label L_in does not depend on the embeddings.
    @Test func oneLabelMakesInConstant() throws {
        var it = Case(
            samples: 100, views: 2, dimension: 6, pairs: .labels(.init(repeating: 9, count: 100)))
        it.options.form = .in
        for (seed, temperature) in [(UInt64(1), Float(0.1)), (2, 0.01)] {
            it.options.temperature = temperature
            let outcome = try it.run(it.features(seed: seed))
            #expect(abs(outcome.result.loss - log(199)) < 1e-6)
            #expect(outcome.gradient.allSatisfy { abs($0) < 1e-5 })
        }
    }

    @Test(arguments: 0..<5)
    func samplesMayComeInAnyOrder(_ kind: Int) throws {
        for soft in [false, true] {
            let labels = Case.labels(80, classes: 5), mask = Case.mask(80, soft: true)
            var it = Case(
                samples: 80, views: 2, dimension: 9, pairs: soft ? .mask(mask) : .labels(labels))
            (it.options.form, it.options.denominator) = Case.kinds[kind]
            let x = it.features(), plain = try it.run(x)
            var random = Philox(seed: 6, purpose: .test)
            let order = Array(0..<80).shuffled(using: &random)
            it.pairs =
                soft
                ? .mask(order.flatMap { i in order.map { mask[i * 80 + $0] } })
                : .labels(order.map { labels[$0] })
            let mixed = try it.run(order.flatMap { x[$0 * 18..<($0 + 1) * 18] })
            #expect(abs(mixed.result.loss - plain.result.loss) < 1e-6)
            for (place, sample) in order.enumerated() {
                for k in 0..<18 {
                    #expect(
                        abs(mixed.gradient[place * 18 + k] - plain.gradient[sample * 18 + k]) < 1e-6
                    )
                }
            }
        }
    }

    /// Checks that under rotations, by Householder reflections, the loss is unchanged and the
    /// gradient rotates too.
    @Test(arguments: 0..<5)
    func rotationsChangeNothing(_ kind: Int) throws {
        var it = Case(
            samples: 40, views: 2, dimension: 8, pairs: .labels(Case.labels(40, classes: 5)))
        (it.options.form, it.options.denominator) = Case.kinds[kind]
        let axis = Array(it.features(seed: 77)[0..<8])
        func turn(_ x: [Float]) -> [Float] {
            stride(from: 0, to: x.count, by: 8).flatMap { row in
                let along = (0..<8).reduce(Float(0)) { $0 + x[row + $1] * axis[$1] }
                return (0..<8).map { x[row + $0] - 2 * along * axis[$0] }
            }
        }
        let x = it.features(), plain = try it.run(x), turned = try it.run(turn(x))
        #expect(abs(plain.result.loss - turned.result.loss) < 1e-6)
        for (one, other) in zip(turn(plain.gradient), turned.gradient) {
            #expect(abs(one - other) < 2e-6)
        }
    }

    /// Checks that through the normalization the gradient is orthogonal to its row, and inverse to
    /// its length.
    @Test(arguments: 0..<5)
    func gradientIsOrthogonal(_ kind: Int) throws {
        var it = Case(
            samples: 40, views: 2, dimension: 8, pairs: .labels(Case.labels(40, classes: 5)))
        (it.options.form, it.options.denominator, it.options.normalize) = (
            Case.kinds[kind].0, Case.kinds[kind].1, true
        )
        let x = it.features(unit: false), plain = try it.run(x)
        for row in 0..<80 {
            let along = (0..<8).reduce(0.0) {
                $0 + Double(x[row * 8 + $1]) * Double(plain.gradient[row * 8 + $1])
            }
            #expect(abs(along) < 1e-7)
        }
        for factor in [Float(0x1p60), 0x1p-30] {
            let scaled = try it.run(x.map { $0 * factor })
            #expect(
                scaled.result.loss == plain.result.loss
                    && scaled.gradient.map { $0 * factor } == plain.gradient)
        }
    }

    /// Checks that scale and reduction are factors.
    @Test func scaleAndReductionAreFactors() throws {
        var it = Case(
            samples: 30, views: 1, dimension: 5, pairs: .labels(Case.labels(30, classes: 12)))
        it.options.reduction = .sum
        let x = it.features(), sum = try it.run(x),
            counted = Double(30 - sum.result.anchorsWithoutPositive)
        #expect(counted < 30)
        for (reduction, factor) in [
            (ContrastiveOptions.Reduction.mean, 1 / counted), (.meanAll, 1.0 / 30), (.none, 1),
        ] {
            (it.options.reduction, it.options.scale) = (reduction, -3)
            let other = try it.run(x)
            #expect(
                abs(other.result.loss + 3 * factor * sum.result.loss) < 1e-9 * abs(sum.result.loss))
            for (one, all) in zip(other.gradient, sum.gradient) {
                #expect(
                    abs(Double(one) + 3 * factor * Double(all)) < 1e-6 * max(1, abs(Double(all))))
            }
        }
    }
}
