import Foundation
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision
import Synchronization
import TestSupport
import Testing

@testable import SupConTraining

/// Tests searches for a learning rate: the rule on problems with known answers, and short runs.
@Suite struct LearningRateSearchTests {
    /// Gradient descent on Σ λ x² / 2 with λ = 1 and 10, which diverges from the rate 2 / 10 on,
    /// and is fastest at 2 / (1 + 10) = 0.18: minus the loss after 20 steps, from x = 1, of images
    /// that begin at other points.
    static func descent(_ rate: Double, images: Int = 1) -> RateSweep.Outcome {
        let factors = [1, 10].map { pow(1 - rate * $0, 20) }
        let loss = (factors[0] * factors[0] + 10 * factors[1] * factors[1]) / 2
        guard loss <= 5.5 else { return .diverged }
        return .judged((0..<images).map { -loss * (1 + 0.1 * Double($0)) })
    }

    @Test(arguments: [1e-3, 0.05, 0.1, 0.18, 30])
    func findsTheRateBelowDivergence(middle: Double) throws {
        var sweep = RateSweep()
        sweep.run(around: middle) { Self.descent($0) }
        let rate = try #require(sweep.chosen(around: middle))
        // The best rate is bracketed by half a decade, but for the fall at 0.2.
        #expect(rate < 0.2 && rate > 0.18 / 10.0.squareRoot() * 0.9, "\(rate)")
        let rates = sweep.tried.map(\.rate)
        #expect(rates == rates.sorted() && Set(rates).count == rates.count && rates.count <= 8)
        for (rate, scores) in sweep.tried {
            #expect((scores == nil) == (Self.descent(rate) == .diverged), "\(rate)")
        }
    }

    @Test func goesDownwardsFromRatesThatDiverge() {
        var sweep = RateSweep()
        sweep.run(around: 1) { $0 < 0.005 ? .judged([-$0]) : .diverged }
        // The lower the better: the last decade that it reaches, and half a decade below it.
        #expect(sweep.tried.map(\.rate) == [3.2e-5, 1e-4, 3.2e-4, 1e-3, 0.01, 0.1, 1, 10])
        #expect(sweep.chosen(around: 1) == 3.2e-5)
        var none = RateSweep()
        none.run(around: 1) { _ in .diverged }
        #expect(none.tried.count == 6 && none.chosen(around: 1) == nil)
    }

    /// Eight images: 0.01 is better than 0.1 on half of them, and worse on the others.
    @Test func takesTheNearestThatIsNotClearlyWorse() {
        func scores(_ rate: Double, _ difference: Double) -> RateSweep.Outcome {
            switch rate {
            case 0.1: .judged((0..<8).map { $0 < 5 ? 0.5 : 0.5 + difference })
            case 0.01: .judged((0..<8).map { $0 < 5 ? 0.5 + difference : 0.5 })
            default: .judged(Array(repeating: 0, count: 8))
            }
        }
        var close = RateSweep()
        close.run(around: 0.1) { scores($0, 0.2) }
        #expect(close.chosen(around: 0.1) == 0.1)
        // The mean of the differences is 0.2, and its standard error √(0.04 · 3 / 8 …) ≈ 0.
        var clear = RateSweep()
        clear.run(around: 0.1) { .judged(Array(repeating: $0 == 0.01 ? 0.7 : 0.5, count: 8)) }
        #expect(clear.chosen(around: 0.1) == 0.01)
    }

    @Test func takesTheBestUntilTimeIsOver() {
        var (sweep, count) = (RateSweep(), 0)
        sweep.run(around: 0.1) { rate in
            count += 1
            return count > 2 ? .stopped : .judged([-rate])
        }
        #expect(count == 3 && sweep.chosen(around: 0.1) == 0.01)
    }

    // MARK: Runs

    static func search(
        _ options: TrainOptions, _ dataset: Dataset? = nil, model: Model? = nil,
        seconds: Double = 600, context: ExecutionContext = TrainerTests.context,
        collectives: (any Collectives)? = nil,
        heard: @escaping (LearningRateTrial) -> Bool = { _ in true }
    ) throws -> LearningRateSearch {
        try LearningRateSearch(
            model ?? TrainerTests.model(), dataset ?? TrainerTests.dataset(), options,
            SearchOptions(seconds: seconds), context: context, collectives: collectives,
            heard: heard)
    }

    @Test(.enabled(if: (try? Engine.standard.checkInt8()) != nil))
    func triesFrozenStagesInInt8() throws {
        let model = try TrainerTests.model()
        func scores(_ freezesInInt8: Bool) throws -> [Double] {
            let options = TrainerTests.options {
                ($0.freezeStages, $0.freezesInInt8) = (3, freezesInInt8)
            }
            return try Self.search(options, model: model).trials.map(\.score)
        }
        let found = try scores(true)
        #expect(found.count > 1 && found.allSatisfy { $0.isFinite })
        let inFloats = try scores(false)
        #expect(found != inFloats)
        #expect(model.quantization == nil)
    }

    @Test func triesCopiesOfTheModelOnHeldOutImages() throws {
        let model = try TrainerTests.model()
        let before = (0..<model.network.parameters.count).map {
            model.network.parameters.values[$0]
        }
        var heard: [LearningRateTrial] = []
        let found = try Self.search(TrainerTests.options(), TrainerTests.dataset(200), model: model)
        {
            heard.append($0)
            return true
        }
        let chosen = try #require(found.trials.first { $0.learningRate == found.learningRate })
        // The difference of two probabilities deviates by 1 at most, its mean over 32 by √(1/32).
        let best = try #require(found.trials.map(\.score).max())
        #expect(chosen.score >= best - 2 * (1 / 32.0).squareRoot() && best > 0.4, "\(found)")
        #expect(found.trials.map(\.learningRate) == heard.map(\.learningRate).sorted())
        for trial in found.trials {
            // A fifth of the images is held out by the run, and a fifth of the others judges.
            #expect(trial.judges == 32 && trial.steps >= 20, "\(trial)")
        }
        let after = (0..<model.network.parameters.count).map { model.network.parameters.values[$0] }
        #expect(after == before && model.configuration.classes == 0)
    }

