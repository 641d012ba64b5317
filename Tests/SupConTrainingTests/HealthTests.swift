import SupConModel
import SupConTensor
import Testing

@testable import SupConTraining

/// Tests the ways in which a run fails: values that are not numbers, and collapse.
@Suite struct HealthTests {
    private static func values(_ model: Model) -> [Float] {
        (0..<model.network.parameters.count).map { model.network.parameters.values[$0] }
    }

    @Test func aRunThatLeavesTheNumbersStopsAndGivesTheModelBack() throws {
        let (model, dataset) = (try TrainerTests.model(), try TrainerTests.dataset())
        let before = Self.values(model)
        let error = #expect(throws: SupConError.self) {
            try Trainer(
                model, dataset,
                TrainerTests.options {
                    ($0.batchSize, $0.learningRate, $0.warmupSteps, $0.weightDecay) = (
                        8, 1e6, 0, 10
                    )
                }, context: TrainerTests.context
            ).run(nil)
        }
        #expect(
            error?.kind == .state && error?.message.contains("lower learning rate") == true,
            "\(error?.message ?? "")")
        #expect(error?.message.contains("end of epoch 0") == true && Self.values(model) == before)
    }

    /// Tests embeddings that are equal epoch after epoch, as a head with zero weights gives no
    /// others.
    @Test func aCollapsedRunIsNamed() throws {
        for stops in [true, false] {
            let (model, dataset) = (try TrainerTests.model(), try TrainerTests.dataset(240))
            let parameters = model.network.parameters
            for entry in parameters.entries
            where entry.part == .head && entry.name == "head.2.weight" {
                parameters.pointer(entry).update(repeating: 0, count: entry.count)
            }
            var warnings: [String] = []
            let trainer = try Trainer(
                model, dataset,
                TrainerTests.options {
                    ($0.learningRate, $0.stopsOnCollapse, $0.epochs, $0.batchSize) = (
                        1e-12, stops, 7, 4
                    )
                }, context: TrainerTests.context)
            let run = { () throws in
                try trainer.run { event in
                    if event.kind == .warning { warnings.append(event.message) }
                    return true
                }
            }
            if stops {
                let error = #expect(throws: SupConError.self) { try run() }
                #expect(
                    error?.kind == .state && error?.message.contains("collapsed") == true
                        && error?.message.contains("Likely remedy") == true,
                    "\(error?.message ?? "")")
            } else {
                try run()
                #expect(warnings.count == 1 && warnings[0].contains("collapsed"))
            }
        }
    }

    /// Checks that a short run, in whose first steps even healthy runs pass close to one point, is
    /// not stopped for it, but reported if it ends there.
    @Test func aShortRunThatEndsAtOnePointIsTold() throws {
        let (model, dataset) = (try TrainerTests.model(), try TrainerTests.dataset())
        let parameters = model.network.parameters
        for entry in parameters.entries where entry.name == "head.2.weight" {
            parameters.pointer(entry).update(repeating: 0, count: entry.count)
        }
        var warnings: [String] = []
        try Trainer(
            model, dataset, TrainerTests.options { ($0.learningRate, $0.epochs) = (1e-12, 2) },
            context: TrainerTests.context
        ).run { event in
            if event.kind == .warning { warnings.append(event.message) }
            return true
        }
        #expect(warnings.count == 1 && warnings.first?.contains("collapsed") == true, "\(warnings)")
    }

    /// Checks that a wide kernel's loss may lie at ln(views − 1) without any collapse: then
    /// embeddings at one point are the only sign.
    @Test func aLossAtChanceIsNoCollapseOfAKernel() {
        for isCollapse in [true, false] {
            var health = Health(chance: 4, isContrastive: true, chanceIsCollapse: isCollapse)
            var found: Health.Finding?
            for _ in 0..<400 {
                #expect(health.step(loss: 4.001, spread: 0.5, rate: 0.1, moment: "") == nil)
            }
            found = health.epoch(loss: 4.001, isLast: true, moment: "")
            #expect((found != nil) == isCollapse)
            for _ in 0..<400 {
                found = health.step(loss: 4.001, spread: 1e-5, rate: 0.1, moment: "") ?? found
            }
            #expect(found?.weight == .stops)
        }
    }
    /// Checks that the message at the end of a cosine schedule, where the current rate is near 0
    /// and no guide, names the run's highest rate.
    @Test func aCollapsesAdviceNamesTheHighestRate() {
        var health = Health(chance: 4, isContrastive: true)
        for rate in [0.05] + Array(repeating: 0.3, count: 98) + [9.6e-6] {
            _ = health.step(loss: 4, spread: 0.5, rate: rate, moment: "")
        }
        let message = health.epoch(loss: 4, isLast: true, moment: "by the end")?.message ?? ""
        #expect(message.contains("(the highest so far was 0.3)"), "\(message)")
        #expect(message.contains("its value where all embeddings are equal, for 100 steps"))
    }

    /// The loss of any run begins near chance, so that a run which ends there has not collapsed,
    /// unless its embeddings are equal; and then more steps are the first remedy.
    @Test func aRunThatEndsEarlyMayJustHaveBegun() {
        var health = Health(chance: 4, isContrastive: true)
        for _ in 0..<99 { _ = health.step(loss: 4, spread: 0.5, rate: 0.1, moment: "") }
        #expect(health.epoch(loss: 4, isLast: true, moment: "") == nil)
        for (count, isShort) in [(99, true), (100, false)] {
            health = Health(chance: 4, isContrastive: true)
            for _ in 0..<count { _ = health.step(loss: 3, spread: 1e-5, rate: 0.1, moment: "") }
            let found = health.epoch(loss: 3, isLast: true, moment: "")?.message ?? ""
            #expect(found.contains("variance is nearly 0"))
            #expect(found.contains("more steps than 99, a lower") == isShort, "\(found)")
        }
    }

    /// Compares the spread of rows of length 1 with dimension · the mean variance of their
    /// elements, which is 1 on the whole sphere and 0 for a single point.
    @Test(arguments: [(1, 3), (40, 6), (257, 5)]) func spreadIsAVariance(_ size: (Int, Int)) {
        let (count, dimension) = size
        var random = Philox(seed: 3, purpose: .test)
        let normals = (0..<(count * dimension)).map { _ in random.normal() + 0.5 }
        var rows = normals
        L2Normalize(rows: count, dimension: dimension).forward(w: normals, z: &rows)
        let groups = [Int64](repeating: 0, count: count)
        var sum = [Double](repeating: 1, count: dimension)
        let found = groups.withUnsafeBufferPointer { groups in
            rows.withUnsafeBufferPointer {
                Embeddings(
                    rows: $0.baseAddress!, count: count, dimension: dimension, groups: groups
                ).spread(&sum)
            }
        }
        var variance = 0.0
        for k in 0..<dimension {
            let elements = (0..<count).map { Double(rows[$0 * dimension + k]) }
            let mean = elements.reduce(0, +) / Double(count)
            variance += elements.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
        }
        #expect(abs(found - variance) < 1e-6)
    }
}
