import Foundation
import SupConLoss
import SupConTensor
import Testing

/// Tests a cap of K positives. The chosen positives are not taken from the library: among all
/// subsets, the test finds the one whose loss by the formula is the anchor's.
@Suite struct PositivesCapTests {
    private static func subsets(_ of: [Int], _ size: Int) -> [[Int]] {
        if size == 0 { return [[]] }
        guard let first = of.first else { return [] }
        let rest = Array(of.dropFirst())
        return subsets(rest, size - 1).map { [first] + $0 } + subsets(rest, size)
    }

    /// Finds, for each anchor, the subset that explains its loss; records an issue if none or
    /// several do.
    private func explain(_ it: Case, _ features: [Float], _ outcome: Outcome) -> [Set<Int>] {
        let (rows, views, exact) = (it.samples * it.views, it.views, features.map(Double.init))
        let anchors =
            it.options.anchors == .all
            ? Array(0..<rows) : Array(stride(from: 0, to: rows, by: views))
        return anchors.enumerated().map { anchor, i in
            let all = (0..<rows).filter {
                $0 != i && it.pairs.weight(i / views, $0 / views, samples: it.samples) > 0
            }
            let own = all.filter { $0 / views == i / views },
                others = all.filter { $0 / views != i / views }
            let cap = it.options.positivesCap
            let candidates = Self.subsets(own, min(cap, own.count)).flatMap { kept in
                Self.subsets(others, min(cap - kept.count, others.count)).map { Set(kept + $0) }
            }
            let fitting = candidates.filter { candidate in
                var reference = it.reference
                var chosen = [Set<Int>](repeating: [], count: anchors.count)
                chosen[anchor] = candidate
                reference.chosen = chosen
                return abs(
                    (reference.losses(exact)[anchor] ?? 0) - Double(outcome.perAnchor[anchor]))
                    < 3e-6
            }
            if fitting.count != 1 {
                Issue.record(
                    """
                    anchor \(anchor): \(fitting.count) of \(candidates.count) subsets explain \
                    its loss; \(it.options) \(it.pairs)
                    """
                )
            }
            return fitting.first ?? []
        }
    }

