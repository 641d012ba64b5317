import Foundation
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConTraining

/// Compares runs over several ranks with the run of one process.
@Suite struct RanksTests {
    /// Returns options of a run of five steps of 12 images, in f32, without validation. The rate is
    /// so low that the change of a ReLU's sign by rounding, among thousands in each step, stays
    /// within the tolerance.
    static func options(_ change: (inout TrainOptions) -> Void = { _ in }) -> TrainOptions {
        TrainerTests.options {
            ($0.epochs, $0.batchSize, $0.validationFraction) = (1, 12, 0)
            $0.learningRate = 2e-4
            $0.syncBatchNorm = true
            change(&$0)
        }
    }

    struct Outcome {
        var parameters: [Float]
        var running: [Float]
        var events: [TrainEvent] = []
        var losses: [Double] { events.filter { $0.kind == .step }.map(\.loss) }

        /// Returns the largest difference of parameters, running statistics, and losses (relative,
        /// above 1).
        func distance(_ other: Outcome) -> Float {
            let losses = zip(losses, other.losses).map { abs($0 - $1) / max(1, abs($1)) }
            return max(
                RanksTests.distance(parameters, other.parameters),
                RanksTests.distance(running, other.running), Float(losses.max() ?? 0))
        }
    }

    /// Trains a small model on 60 images, as one rank.
    static func train(
        _ options: TrainOptions, _ collectives: (any Collectives)? = nil, classes: Int = 0,
        images: Int = 60, seed: UInt64 = 3, weights: [Float]? = nil
    ) throws -> Outcome {
        let model = try TrainerTests.model(seed: seed, classes: classes)
        let trainer = try Trainer(
            model, try TrainerTests.dataset(images).with(weights: weights), options,
            context: ExecutionContext(threads: 1), collectives: collectives)
        var events: [TrainEvent] = []
        try trainer.run {
            events.append($0)
            return true
        }
        let parameters = model.network.parameters
        return Outcome(
            parameters: (0..<parameters.trainableCount).map { parameters.values[$0] },
            running: (parameters.trainableCount..<parameters.count).map { parameters.values[$0] },
            events: events)
    }

    static func train(
        world: Int, _ options: TrainOptions, classes: Int = 0, images: Int = 60,
        weights: [Float]? = nil, anyThread: Bool = false
    ) throws -> [Outcome] {
        try ThreadCollectives.run(world: world, anyThread: anyThread) {
            try train(options, $0, classes: classes, images: images, weights: weights)
        }.map { try $0.get() }
    }

    static func distance(_ a: [Float], _ b: [Float]) -> Float {
        zip(a, b).map { abs($0 - $1) }.max() ?? 0
    }

    /// Checks that runs agree to 1e-5 with the run of one process. `distance` compares them, of
    /// their options with a seed. Rounding turns a ReLU at its kink the other way in about one run
    /// of a hundred, which moves parameters by some 1e-5: then another seed decides.
    static func expectAgreement(
        _ options: TrainOptions, _ distance: (TrainOptions) throws -> Float
    ) rethrows {
        var (options, found) = (options, [Float]())
        repeat {
            options.seed = 1 + UInt64(found.count)
            found.append(try distance(options))
        } while found.count < 3 && (1e-5..<1e-3).contains(found[found.count - 1])
        #expect(found[found.count - 1] < 1e-5, "\(found)")
    }

    /// The kinds of steps, with synchronized batch norm.
    enum Kind: String, CaseIterable {
        case supcon, simclr, joint, crossEntropy, maxMargin, queue, classBalanced, average,
            lars, targets, mixed, weighted, weightedMix, frozen, frozenNorm, cached, sizes
        /// The weights of the 60 images.
        var weights: [Float]? {
            switch self {
            case .weighted, .weightedMix:
                return (0..<60).map { (i: Int) -> Float in Float(1 + i % 4) }
            default: return nil
            }
        }
    }

    static func options(_ kind: Kind) -> TrainOptions {
        options {
            switch kind {
            case .supcon: break
            case .simclr: $0.objective = .simclr
            case .joint: $0.jointClassifier = true
            case .crossEntropy: ($0.objective, $0.labelSmoothing) = (.crossEntropy, 0.1)
            case .maxMargin: $0.objective = .maxMargin
            case .queue:
                ($0.queueMode, $0.queueSize, $0.keyMomentum) = (.positivesAndNegatives, 24, 0.9)
            case .classBalanced: $0.imagesPerClass = 4
            case .average: $0.emaDecay = 0.9
            case .lars: ($0.optimizer, $0.trustCoefficient) = (.lars, 1)
            case .targets: $0.positives = .jaccard
            case .mixed:
                ($0.objective, $0.mixupAlpha, $0.cutmixAlpha) = (.crossEntropy, 0.4, 1)
            case .weighted: $0.jointClassifier = true
            case .weightedMix: ($0.objective, $0.mixupAlpha) = (.crossEntropy, 0.4)
            case .frozen: $0.freezeStages = 2
            case .frozenNorm: $0.freezesNorm = true
            case .cached: ($0.freezeStages, $0.featureCache) = (2, 1)
            case .sizes: $0.imageSizeSchedule = [8]
            }
        }
    }

