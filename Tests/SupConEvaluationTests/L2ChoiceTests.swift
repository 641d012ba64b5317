import SupConTensor
import TestSupport
import Testing

@testable import SupConEvaluation

@Suite struct L2ChoiceTests {
    /// Rows of 10 classes in 200 dimensions that all tell the class, within much noise: they ask
    /// for a large l2.
    func noisy(_ count: Int, seed: UInt64) -> LabeledRows {
        LabeledRows(random: count, dimension: 200, classes: 10, seed: seed, spread: 6)
    }

    /// Rows whose class is that of the largest of some linear functions, all but a fraction
    /// `wrong`. Without wrong labels they ask for a small l2.
    func linear(
        _ count: Int, dimension: Int, classes: Int, wrong: Float = 0, seed: UInt64
    ) -> LabeledRows {
        var data = LabeledRows(random: count, dimension: dimension, classes: 1, seed: seed)
        var teacher = Philox(seed: 11, purpose: .test), random = Philox(seed: seed, purpose: .test)
        let weight = (0..<classes).map { _ in (0..<dimension).map { _ in Double(teacher.normal()) }
        }
        for i in 0..<count {
            let row = data.unit(i), scores = weight.map { dot($0, row) }
            data.labels[i] = Int64(scores.firstIndex(of: scores.max() ?? 0) ?? 0)
            if random.uniform() < wrong { data.labels[i] = Int64(random.index(below: classes)) }
        }
        return data
    }

    func fit(
        _ data: LabeledRows, l2: Float? = nil, weights: [Float]? = nil, copies: [Int] = [],
        scaling: SoftmaxRegression.Scaling = .unit, context: ExecutionContext = .default,
        stop: (Int, Int) -> Bool = { _, _ in false }
    ) throws -> SoftmaxRegression {
        let classes = Int(data.labels.max() ?? 0) + 1
        return try data.with {
            try SoftmaxRegression(
                rows: $0, labels: $1, dimension: data.dimension, classes: classes, scaling: scaling,
                weights: weights, copies: copies,
                options: l2.map { ClassifierOptions(l2: $0) } ?? .init(),
                context: context, stop: stop)
        }
    }

    /// Returns the fraction of rows that a fit predicts correctly, in f64.
    func accuracy(_ fitted: SoftmaxRegression, _ data: LabeledRows) -> Double {
        let d = data.dimension
        let weight = (0..<fitted.classes).map {
            fitted.weight[$0 * d..<($0 + 1) * d].map(Double.init)
        }
        let right = (0..<data.count).count { i in
            let row = data.unit(i)
            let z = weight.indices.map { dot(weight[$0], row) + Double(fitted.bias[$0]) }
            return z.firstIndex(of: z.max() ?? 0) == Int(data.labels[i])
        }
        return Double(right) / Double(data.count)
    }

    /// Clean rows, wrong labels and noise each need another l2. The truth is the accuracy on fresh
    /// rows with true labels, where the others are worse by more than half a point.
    @Test(arguments: [0.05, 0.5, 5, 50]) func choosesWhatPredictsFreshRowsBest(
        _ best: Double
    ) throws {
        let few = 1000, many = 3000
        let (data, fresh) =
            switch best {
            case 0.05:
                (
                    linear(few, dimension: 8, classes: 40, seed: 1),
                    linear(4000, dimension: 8, classes: 40, seed: 2)
                )
            case 0.5:
                (
                    linear(many, dimension: 20, classes: 80, wrong: 0.02, seed: 1),
                    linear(4000, dimension: 20, classes: 80, seed: 2)
                )
            case 5:
                (
                    linear(many, dimension: 100, classes: 30, wrong: 0.1, seed: 1),
                    linear(4000, dimension: 100, classes: 30, seed: 2)
                )
            default: (noisy(few, seed: 1), noisy(4000, seed: 2))
            }
        let candidates = [0.05, 0.5, 5, 50].map { Float($0 / Double(data.count)) }
        let known = try candidates.map { accuracy(try fit(data, l2: $0), fresh) }
        let most = known.max() ?? 0
        #expect(known.filter { $0 < most - 0.005 }.count == 3, "\(known)")
        #expect(try fit(data).l2 == candidates[known.firstIndex(of: most) ?? 0], "\(known)")
        #expect(candidates[known.firstIndex(of: most) ?? 0] == Float(best / Double(data.count)))
    }

