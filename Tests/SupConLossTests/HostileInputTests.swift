import Foundation
import SupConLoss
import SupConTensor
import Testing

/// Checks that invalid input is rejected with its kind and a message, and leaves the outputs
/// unchanged.
@Suite struct HostileInputTests {
    private func refused(
        _ kind: SupConError.Kind, _ words: String, _ body: () throws -> Void, line: Int = #line
    ) {
        let error = #expect(throws: SupConError.self, "line \(line)") { try body() }
        #expect(
            error?.kind == kind && error?.message.contains(words) == true,
            "line \(line): \(String(describing: error))")
    }

    @Test func options() throws {
        for temperature in [Float(0), -0.1, .nan, .infinity, 0x1p-130] {
            refused(.argument, "temperature is \(temperature)") {
                var it = Case()
                it.options.temperature = temperature
                _ = try it.loss()
            }
        }
        for scale in [Float.nan, .infinity, -.infinity] {
            refused(.argument, "scale is \(scale)") {
                var it = Case()
                it.options.scale = scale
                _ = try it.loss()
            }
        }
        refused(.argument, "form out only") {
            var it = Case()
            (it.options.form, it.options.denominator) = (.in, .onePositive)
            _ = try it.loss()
        }
    }

    @Test func sizes() throws {
        for (samples, views, dimension) in [
            (0, 2, 3), (3, 0, 3), (3, 2, 0), (-1, 2, 3), (Int.max, 2, 2), (1 << 30, 2, 1),
            (1 << 20, 1, 1 << 42), (1 << 40, 1 << 40, 1), (2, 2, Int.max),
        ] {
            refused(.shape, "features are [\(samples), \(views), \(dimension)]") {
                _ = try Case(samples: samples, views: views, dimension: dimension).loss()
            }
        }
        refused(.memory, "the loss of 200000 embeddings") {
            _ = try ContrastiveLoss(
                ContrastiveOptions(), samples: 100_000, views: 2, dimension: 512,
                context: ExecutionContext(threads: 1, memoryLimit: 1 << 20))
        }
    }

    @Test func featuresThatAreNotFinite() throws {
        for normalize in [false, true] {
            for value in [Float.nan, .infinity, -.infinity] {
                var it = Case(samples: 30, views: 2, dimension: 7)
                it.options.normalize = normalize
                var x = it.features()
                x[37 * 7 + 6] = value
                refused(.argument, "row 37 of the features (sample 18, view 1)") {
                    _ = try it.run(x)
                }
            }
        }
    }

    @Test func featuresTooLongForTheTemperature() throws {
        var it = Case(samples: 30, views: 2, dimension: 7)
        var x = it.features()
        for k in 0..<7 { x[5 * 7 + k] = 1e30 }
        for temperature in [Float(0.1), 1e38] {
            it.options.temperature = temperature
            refused(.argument, "row 5 of the features has length") { _ = try it.run(x) }
        }
        it.options.temperature = 0.1
        it.options.normalize = true
        let outcome = try it.run(x)
        #expect(outcome.result.loss.isFinite && outcome.gradient.allSatisfy { $0.isFinite })
    }

    @Test func masks() throws {
        for value in [Float(-1e-30), .nan, .infinity, -.infinity] {
            for (row, column) in [(0, 29), (17, 3), (29, 29), (4, 4)] {
                var mask = Case.mask(30, soft: true)
                mask[row * 30 + column] = value
                refused(.argument, "mask[\(row)][\(column)] is \(value)") {
                    _ = try Case(samples: 30, views: 1, pairs: .mask(mask)).run(
                        Case(samples: 30, views: 1).features())
                }
            }
        }
    }

    @Test func refusalLeavesTheOutputsAlone() throws {
        let it = Case(samples: 3, views: 2, dimension: 2)
        var x = it.features()
        x[11] = .nan
        var (losses, gradient) = ([Float](repeating: 5, count: 6), [Float](repeating: 6, count: 12))
        #expect(throws: SupConError.self) {
            try it.loss().evaluate(
                features: x, positives: .views, perAnchor: &losses, gradient: &gradient)
        }
        #expect(losses.allSatisfy { $0 == 5 } && gradient.allSatisfy { $0 == 6 })
    }

    /// Checks that no finite features give NaN.
    @Test(arguments: 0..<5)
    func extremeNumbers(_ kind: Int) throws {
        for pairs in [
            Pairs.views, .labels(Case.labels(40, classes: 3)), .mask(Case.mask(40, soft: true)),
        ] {
            for (size, temperature) in [
                (Float(0), Float(1e-37)), (1e-30, 0.1), (1e-18, 1e-37), (1e3, 0.1), (1e10, 1e-3),
                (1e14, 0.1), (1e15, 1e3), (1, 1e-30), (1, 3e38), (0x1p-149, 0.1), (1e18, 3e38),
            ] {
                for normalize in [false, true] {
                    var it = Case(samples: 40, views: 2, dimension: 5, pairs: pairs)
                    (
                        it.options.form, it.options.denominator, it.options.temperature,
                        it.options.normalize
                    ) = (Case.kinds[kind].0, Case.kinds[kind].1, temperature, normalize)
                    it.options.reduction = .sum
                    let x = it.features().enumerated().map {
                        $0.offset % 11 == 0 ? 0 : $0.element * size
                    }
                    let outcome = try it.run(x)
                    #expect(outcome.result.loss.isFinite, "\(it.options) × \(size)")
                    #expect(
                        !outcome.gradient.contains { $0.isNaN }
                            && !outcome.perAnchor.contains { $0.isNaN }, "\(it.options) × \(size)")
                }
            }
        }
    }

    /// Tests weights from the smallest to the largest in one row: the small ones remain positives.
    @Test func extremeWeights() throws {
        for kind in Case.kinds {
            var mask = Case.mask(30, soft: true)
            for j in 1..<29 { mask[j] = [0, 0x1p-149, 3e38, 1e-20, 1][j % 5] }
            var it = Case(samples: 30, views: 2, dimension: 5, pairs: .mask(mask))
            (it.options.form, it.options.denominator) = kind
            let outcome = try it.run(it.features()),
                exact = it.reference.losses(it.features().map(Double.init))
            for (mine, exact) in zip(outcome.perAnchor, exact) {
                #expect(abs(Double(mine) - (exact ?? 0)) < 1e-5)
            }
            #expect(outcome.gradient.allSatisfy { $0.isFinite })
        }
    }

    /// Checks that rows too short to divide by are divided by 1e-12, as in PyTorch, and
    /// differentiated accordingly.
    @Test func shortRows() throws {
        var it = Case(samples: 4, views: 2, dimension: 3)
        it.options.normalize = true
        var x = it.features()
        for k in 0..<3 { (x[6 + k], x[12 + k]) = (0, [1e-14, -2e-14, 0][k]) }
        let outcome = try it.run(x), exact = x.map(Double.init)
        #expect(abs(outcome.result.loss - it.reference.loss(exact)) < 1e-6)
        for k in 0..<24 {
            var direction = [Double](repeating: 0, count: 24)
            direction[k] = 1
            let step = (6..<9).contains(k) || (12..<15).contains(k) ? 1e-17 : 1e-5
            let slope = it.reference.slope(exact, along: direction, step: step)
            #expect(
                abs(Double(outcome.gradient[k]) - slope) < 1e-5 * max(1, abs(slope))
                    + (step < 1e-6 ? 1e8 : 0), "[\(k)]")
        }
    }
}