    @Test(arguments: [1, 2, 3, 4], Kind.allCases)
    func equalOneProcess(world: Int, kind: Kind) throws {
        try Self.expectAgreement(Self.options(kind)) { options in
            let one = try Self.train(options, weights: kind.weights)
            let all = try Self.train(
                world: world, options, weights: kind.weights, anyThread: true)
            for (rank, outcome) in all.enumerated() {
                // Rank 0 alone tells of the run.
                #expect(outcome.events.isEmpty == (rank != 0))
                #expect(outcome.parameters == all[0].parameters)
                #expect(outcome.running == all[0].running)
            }
            #expect(all[0].losses.count == 5 && one.losses.count == 5)
            #expect(
                Self.distance(try Self.start(options), one.parameters) > 3e-4, "it hardly moves")
            return all[0].distance(one)
        }
    }

    /// Compares a single step of usual size.
    @Test(arguments: [2, 3], Kind.allCases)
    func takeTheStepOfOneProcess(world: Int, kind: Kind) throws {
        var options = Self.options(kind)
        options.learningRate = 0.05
        let weights = kind.weights.map { Array($0.prefix(12)) }
        let one = try Self.train(options, images: 12, weights: weights)
        for outcome in try Self.train(world: world, options, images: 12, weights: weights) {
            #expect(Self.distance(outcome.parameters, one.parameters) < 3e-6)
            #expect(Self.distance(outcome.running, one.running) < 3e-6)
        }
        #expect(Self.distance(try Self.start(options), one.parameters) > 1e-2)
    }

    /// Returns the parameters that a run begins from.
    static func start(_ options: TrainOptions) throws -> [Float] {
        var options = options
        (options.learningRate, options.weightDecay) = (1e-12, 0)
        return try train(options, images: 12).parameters
    }
}

/// Tests batch norm per rank, uneven parts, chunks, the frozen encoder, and the files of a run.
@Suite struct RankPartsTests {
    typealias Run = RanksTests

    /// Checks that batch norm treats every rank's part as a separate group, like a chunk of one
    /// process.
    @Test(arguments: [2, 3, 4], [false, true]) func ranksAreChunks(world: Int, joint: Bool) throws {
        let options = Run.options { ($0.syncBatchNorm, $0.jointClassifier) = (false, joint) }
        var grouped = options
        grouped.chunkSize = options.batchSize / world
        let one = try Run.train(grouped)
        let all = try Run.train(world: world, options)
        #expect(all.allSatisfy { Run.distance($0.parameters, one.parameters) < 1e-5 })
        #expect(all.allSatisfy { $0.parameters == all[0].parameters })
        #expect(all.allSatisfy { $0.running == all[0].running })
        #expect(zip(all[0].losses, one.losses).allSatisfy { abs($0 - $1) < 1e-5 * abs($1) })
    }

    /// Checks that the running statistics move to the mean of the ranks' own updates, which for
    /// means over equal parts is the mean of the whole.
    @Test func runningStatisticsAreTheMeanOfTheRanks() throws {
        let options = Run.options { $0.syncBatchNorm = false }
        let whole = try Run.train(options, images: 12).running
        let parts = try Run.train(world: 2, options, images: 12)[0].running
        let parameters = try TrainerTests.model().network.parameters
        // The first convolution's output is the same whatever batch norm does.
        let entry = try #require(parameters.entry(named: "bn1.running_mean"))
        let first = entry.offset - parameters.trainableCount
        for channel in first..<(first + entry.count) {
            #expect(abs(parts[channel] - whole[channel]) < 1e-6)
            #expect(abs(whole[channel]) > 1e-4)
        }
        // A variance over a part is another.
        #expect(Run.distance(parts, whole) > 1e-4)
    }

    @Test(arguments: [(11, 3), (10, 4), (7, 5)], [true, false])
    func takesUnevenParts(_ sizes: (batch: Int, world: Int), classifies: Bool) throws {
        let options = Run.options {
            $0.batchSize = sizes.batch
            if classifies { $0.objective = .crossEntropy }
        }
        let count = 5 * sizes.batch
        let one = try Run.train(options, images: count)
        let all = try Run.train(world: sizes.world, options, images: count)
        #expect(all.allSatisfy { Run.distance($0.parameters, one.parameters) < 1e-5 })
        #expect(zip(all[0].losses, one.losses).allSatisfy { abs($0 - $1) < 1e-5 * abs($1) })
        let accuracies = [one, all[0]].map { $0.events.last?.trainAccuracy ?? -1 }
        #expect(classifies ? accuracies[0] == accuracies[1] : accuracies[0].isNaN)
    }