    @Test(arguments: 0..<5, [1, 2, 3])
    func agreesWithTheFormulaForSomeChoice(_ kind: Int, _ views: Int) throws {
        for anchors in ContrastiveOptions.Anchors.allCases {
            for cap in [1, 2, 3] {
                for pairs in [
                    Pairs.views, .labels([4, 4, 9, 4, 4]), .mask(Case.mask(5, soft: false)),
                    .mask(Case.mask(5, soft: true)),
                ] {
                    var it = Case(samples: 5, views: views, dimension: 3, pairs: pairs)
                    (it.options.form, it.options.denominator) = Case.kinds[kind]
                    (
                        it.options.anchors, it.options.positivesCap, it.options.temperature,
                        it.options.seed
                    ) = (anchors, cap, 0.4, 5)
                    let x = it.features(), exact = x.map(Double.init),
                        outcome = try it.run(x, draw: 7)
                    var reference = it.reference
                    reference.chosen = explain(it, x, outcome)
                    #expect(
                        outcome.result.anchorsWithoutPositive
                            == reference.losses(exact).count { $0 == nil })
                    #expect(
                        abs(outcome.result.loss - reference.loss(exact)) < 3e-6
                            * max(1, abs(reference.loss(exact))))
                    for k in x.indices {
                        var direction = [Double](repeating: 0, count: x.count)
                        direction[k] = 1
                        let slope = reference.slope(exact, along: direction)
                        #expect(
                            abs(Double(outcome.gradient[k]) - slope) < 1e-5 * max(1, abs(slope)),
                            "[\(k)] \(it.options) \(pairs)")
                    }
                }
            }
        }
    }

    /// Checks that a cap that no anchor reaches changes nothing, though it takes another path, in
    /// blocks of all sizes.
    @Test(arguments: 0..<5)
    func aLargeCapChangesNothing(_ kind: Int) throws {
        for mask in [false, true] {
            let labels = Case.labels(150, classes: 9)
            var it = Case(
                samples: 150, views: 2, dimension: 8,
                pairs: mask ? .mask(Case.mask(150, soft: true)) : .labels(labels))
            (it.options.form, it.options.denominator) = Case.kinds[kind]
            let x = it.features(), without = try it.run(x)
            it.options.positivesCap = 298
            let with = try it.run(x)
            #expect(abs(with.result.loss - without.result.loss) < 1e-6)
            for (one, other) in zip(with.gradient, without.gradient) where abs(one - other) > 3e-8 {
                Issue.record("\(one), \(other)")
            }
        }
    }

    @Test func theChoiceIsNamedBySeedAndDrawAlone() throws {
        var it = Case(
            samples: 90, views: 2, dimension: 6, pairs: .labels(Case.labels(90, classes: 3)))
        (it.options.positivesCap, it.options.seed) = (5, 11)
        let x = it.features(), first = try it.run(x, draw: 3)
        it.threads = 1
        #expect(try it.run(x, draw: 3) == first)
        #expect(try it.run(x, draw: 4).perAnchor != first.perAnchor)
        it.options.seed = 12
        #expect(try it.run(x, draw: 3).perAnchor != first.perAnchor)
    }

    /// Checks that the anchor's other view is always chosen, and each pair of the other four views
    /// equally often: χ² with 5 degrees of freedom is below 20.5 in 99.9 % of cases.
    @Test func choicesAreUniform() throws {
        var it = Case(samples: 3, views: 2, dimension: 3, pairs: .labels([1, 1, 1]))
        it.options.positivesCap = 3
        let x = it.features()
        var counts: [Set<Int>: Int] = [:]
        let loss = try it.loss()
        let rounds = 600
        for draw in 0..<rounds {
            counts[explain(it, x, try loss.run(x, it.pairs, draw: draw))[0], default: 0] += 1
        }
        #expect(counts.count == 6 && counts.keys.allSatisfy { $0.contains(1) && $0.count == 3 })
        let expected = Double(rounds) / 6
        let chi = counts.values.reduce(0) {
            $0 + (Double($1) - expected) * (Double($1) - expected) / expected
        }
        #expect(chi < 20.5, "\(counts)")
    }

    /// Checks that a cap of one positive keeps SimCLR's other view, and removes same-label views
    /// from the denominator instead of making them negatives.
    @Test func onePositiveIsSimCLRWithoutFalseNegatives() throws {
        var it = Case(samples: 4, views: 2, dimension: 5, pairs: .labels([1, 1, 2, 3]))
        (it.options.positivesCap, it.options.temperature) = (1, 0.5)
        let x = it.features(), outcome = try it.run(x)
        func s(_ i: Int, _ j: Int) -> Double {
            (0..<5).reduce(0) { $0 + Double(x[i * 5 + $1]) * Double(x[j * 5 + $1]) } / 0.5
        }
        for i in 0..<8 {
            let other = i ^ 1, negatives = (0..<8).filter { $0 / 2 != i / 2 && !(i < 4 && $0 < 4) }
            let expected =
                -s(i, other) + log(exp(s(i, other)) + negatives.reduce(0) { $0 + exp(s(i, $1)) })
            #expect(abs(Double(outcome.perAnchor[i]) - expected) < 1e-5)
        }
    }

    @Test func nPairsIsItsClosedForm() throws {
        // Pairs (2i, 2i + 1) of one class: −log exp(a·p) / Σ exp(a·x) over all others, τ = 1.
        var it = Case(
            samples: 12, views: 1, dimension: 6, pairs: .labels((0..<12).map { Int64($0 / 2) }))
        it.options = .nPairs
        let x = it.features(unit: false), outcome = try it.run(x)
        func s(_ i: Int, _ j: Int) -> Double {
            (0..<6).reduce(0) { $0 + Double(x[i * 6 + $1]) * Double(x[j * 6 + $1]) }
        }
        for i in 0..<12 {
            // log(1 + Σ_n exp(a·n − a·p)) over all 2(N − 1) rows of other pairs.
            let p = i ^ 1,
                expected = log(
                    1
                        + (0..<12).reduce(0) {
                            $1 == i || $1 == p ? $0 : $0 + exp(s(i, $1) - s(i, p))
                        })
            #expect(abs(Double(outcome.perAnchor[i]) - expected) < 1e-5)
        }
        // A third image of the class is neither the positive nor a negative.
        it.pairs = .labels([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
        _ = explain(it, x, try it.run(x))
    }

    /// Checks L = log(1 + exp u), u = (|a − p|² − |a − n|²)/2τ, and that 2τ (exp L − 1) → |a − p|²
    /// − |a − n|² + 2τ as u → 0.
    @Test func tripletOfMarginTwiceTheTemperature() throws {
        var it = Case(samples: 3, views: 1, dimension: 4, pairs: .labels([0, 0, 1]))
        let x = it.features()
        func distance(_ i: Int, _ j: Int) -> Double {
            (0..<4).reduce(0) {
                let d = Double(x[i * 4 + $1]) - Double(x[j * 4 + $1]); return $0 + d * d
            }
        }
        for temperature in [Float(0.1), 1, 64, 4096] {
            it.options.temperature = temperature
            let tau = Double(temperature), loss = Double(try it.run(x).perAnchor[0]),
                u = (distance(0, 1) - distance(0, 2)) / (2 * tau)
            #expect(abs(loss - log(1 + exp(u))) < 1e-5 * max(1, loss))
            let triplet = distance(0, 1) - distance(0, 2) + 2 * tau
            if abs(u) < 1 {
                #expect(abs(2 * tau * (exp(loss) - 1) - triplet) < tau * u * u * 2 + 1e-6 * tau)
            }
        }
    }

    @Test func badCapsAreRefused() {
        for cap in [-1, Int.min, Int.max] {
            var options = ContrastiveOptions()
            options.positivesCap = cap
            let error = #expect(throws: SupConError.self) { try options.validate() }
            #expect(
                error?.kind == .argument
                    && error?.message.contains("positives_cap is \(cap)") == true)
        }
        var options = ContrastiveOptions()
        options.positivesCap = 1 << 20
        let error = #expect(throws: SupConError.self) {
            try ContrastiveLoss(
                options, samples: 1 << 24, views: 1, dimension: 1,
                context: ExecutionContext(threads: 1))
        }
        #expect(error?.kind == .memory)
    }
}
