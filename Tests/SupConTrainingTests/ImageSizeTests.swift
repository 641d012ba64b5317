import Foundation
import SupConModel
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConTraining

/// Tests the sizes of the views over the epochs, in order and drawn at random.
@Suite struct ImageSizeTests {
    typealias Way = FeatureCacheTests.Way

    static func phases(_ sizes: [Int], epochs: Int, drawn: Bool = false, seed: UInt64 = 0) throws
        -> TrainingPhases
    {
        var options = TrainOptions()
        (options.epochs, options.imageSizeSchedule, options.seed) = (epochs, sizes, seed)
        options.drawsImageSize = drawn
        return try TrainingPhases(try TrainerTests.model(), options, samples: 1)
    }

    static func heights(_ phases: TrainingPhases, _ epochs: ClosedRange<Int>) -> [Int] {
        epochs.map { phases.phase(epoch: $0).height }
    }

    /// Checks the sizes of the images over the epochs, and their widths.
    @Test func sizesGoByPartsOfTheRun() throws {
        let phases = try Self.phases([6, 12, 18], epochs: 7)
        let widths = (1...7).map { phases.phase(epoch: $0).width }
        #expect(Self.heights(phases, 1...7) == [6, 6, 6, 12, 12, 18, 18])
        #expect(widths == Self.heights(phases, 1...7))
        #expect(phases.all.map(\.height) == [6, 12, 18])
        var own = TrainingPhase(try TrainerTests.model())
        own.samples = 1
        #expect(try Self.phases([12], epochs: 7).all == [own])
    }

    @Test func refusesWhatCannotBe() throws {
        let cases: [(sizes: [Int], drawn: Bool, words: String)] = [
            ([0], false, "expected 1 to 65536"), ([1, 2, 3, 4], false, "at most one for each"),
            ([], true, "has 0 different sizes"), ([8, 8], true, "has 1 different sizes"),
            ([8, 65537], true, "expected 1 to 65536"),
            ([1, 2, 3, 4], true, "at most one for each"),
        ]
        for (sizes, drawn, words) in cases {
            var options = TrainOptions()
            (options.epochs, options.imageSizeSchedule, options.drawsImageSize) = (3, sizes, drawn)
            expectError(.argument, words) { try options.validate() }
        }
    }

    /// Checks that n epochs have each of n sizes once, all orders equally often, and that they
    /// depend on the seed alone.
    @Test func drawsEachSizeEquallyOften() throws {
        let sizes = [6, 12, 18]
        let rounds = 3000
        let phases = try Self.phases(sizes, epochs: 3 * rounds, drawn: true)
        let orders = (0..<rounds).map { Self.heights(phases, 3 * $0 + 1...3 * $0 + 3) }
        #expect(orders.allSatisfy { $0.sorted() == sizes })
        var counts = [[Int]: Int]()
        for order in orders { counts[order, default: 0] += 1 }
        let mean = Double(rounds) / 6
        let deviation = (mean * 5 / 6).squareRoot()
        #expect(counts.count == 6)
        #expect(counts.values.allSatisfy { abs(Double($0) - mean) < 5 * deviation }, "\(counts)")
        let other = Self.heights(try Self.phases(sizes, epochs: 30, drawn: true, seed: 1), 1...30)
        let shorter = Self.heights(try Self.phases(sizes, epochs: 30, drawn: true), 1...30)
        #expect(shorter == Array(orders.joined().prefix(30)) && other != shorter)
        #expect(Set(phases.all.map(\.height)) == Set(sizes) && phases.all.count == 3)
    }

    static let ways = [
        Way("plain") { _ in },
        Way("queue") {
            $0.queueMode = .negatives
            $0.queueSize = 64
        },
        Way("mixed") {
            $0.objective = .crossEntropy
            $0.cutmixAlpha = 1
        },
        Way("linear") { $0.objective = .linear },
        Way("unfrozen") { ($0.freezeStages, $0.unfreezeEpochs) = (2, [1, 2]) },
    ]

    /// Returns the parameters after four epochs. `stop` ends the run after two epochs, and resumes
    /// it with another model.
    static func run(_ way: Way, _ sizes: [Int], drawn: Bool = false, stop: Bool = false) throws
        -> [Float]
    {
        let folder = try TrainerTests().temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let dataset = try TrainerTests.dataset()
        var values: [Float] = []
        let seeds: [UInt64] = stop ? [3, 77] : [3]
        for seed in seeds {
            let model = try TrainerTests.model(seed: seed)
            let options = TrainerTests.options {
                ($0.epochs, $0.imageSizeSchedule, $0.drawsImageSize) = (4, sizes, drawn)
                ($0.checkpointFolder, $0.resume) = (RawPath(folder), true)
                way.change(&$0)
            }
            let trainer = try Trainer(model, dataset, options, context: TrainerTests.context)
            if stop && seed == 3 {
                expectError(.canceled, "after epoch 2") {
                    try trainer.run { $0.kind != .epoch || $0.epoch != 2 }
                }
            } else {
                try trainer.run(nil)
            }
            values = FreezingTests.values(model)
        }
        return values
    }

    /// Checks that a schedule of one size equals that size, and that a run that stops between two
    /// sizes resumes exactly.
    @Test(arguments: ways) func sizesResumeExactly(_ way: Way) throws {
        #expect(try Self.run(way, [TrainerTests.side]) == Self.run(way, []))
        let whole = try Self.run(way, [8, 16])
        #expect(try whole != Self.run(way, []))
        #expect(try Self.run(way, [8, 16], stop: true) == whole)
    }

    /// Checks that a run with drawn sizes equals one with the same sizes in that order, and that it
    /// resumes exactly.
    @Test(arguments: ways) func drawnSizesAreTrained(_ way: Way) throws {
        let seed = TrainerTests.options { _ in }.seed
        for sizes in [[8, 16], [8, 10, 14, 16]] {
            let drawn = try Self.phases(sizes, epochs: 4, drawn: true, seed: seed)
            let whole = try Self.run(way, sizes, drawn: true)
            #expect(try Self.run(way, Self.heights(drawn, 1...4)) == whole)
            #expect(try Self.run(way, sizes, drawn: true, stop: true) == whole)
        }
    }

    @Test func anotherOrderIsAnotherRun() throws {
        let folder = try TrainerTests().temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let dataset = try TrainerTests.dataset()
        func run(_ epochs: Int, drawn: Bool) throws {
            let options = TrainerTests.options {
                ($0.epochs, $0.imageSizeSchedule, $0.drawsImageSize) = (epochs, [8, 16], drawn)
                ($0.checkpointFolder, $0.resume) = (RawPath(folder), true)
            }
            try Trainer(
                TrainerTests.model(), dataset, options, context: TrainerTests.context
            ).run(nil)
        }
        try run(2, drawn: true)
        expectError(.state, "random_image_size") { try run(3, drawn: false) }
        try run(3, drawn: true)
    }
}