    @Test func equalArgumentsGiveTheSameRateAndScores() throws {
        for objective in [Objective.supcon, .simclr, .crossEntropy] {
            let options = TrainerTests.options { $0.objective = objective }
            let dataset = try TrainerTests.dataset(200, labeled: objective != .simclr)
            let one = try Self.search(options, dataset)
            let other = try Self.search(options, dataset)
            #expect(one.learningRate == other.learningRate)
            #expect(one.trials.map(\.score) == other.trials.map(\.score))
            #expect((one.trials[0].judges == 0) == (objective == .simclr))
            if objective != .simclr {
                #expect(
                    one.trials.allSatisfy { (0...1).contains($0.score) || $0.score == -.infinity })
            }
        }
    }

    /// The schedule, checkpoints and what else a short run cannot have are not looked at.
    @Test func doesNotLookAtTheCourseOfTheRun() throws {
        let plain = try Self.search(TrainerTests.options())
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "search-\(UUID().uuidString)")
        let other = try Self.search(
            TrainerTests.options {
                ($0.minLr, $0.schedule) = ($0.learningRate / 2, .constant)
                ($0.warmupSteps, $0.patience, $0.restoresBest) = (50, 2, true)
                ($0.checkpointFolder, $0.imageSizeSchedule) = (RawPath(folder.path), [8, 12])
            })
        #expect(plain.trials.map(\.score) == other.trials.map(\.score))
        #expect(!FileManager.default.fileExists(atPath: folder.path))
    }

    @Test func writesNothingToTheLog() throws {
        let messages = try loggedMessages(.info) {
            _ = try Self.search(
                TrainerTests.options { ($0.referenceBatch, $0.stopsOnCollapse) = (1, false) },
                TrainerTests.dataset(60).with(labels: Array(repeating: 1, count: 60)))
        }
        #expect(!messages.contains { $0.contains("one class") || $0.contains("loss") })
    }

    @Test func refusesWhatARunRefuses() throws {
        expectError(.argument, "temperature") {
            try Self.search(TrainerTests.options { $0.loss.temperature = -1 })
        }
        expectError(.state, "fewer than one batch of 500") {
            try Self.search(TrainerTests.options { $0.batchSize = 500 })
        }
        expectError(.state, "no labels") {
            try Self.search(TrainerTests.options(), TrainerTests.dataset(labeled: false))
        }
        expectError(.shape, "channels") {
            try Self.search(TrainerTests.options(), TrainerTests.dataset(channels: 3))
        }
        expectError(.argument, "schedule is step") {
            try Self.search(TrainerTests.options { $0.schedule = .step })
        }
        for seconds in [0, -1, Double.nan, .infinity] {
            expectError(.argument, "seconds is \(seconds); expected a number above 0") {
                try Self.search(TrainerTests.options(), seconds: seconds)
            }
        }
        expectError(.state, "expected a learning_rate, or more seconds") {
            try Self.search(TrainerTests.options(), seconds: 1e-9)
        }
    }

    @Test func isStoppedByTheCallerAndByTheContext() throws {
        var count = 0
        expectError(.canceled, "after the learning rate 0.05") {
            try Self.search(TrainerTests.options()) { _ in
                count += 1
                return false
            }
        }
        #expect(count == 1)
        let context = try ExecutionContext(threads: 1)
        let options = TrainerTests.options { ($0.epochs, $0.batchSize) = (1000, 60) }
        let dataset = try TrainerTests.dataset(1200)
        let canceling = Thread {
            Thread.sleep(forTimeInterval: 0.3)
            for _ in 0..<1000 {
                context.cancel()
                Thread.sleep(forTimeInterval: 0.02)
            }
        }
        let begun = Date()
        canceling.start()
        expectError(.canceled, "context") { try Self.search(options, dataset, context: context) }
        #expect(Date().timeIntervalSince(begun) < 20)
    }

    // MARK: Ranks

    @Test func allRanksGetTheChoiceOfRankZero() throws {
        let options = RanksTests.options { $0.epochs = 2 }
        let one = try Self.search(options, context: ExecutionContext(threads: 1))
        let outcomes = try ThreadCollectives.run(world: 3) {
            try Self.search(options, context: ExecutionContext(threads: 1), collectives: $0)
        }.map { try $0.get() }
        for outcome in outcomes {
            #expect(outcome.learningRate == one.learningRate)
            #expect(outcome.trials.map(\.score) == one.trials.map(\.score))
        }
    }

    @Test func allRanksHearOfAFailure() throws {
        for failing in [0, 2] {
            // An option of one rank alone, and a listener that stops at one rank.
            let outcomes = ThreadCollectives.run(world: 3) { collectives in
                try Self.search(
                    RanksTests.options { $0.momentum = collectives.rank == failing ? 0.5 : 0.9 },
                    context: ExecutionContext(threads: 1), collectives: collectives)
            }
            for outcome in outcomes { expectError(.argument, "momentum") { try outcome.get() } }
            let stopped = ThreadCollectives.run(world: 3) { collectives in
                try Self.search(
                    RanksTests.options(), context: ExecutionContext(threads: 1),
                    collectives: collectives
                ) { _ in collectives.rank != failing }
            }
            for outcome in stopped {
                expectError(.canceled, "rank \(failing) of 3", "learning rate 0.0002") {
                    try outcome.get()
                }
            }
        }
    }
}
