import Foundation
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConTraining

/// Tests runs whose ranks have images of their own.
@Suite struct JoinedRunTests {
    typealias Run = RanksTests

    /// Trains as one rank, which has `own` of the images, `count` in all.
    static func train(
        _ options: TrainOptions, _ rank: ThreadCollectives, own: Range<Int>, of count: Int,
        weights: [Float]? = nil
    ) throws -> Run.Outcome {
        let model = try TrainerTests.model()
        let part = try TrainerTests.dataset(count).with(weights: weights).subset(Array(own))
        let trainer = try Trainer(
            model, try part.joined(over: rank), options, context: ExecutionContext(threads: 1),
            collectives: rank)
        var events: [TrainEvent] = []
        try trainer.run {
            events.append($0)
            return true
        }
        let parameters = model.network.parameters
        return Run.Outcome(
            parameters: (0..<parameters.trainableCount).map { parameters.values[$0] },
            running: (parameters.trainableCount..<parameters.count).map { parameters.values[$0] },
            events: events)
    }

    static func train(
        parts: [Range<Int>], _ options: TrainOptions, weights: [Float]? = nil
    ) throws -> [Run.Outcome] {
        let count = parts.last?.upperBound ?? 0
        return try ThreadCollectives.run(world: parts.count, anyThread: true) {
            try train(options, $0, own: parts[$0.rank], of: count, weights: weights)
        }.map { try $0.get() }
    }

    /// Checks that with all images in each batch, which then has the same images however they are
    /// spread, a run equals that of one process: five steps, uneven parts.
    @Test(
        arguments: Run.Kind.allCases.filter {
            ![.mixed, .weightedMix, .classBalanced].contains($0)
        }, [[0..<5, 5..<12], [0..<3, 3..<7, 7..<12]])
    func equalOneProcess(kind: Run.Kind, parts: [Range<Int>]) throws {
        var options = Run.options(kind)
        options.epochs = 5
        let weights = kind.weights.map { Array($0.prefix(12)) }
        try Run.expectAgreement(options) { options in
            let one = try Run.train(options, images: 12, weights: weights)
            let all = try Self.train(parts: parts, options, weights: weights)
            #expect(all.allSatisfy { $0.parameters == all[0].parameters })
            #expect(all.allSatisfy { $0.running == all[0].running })
            #expect(all[0].losses.count == 5 && one.losses.count == 5)
            #expect(Run.distance(try Run.start(options), one.parameters) > 3e-4, "it hardly moves")
            return all[0].distance(one)
        }
    }

    /// Checks the held-out images, which the ranks have in parts too: kNN@1 decides as in one
    /// process.
    @Test func validatesOnImagesOfAllRanks() throws {
        let options = Run.options {
            ($0.epochs, $0.validationFraction, $0.restoresBest) = (4, 0.25, true)
            ($0.batchSize, $0.learningRate) = (36, 2e-3)
        }
        let one = try Run.train(options, images: 48)
        let all = try Self.train(parts: [0..<10, 10..<30, 30..<48], options)
        func accuracies(_ outcome: Run.Outcome) -> [Double] {
            outcome.events.filter { $0.kind == .epoch }.map(\.knnAccuracy)
        }
        #expect(accuracies(one).count == 4 && accuracies(one) == accuracies(all[0]))
        #expect(Run.distance(one.parameters, all[0].parameters) < 1e-4)
        #expect(all.allSatisfy { $0.parameters == all[0].parameters })
    }

    /// Checks runs of several batches, whose images differ from those of one process: they learn,
    /// and the ranks stay together.
    @Test(
        arguments: [
            { _ in }, { $0.imagesPerClass = 4 }, { $0.chunkSize = 3 },
            { ($0.objective, $0.mixupAlpha, $0.cutmixAlpha) = (.crossEntropy, 0.2, 0.2) },
            { ($0.freezeStages, $0.featureCache) = (1, 2) },
        ] as [@Sendable (inout TrainOptions) -> Void])
    func learns(_ change: @Sendable (inout TrainOptions) -> Void) throws {
        let options = Run.options {
            ($0.epochs, $0.batchSize, $0.learningRate) = (8, 24, 0.02)
            ($0.validationFraction, $0.syncBatchNorm) = (0.2, false)
            change(&$0)
        }
        let all = try Self.train(parts: [0..<60, 60..<180, 180..<240], options)
        let epochs = all[0].events.filter { $0.kind == .epoch }
        let losses = epochs.map(\.loss)
        #expect(losses.count == 8 && losses[7] < 0.95 * losses[0], "\(losses)")
        // 192 are left to train on. The rank that held out more than its share ends an epoch.
        #expect((5 * 8...8 * 8).contains(all[0].losses.count))
        #expect(all.allSatisfy { $0.parameters == all[0].parameters })
        #expect(all.allSatisfy { $0.running == all[0].running })
        #expect(epochs[7].knnAccuracy > 0.6, "\(epochs[7].knnAccuracy)")
    }