    /// The report is what was used: given as the option, it gives the same bytes.
    @Test(arguments: [SoftmaxRegression.Scaling.unit, .scaled]) func theReportedL2GivesTheSameFit(
        _ scaling: SoftmaxRegression.Scaling
    ) throws {
        let data = noisy(300, seed: 3)
        let weights = (0..<300).map { Float($0 % 7) }
        let chosen = try fit(data, weights: weights, scaling: scaling)
        let given = try fit(data, l2: chosen.l2, weights: weights, scaling: scaling)
        #expect(chosen.weight == given.weight && chosen.bias == given.bias)
        #expect(given.l2 == chosen.l2)
        let candidates = [0.05, 0.5, 5, 50].map { Float($0 / 257) }  // 43 rows have a weight of 0
        #expect(candidates.contains(chosen.l2))
    }

    @Test func numberOfThreadsDoesNotMatter() throws {
        let data = linear(2500, dimension: 100, classes: 30, wrong: 0.1, seed: 4)
        let fits = try [1, 2, 5].map { try fit(data, context: ExecutionContext(threads: $0)) }
        for other in fits[1...] {
            #expect(other.l2 == fits[0].l2 && other.weight == fits[0].weight)
        }
    }

    /// Rows of weight 0 neither count nor judge, and heavy rows judge more than light ones.
    @Test func weightsCount() throws {
        let (clean, noise) = (
            linear(1000, dimension: 20, classes: 10, seed: 1), noisy(1000, seed: 1)
        )
        var both = noise
        // Zeros fill the rows of 20 numbers up to 200.
        for i in 0..<1000 {
            both.rows += clean.rows[i * 20..<(i + 1) * 20] + [Float](repeating: 0, count: 180)
        }
        both.labels += clean.labels
        let (small, large) = (try fit(clean).l2, try fit(noise).l2)
        #expect(small <= Float(0.5 / 1000) && large == Float(50.0 / 1000))
        let one = [Float](repeating: 1, count: 1000), zero = [Float](repeating: 0, count: 1000)
        #expect(try fit(both, weights: zero + one).l2 == small)
        #expect(try fit(both, weights: one + zero).l2 == large)
        let light = [Float](repeating: 1e-3, count: 1000)
        #expect(try fit(both, weights: light + one).l2 == small / 2)
        #expect(try fit(both, weights: one + light).l2 == large / 2)
    }

    /// Noise asks for 50 / n, which 99 rows are too few to find out.
    @Test func fewRowsHaveTheUsualL2() throws {
        let enough = noisy(100, seed: 5)
        var few = enough
        few.labels.removeLast()
        few.rows.removeLast(200)
        #expect(try fit(few).l2 == Float(5.0 / 99))
        #expect(try L2Choice(enough) != nil && L2Choice(few) == nil)
        // 101 classes of one row: none can be held out.
        var single = noisy(200, seed: 6)
        for i in 0..<101 { single.labels[i] = Int64(10 + i) }
        #expect(try fit(single).l2 == Float(5.0 / 200))
        // All classes are one class: every l2 predicts it.
        var one = enough
        one.labels = one.labels.map { _ in 0 }
        #expect(try fit(one).l2 == Float(5.0 / 100))
    }

    /// Rows that are there twice are fitted on twice, but do not judge what knows them.
    @Test func copiesDoNotJudge() throws {
        var data = noisy(600, seed: 9)
        #expect(try fit(data).l2 == Float(50.0 / 600))
        data.rows += data.rows
        data.labels += data.labels
        #expect(try fit(data, copies: Array(0..<600)).l2 == Float(50.0 / 1200))
        // A choice that is not told judges by rows that it has fitted.
        #expect(try fit(data).l2 < Float(50.0 / 1200))
    }