    @Test(arguments: [(2, 3), (3, 2), (2, 2)]) func cachesGradientsInsideRanks(
        _ sizes: (world: Int, chunk: Int)
    ) throws {
        // Six chunks of 2, or four of 3: those of one process, each its own group of batch norm.
        let options = Run.options {
            ($0.syncBatchNorm, $0.chunkSize, $0.jointClassifier) = (false, sizes.chunk, true)
        }
        let one = try Run.train(options)
        let all = try Run.train(world: sizes.world, options)
        #expect(all.allSatisfy { Run.distance($0.parameters, one.parameters) < 1e-5 })
        #expect(zip(all[0].losses, one.losses).allSatisfy { abs($0 - $1) < 1e-5 * abs($1) })
    }

    /// Tests five chunks of 2 on two ranks, three and two.
    @Test func takesUnequalNumbersOfChunks() throws {
        let options = Run.options {
            ($0.syncBatchNorm, $0.chunkSize, $0.batchSize) = (false, 2, 10)
        }
        let one = try Run.train(options, images: 50)
        for outcome in try Run.train(world: 2, options, images: 50) {
            #expect(Run.distance(outcome.parameters, one.parameters) < 1e-5)
        }
    }

    /// Checks that the chunks of all ranks form one group of synchronized batch norm: chunks of 2
    /// on two ranks equal chunks of 4 in one process whose batch has them side by side, which does
    /// not affect the loss.
    @Test func synchronizesChunks() throws {
        let options = Run.options { ($0.chunkSize, $0.batchSize) = (4, 8) }
        let all = try Run.train(world: 2, options, images: 40)
        // One chunk per rank: no caching, the whole batch is one group.
        let whole = Run.options { $0.batchSize = 8 }
        let one = try Run.train(whole, images: 40)
        #expect(all.allSatisfy { Run.distance($0.parameters, one.parameters) < 1e-5 })
    }

    @Test(arguments: [2, 3], [0, 0.4]) func trainsTheClassifierAlone(world: Int, mixup: Double)
        throws
    {
        let options = Run.options {
            ($0.objective, $0.learningRate, $0.mixupAlpha) = (.linear, 0.05, mixup)
        }
        let one = try Run.train(options, classes: 3)
        let all = try Run.train(world: world, options, classes: 3)
        #expect(all.allSatisfy { Run.distance($0.parameters, one.parameters) < 1e-5 })
        #expect(all[0].events.last?.trainAccuracy == one.events.last?.trainAccuracy)
    }

    @Test func sameRanksSameBytes() throws {
        let options = Run.options { ($0.syncBatchNorm, $0.learningRate) = (false, 0.05) }
        let (a, b) = (try Run.train(world: 3, options), try Run.train(world: 3, options))
        #expect(a[0].parameters == b[0].parameters && a[0].running == b[0].running)
        #expect(a[0].losses == b[0].losses)
    }

    /// Checks that the requests of rank 0's callback, another rate and a model to keep, apply to
    /// all ranks, and equal those of one process.
    @Test func theCallbackOfRank0ReachesAll() throws {
        func train(_ collectives: (any Collectives)?) throws -> [Float] {
            let model = try TrainerTests.model()
            let trainer = try Trainer(
                model, try TrainerTests.dataset(60), Run.options { $0.epochs = 3 },
                context: ExecutionContext(threads: 1), collectives: collectives)
            func hear(_ event: TrainEvent) -> Bool {
                if event.kind == .step, event.epoch == 1, event.step == 2 {
                    #expect((try? trainer.scaleRate(by: 3)) != nil)
                }
                if event.kind == .epoch, event.epoch == 2 { #expect((try? trainer.keep()) != nil) }
                return event.epoch < 3 || event.step < 2
            }
            expectError(.canceled, "epoch 3, step 2") { try trainer.run(hear) }
            return TransferTests().values(model)
        }
        let one = try train(nil)
        for outcome in ThreadCollectives.run(world: 3, { try train($0) }) {
            #expect(Run.distance(try outcome.get(), one) < 2e-5)
        }
    }

    /// Checks that kNN@1, of 30 images in unequal parts, decides as in one process.
    @Test func validatesOverRanks() throws {
        let options = Run.options {
            ($0.epochs, $0.validationFraction, $0.restoresBest) = (3, 0.25, true)
        }
        let one = try Run.train(options, images: 120)
        let all = try Run.train(world: 4, options, images: 120)
        func accuracies(_ outcome: Run.Outcome) -> [Double] {
            outcome.events.filter { $0.kind == .epoch }.map(\.knnAccuracy)
        }
        #expect(accuracies(one).count == 3 && accuracies(one) == accuracies(all[0]))
        #expect(all.allSatisfy { $0.parameters == all[0].parameters })
        #expect(Run.distance(one.parameters, all[0].parameters) < 1e-4)
    }
}