    /// Checks that all ranks use the ranges that rank 0 has calibrated: those of one process where
    /// each rank has all images, and those of its own images where they are joined.
    @Test(.enabled(if: (try? Engine.standard.checkInt8()) != nil)) func shareACalibration() throws {
        let options = Run.options { ($0.freezeStages, $0.freezesInInt8) = (2, true) }
        try Run.expectAgreement(options) { options in
            let one = try Run.train(options)
            let all = try Run.train(world: 2, options)
            #expect(all[0].parameters == all[1].parameters)
            return all[0].distance(one)
        }
        let joined = try Self.train(parts: [0..<5, 5..<12], options)
        #expect(joined[0].parameters == joined[1].parameters)
        var others = options
        others.freezesInInt8 = false
        let inFloats = try Self.train(parts: [0..<5, 5..<12], others)
        #expect(joined[0].parameters != inFloats[0].parameters)
    }

    /// Checks that a file that vanishes at its rank is replaced by another of that rank.
    @Test func replacesVanishedImagesByItsOwn() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "supcon-test-\(UUID().uuidString)"
        ).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let results = ThreadCollectives.run(world: 2) { (rank: ThreadCollectives) -> [Float] in
            let own = "\(folder)/\(rank.rank)"
            let model = try TrainerTests.model(channels: 3)
            let dataset = try UnreadableFileTests().dataset(own).joined(over: rank)
            if rank.rank == 1 {
                for i in 0..<8 { try FileManager.default.removeItem(atPath: "\(own)/\(i).png") }
            }
            let options = TrainerTests.options {
                ($0.epochs, $0.batchSize) = (3, 8)
                ($0.validationFraction, $0.stopsOnCollapse) = (0, false)
            }
            try Trainer(
                model, dataset, options, context: ExecutionContext(threads: 1), collectives: rank
            ).run(nil)
            return TransferTests().values(model)
        }
        #expect(try results[0].get() == results[1].get())
    }

    @Test func wrongUsesAreRefused() throws {
        func errors(
            parts: [Range<Int>], _ change: @escaping (inout TrainOptions) -> Void,
            _ use: @escaping (Dataset, ThreadCollectives) throws -> (any Collectives)? = { $1 }
        ) -> [SupConError?] {
            RankFaultsTests.errors(world: parts.count) { rank in
                let joined = try TrainerTests.dataset(parts.last?.upperBound ?? 0).subset(
                    Array(parts[rank.rank])
                ).joined(over: rank)
                _ = try Trainer(
                    try TrainerTests.model(), joined, Run.options(change),
                    context: ExecutionContext(threads: 1), collectives: try use(joined, rank))
            }
        }
        let alone = errors(parts: [0..<12, 12..<24], { _ in }, { _, _ in nil })
        for (rank, error) in alone.enumerated() {
            #expect(error?.kind == .argument)
            #expect(
                error?.message.contains("was joined as rank \(rank) of 2, and the run is of rank 0")
                    == true, "\(error?.message ?? "")")
        }
        RankFaultsTests.expect(
            errors(parts: [0..<1, 1..<60]) { _ in }, .argument,
            "rank 0 has 1 of 60 images to train on, which is none of a batch of 12")
        RankFaultsTests.expect(
            errors(parts: [0..<10, 10..<60]) { $0.imagesPerClass = 6 }, .argument,
            "rank 0 has 10 of 60 images", "in pieces of 6")
        // Its images cannot be embedded here.
        for result in ThreadCollectives.run(
            world: 2,
            { rank in
                let joined = try TrainerTests.dataset(24).subset(
                    Array(rank.rank * 12..<(rank.rank + 1) * 12)
                ).joined(over: rank)
                try TrainerTests.model().fitClassifier(joined)
            })
        {
            expectError(.argument, "of the joined data set is at rank") { try result.get() }
        }
    }
}