    @Test func copiesStayWithTheirRows() throws {
        let labels = (0..<300).map { Int32($0 % 3) }
        let copies = Array(stride(from: 0, to: 300, by: 2))
        let alone = try Folds(labels: labels, classes: 3, weights: nil, context: .default)
        let folds = try Folds(
            labels: labels + copies.map { labels[$0] }, classes: 3, weights: nil, copies: copies,
            context: .default)
        for fold in 0..<5 {
            let (before, now) = (alone.divided(by: fold), folds.divided(by: fold))
            #expect(now.judging == before.judging)
            let ours = before.fitted.compactMap { copies.firstIndex(of: $0) }.map { 300 + $0 }
            #expect(now.fitted.sorted() == (before.fitted + ours).sorted())
        }
    }

    @Test(arguments: [103, 4000, 25_000]) func foldsAreFifthsOfEachClass(_ count: Int) throws {
        var random = Philox(seed: 7, purpose: .test)
        // Class 0 has a single row, class 1 two, and class 6 none; every 11th row has no weight.
        let labels = (0..<count).map { row in
            row == 50 ? 0 : row < 2 ? 1 : Int32(2 + random.index(below: 4))
        }
        let weights = (0..<count).map { $0 % 11 == 10 ? 0 : Float(1 + $0 % 3) }
        let folds = try Folds(labels: labels, classes: 7, weights: weights, context: .default)
        let again = try Folds(
            labels: labels, classes: 7, weights: weights.map { 2 * $0 }, context: .default)
        #expect(folds.rows == again.rows && folds.folds == again.folds)
        let counted = weights.count { $0 > 0 }, all = min(counted, 10_000)
        #expect(Set(folds.rows).count == all && folds.rows == folds.rows.sorted())
        #expect(folds.rows.allSatisfy { weights[$0] > 0 })
        var judged: Set<Int> = []
        for fold in 0..<5 {
            let (fitted, judging) = folds.divided(by: fold)
            #expect(Set(fitted).union(judging) == Set(folds.rows))
            #expect(fitted.count + judging.count == all && judged.isDisjoint(with: judging))
            judged.formUnion(judging)
            #expect(abs(judging.count - all / 5) <= 1)
            for c in 0..<7 {
                let own = judging.count { labels[$0] == c },
                    known = fitted.count { labels[$0] == c }
                #expect(abs(Double(own) - Double(own + known) / 5) <= 1, "class \(c): \(own)")
                #expect(known >= 1 || own == 0)
                let present = labels.indices.count { labels[$0] == c && weights[$0] > 0 }
                let part = Double(present) * Double(all) / Double(counted)
                #expect(abs(Double(own + known) - part) < 1.1, "class \(c) of \(part)")
            }
        }
        let single = folds.rows.filter { !judged.contains($0) }
        #expect(single.allSatisfy { row in folds.rows.count { labels[$0] == labels[row] } == 1 })
        #expect(judged.count == folds.judging)
        if count <= 10_000 { #expect(single == [50]) }
    }

    @Test func saysHowFarItIsAndStops() throws {
        let data = noisy(1000, seed: 8)
        var heard: [[Int]] = []
        _ = try fit(data) {
            heard.append([$0, $1])
            return false
        }
        #expect(heard.map { $0[0] } == Array(1...heard.count))
        #expect(heard.allSatisfy { $0[1] == 1200 } && heard.count < 1200)
        expectError(.canceled) { _ = try fit(data) { i, _ in i == 1 } }
        expectError(.canceled) { _ = try fit(data) { i, _ in i == heard.count - 1 } }
        // A cancel of the context ends the choice too, and says so.
        let context = try ExecutionContext()
        for last in [1, heard.count - 1] {
            expectError(.canceled, "cancel of its context") {
                _ = try fit(data, context: context) { i, _ in
                    if i == last { context.cancel() }
                    return false
                }
            }
        }
        _ = try fit(data, context: context)
    }

    @Test func refusesWhatDoesNotFitIntoMemory() throws {
        let data = noisy(1000, seed: 8)
        // The copy of the rows takes 800,000 bytes.
        let small = try ExecutionContext(memoryLimit: 600_000)
        expectError(.memory) { _ = try fit(data, scaling: .scaled, context: small) }
        _ = try fit(data, l2: 1e-3, scaling: .scaled, context: small)
    }
}

extension L2Choice {
    fileprivate init?(_ data: LabeledRows) throws {
        try self.init(
            labels: data.labels.map { Int32($0) }, classes: 10, weights: nil, context: .default)
    }
}
