import Foundation
import SupConLoss
import SupConTensor
import Testing

/// Compares the loss with its formulas in double precision.
@Suite struct ContrastiveLossTests {
    private static func pairs(_ samples: Int) -> [Pairs] {
        [
            .views, .labels(Case.labels(samples, classes: 3)),
            .mask(Case.mask(samples, soft: false)), .mask(Case.mask(samples, soft: true)),
        ]
    }

    /// Tests every combination of options: the losses, and each element of the gradient by finite
    /// differences.
    @Test(arguments: 0..<5, [1, 2, 3])
    func agreesWithTheFormulas(_ kind: Int, _ views: Int) throws {
        for anchors in ContrastiveOptions.Anchors.allCases {
            for normalize in [false, true] {
                for pairs in Self.pairs(5) {
                    var it = Case(samples: 5, views: views, dimension: 3, pairs: pairs)
                    (it.options.form, it.options.denominator) = Case.kinds[kind]
                    (
                        it.options.anchors, it.options.normalize, it.options.temperature,
                        it.options.scale
                    ) = (anchors, normalize, 0.3, 1.5)
                    let x = it.features(unit: !normalize), exact = x.map(Double.init)
                    for reduction in ContrastiveOptions.Reduction.allCases {
                        it.options.reduction = reduction
                        let (outcome, losses, comment) = (
                            try it.run(x), it.reference.losses(exact),
                            Comment("\(it.options) \(pairs)")
                        )
                        #expect(
                            outcome.result.anchors == losses.count
                                && outcome.result.anchorsWithoutPositive
                                    == losses.count { $0 == nil },
                            comment)
                        #expect(
                            abs(outcome.result.loss - it.reference.loss(exact)) < 3e-6
                                * max(1, abs(it.reference.loss(exact))), comment)
                        for (mine, exact) in zip(outcome.perAnchor, losses) {
                            #expect(abs(Double(mine) - (exact ?? 0)) < 5e-6, comment)
                        }
                        for k in x.indices where reduction == .mean || k % 7 == 0 {
                            var direction = [Double](repeating: 0, count: x.count)
                            direction[k] = 1
                            let slope = it.reference.slope(exact, along: direction)
                            #expect(
                                abs(Double(outcome.gradient[k]) - slope) < 1e-5
                                    * max(1, abs(slope)), "[\(k)] \(comment)")
                        }
                    }
                }
            }
        }
    }

    private func compare(_ it: Case, unit: Bool = true, directions: Int = 1) throws {
        let x = it.features(unit: unit), exact = x.map(Double.init), outcome = try it.run(x),
            comment = Comment("\(it.options) \(it.samples) × \(it.views)")
        let losses = it.reference.losses(exact)
        for (anchor, loss) in losses.enumerated()
        where abs(Double(outcome.perAnchor[anchor]) - (loss ?? 0)) > 1e-5 {
            Issue.record(
                "anchor \(anchor): \(outcome.perAnchor[anchor]), expected \(loss ?? 0); \(comment)")
        }
        #expect(outcome.result.anchorsWithoutPositive == losses.count { $0 == nil }, comment)
        var random = Philox(seed: 9, purpose: .test)
        for round in 0..<directions {
            // Alternately all numbers and those of a few rows.
            let direction = exact.indices.map { _ in
                round % 2 == 1 && random.uniform() < 0.98 ? 0 : Double(random.normal())
            }
            let slope = it.reference.slope(exact, along: direction)
            let mine = zip(outcome.gradient, direction).reduce(0) { $0 + Double($1.0) * $1.1 }
            let size = zip(outcome.gradient, direction).reduce(0) { $0 + abs(Double($1.0) * $1.1) }
            #expect(abs(mine - slope) < 1e-6 * max(1, size), comment)
        }
    }

    /// Tests sizes that no block size divides, with several blocks.
    @Test(arguments: 0..<5)
    func tilesAgreeWithTheFormulas(_ kind: Int) throws {
        for (samples, views) in [(131, 1), (61, 3)] {
            for anchors in ContrastiveOptions.Anchors.allCases {
                for pairs in [
                    Pairs.views, .labels(Case.labels(samples, classes: 6)),
                    .mask(Case.mask(samples, soft: true)),
                ] {
                    var it = Case(samples: samples, views: views, dimension: 5, pairs: pairs)
                    (it.options.form, it.options.denominator) = Case.kinds[kind]
                    (it.options.anchors, it.options.reduction) = (anchors, .sum)
                    try compare(it, directions: 2)
                }
            }
        }
    }

    /// Tests blocks of the largest size, with more than one strip of rows in each.
    @Test func largestTilesAgreeWithTheFormulas() throws {
        var it = Case(
            samples: 967, views: 2, dimension: 2, pairs: .labels(Case.labels(967, classes: 40)))
        try compare(it)
        it.options.temperature = 0.005  // with a running maximum, one way
        let x = it.features(), outcome = try it.run(x),
            losses = it.reference.losses(x.map(Double.init))
        for (mine, exact) in zip(outcome.perAnchor, losses) where abs(Double(mine) - exact!) > 2e-4
        { Issue.record("\(mine), expected \(exact!)") }
    }

    /// Tests a mask, which takes another path than the equivalent labels.
    @Test(arguments: 0..<5)
    func masksAgreeWithLabels(_ kind: Int) throws {
        let labels = Case.labels(150, classes: 7)
        var it = Case(samples: 150, views: 2, dimension: 16, pairs: .labels(labels))
        (it.options.form, it.options.denominator) = Case.kinds[kind]
        let x = it.features(), byLabels = try it.run(x)
        // Both sum in f32, in another order: a few units in the last place of the largest.
        let tolerance = 2e-6 * byLabels.gradient.map(abs).max()!
        // Weights count relative to each other: a row of 0.25 is one of 1, of 2⁻¹³³ or 3e38 too.
        for weight in [Float(1), 0.25, 0x1p-133, 3e38] {
            it.pairs = .mask(labels.flatMap { own in labels.map { $0 == own ? weight : 0 } })
            let byMask = try it.run(x)
            #expect(abs(byMask.result.loss - byLabels.result.loss) < 1e-6)
            for (one, other) in zip(byMask.gradient, byLabels.gradient)
            where abs(one - other) > tolerance {
                Issue.record("\(one), \(other) with weight \(weight)")
            }
        }
    }

    /// Tests values of few bits, so that similarities are exact and large ones can be compared
    /// closely.
    @Test(arguments: 0..<5, [Float(0x1p-3), 0x1p-10, 0x1p-20, 0x1p20])
    func largeSimilarities(_ kind: Int, _ temperature: Float) throws {
        for anchors in ContrastiveOptions.Anchors.allCases {
            for soft in [false, true] {
                var it = Case(
                    samples: 40, views: 2, dimension: 3,
                    pairs: soft
                        ? .mask(Case.mask(40, soft: true)) : .labels(Case.labels(40, classes: 5)))
                (it.options.form, it.options.denominator) = Case.kinds[kind]
                (it.options.temperature, it.options.anchors) = (temperature, anchors)
                var random = Philox(seed: 12, purpose: .test)
                let x = (0..<240).map { _ in Float(random.index(below: 33)) / 4 - 4 }
                let outcome = try it.run(x), losses = it.reference.losses(x.map(Double.init))
                for (mine, exact) in zip(outcome.perAnchor, losses)
                where abs(Double(mine) - (exact ?? 0)) > 2e-6 * max(1, abs(exact ?? 0)) {
                    Issue.record("\(mine), expected \(exact ?? 0); \(it.options)")
                }
                #expect(outcome.gradient.allSatisfy { $0.isFinite })
            }
        }
    }

    @Test func anchorsWithoutPositivesContributeNothing() throws {
        for kind in Case.kinds {
            for temperature in [Float(0.1), 0.001] {
                var it = Case(
                    samples: 50, views: 1, dimension: 8, pairs: .labels((0..<50).map { Int64($0) }))
                (it.options.form, it.options.denominator, it.options.temperature) = (
                    kind.0, kind.1, temperature
                )
                let none = try it.run(it.features())
                #expect(
                    none.result
                        == ContrastiveResult(loss: 0, anchors: 50, anchorsWithoutPositive: 50))
                #expect(
                    none.gradient.allSatisfy { $0 == 0 } && none.perAnchor.allSatisfy { $0 == 0 })
                // Two of them are alike: the mean is over those two.
                it.pairs = .labels((0..<50).map { Int64($0 == 31 ? 4 : $0) })
                let two = try it.run(it.features()),
                    exact = it.reference.losses(it.features().map(Double.init))
                #expect(two.result.anchorsWithoutPositive == 48)
                #expect(
                    abs(two.result.loss - (exact[4]! + exact[31]!) / 2) < 1e-5
                        * max(1, abs(two.result.loss)))
            }
        }
    }

    /// Tests one view of one sample, which has nothing to be compared with, and the absence of
    /// negatives.
    @Test(arguments: 0..<5)
    func degenerateBatches(_ kind: Int) throws {
        for (samples, views) in [(1, 1), (1, 2), (1, 5), (2, 1)] {
            for temperature in [Float(0.1), 1e-3] {
                var it = Case(
                    samples: samples, views: views, dimension: 3,
                    pairs: .labels(.init(repeating: 1, count: samples)))
                (it.options.form, it.options.denominator, it.options.temperature) = (
                    Case.kinds[kind].0, Case.kinds[kind].1, temperature
                )
                let outcome = try it.run(it.features())
                #expect(
                    abs(outcome.result.loss - it.reference.loss(it.features().map(Double.init)))
                        < 1e-3)
                #expect(outcome.gradient.allSatisfy { $0.isFinite })
                if it.options.denominator != .all {
                    #expect(outcome.result.loss == 0 && outcome.gradient.allSatisfy { $0 == 0 })
                }
            }
        }
    }

    @Test(arguments: 0..<5)
    func sameBytesOnAnyNumberOfThreads(_ kind: Int) throws {
        for pairs in [
            Pairs.labels(Case.labels(150, classes: 9)), .mask(Case.mask(150, soft: true)),
        ] {
            var it = Case(samples: 150, views: 2, dimension: 11, pairs: pairs, threads: 1)
            (it.options.form, it.options.denominator) = Case.kinds[kind]
            let x = it.features(), one = try it.run(x)
            for threads in [2, 3, 7] {
                it.threads = threads
                let loss = try it.loss()
                #expect(try loss.run(x, pairs) == one)
                _ = try loss.run(it.features(seed: 2), .views)  // nothing of it is left
                #expect(try loss.run(x, pairs) == one)
            }
        }
    }

    /// Checks that the loss is the same without a gradient or the anchors' losses.
    @Test func outputsAreOptional() throws {
        let it = Case(samples: 40), x = it.features()
        #expect(
            try it.loss().evaluate(features: x, positives: .views, perAnchor: nil, gradient: nil)
                == it.run(x).result)
    }

    @Test func memoryGrowsWithTheRowsOnly() throws {
        let context = try ExecutionContext(threads: 2)
        var options = ContrastiveOptions()
        options.normalize = true
        let loss = try ContrastiveLoss(
            options, samples: 32768, views: 2, dimension: 128, context: context)
        #expect(loss.memoryByteCount < 100 << 20)
    }
}
