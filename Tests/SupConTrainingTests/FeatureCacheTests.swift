import Foundation
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConTraining

/// Tests the feature cache: with equal views a run gives the same bytes as without it. Also tests
/// its contents, its memory and its file.
@Suite struct FeatureCacheTests {
    typealias Change = @Sendable (inout TrainOptions) -> Void

    static func run(
        _ dataset: Dataset, precision: Precision = .f32, int8: Bool = false, seed: UInt64 = 3,
        _ change: (inout TrainOptions) -> Void
    ) throws -> [Float] {
        let model = try TrainerTests.model(seed: seed, precision: precision)
        if int8 { try model.quantize(dataset) }
        let options = TrainerTests.options {
            ($0.freezeStages, $0.schedule, $0.warmupSteps) = (3, .constant, 0)
            change(&$0)
        }
        try Trainer(model, dataset, options, context: TrainerTests.context).run(nil)
        return FreezingTests.values(model)
    }

    struct Way: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var change: Change

        init(_ name: String, _ change: @escaping Change) {
            (testDescription, self.change) = (name, change)
        }
    }

    static let ways = [
        Way("plain") { _ in },
        Way("all stages") { $0.freezeStages = 4 },
        Way("chunks") {
            $0.chunkSize = 5
            $0.views = 3
        },
        Way("queue") {
            $0.queueMode = .negatives
            $0.queueSize = 64
            $0.views = 3
        },
        Way("queue, all stages") {
            $0.queueMode = .negatives
            $0.queueSize = 64
            $0.freezeStages = 4
        },
        Way("joint") { $0.jointClassifier = true },
        Way("cross-entropy") { $0.objective = .crossEntropy },
        Way("unfrozen") { $0.unfreezeEpochs = [1, 2] },
        Way("sizes") { $0.imageSizeSchedule = [8, 12, 16] },
        Way("adamw") {
            $0.optimizer = .adamw
            $0.emaDecay = 0.9
        },
    ]

    /// Tests as many rounds as epochs, where each epoch has its own views, as without a cache.
    @Test(arguments: ways, [false, true])
    func equalsTheRunWithoutIt(_ way: Way, _ inFile: Bool) throws {
        let dataset = try TrainerTests.dataset()
        let folder = try TrainerTests().temporaryFolder()
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let fresh = try Self.run(dataset) {
            $0.epochs = 3
            way.change(&$0)
        }
        let cached = try Self.run(dataset) {
            ($0.epochs, $0.featureCache) = (3, 3)
            if inFile { $0.featureCacheFolder = RawPath(folder) }
            way.change(&$0)
        }
        #expect(fresh == cached)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }

    @Test(arguments: [Precision.f32, .bf16], [false, true])
    func equalsTheRunWithoutItInEachType(_ precision: Precision, _ int8: Bool) throws {
        guard (try? Engine.standard.check(precision)) != nil,
            !int8 || (try? Engine.standard.checkInt8()) != nil
        else { return }
        let dataset = try TrainerTests.dataset()
        func run(_ rounds: Int) throws -> [Float] {
            try Self.run(dataset, precision: precision, int8: int8) {
                ($0.epochs, $0.featureCache) = (2, rounds)
            }
        }
        #expect(try run(0) == run(2))
    }

    /// Tests fewer rounds, where the views of the first epochs repeat; a resumed run recomputes
    /// them.
    @Test func roundsComeAgain() throws {
        let dataset = try TrainerTests.dataset()
        let folder = try TrainerTests().temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func run(_ epochs: Int, _ rounds: Int, _ folder: String? = nil, seed: UInt64 = 3) throws
            -> [Float]
        {
            try Self.run(dataset, seed: seed) {
                ($0.epochs, $0.featureCache) = (epochs, rounds)
                ($0.checkpointFolder, $0.resume) = (folder.map { RawPath($0) }, folder != nil)
            }
        }
        let whole = try run(4, 2)
        #expect(try run(4, 4) != whole)
        _ = try run(3, 2, folder)
        #expect(try run(4, 2, folder, seed: 77) == whole)
        expectError(.state, "feature_cache") { _ = try run(5, 3, folder) }
    }

    /// Checks that each entry occurs once, and that an image that repeats in an epoch uses the next
    /// round's.
    @Test func entriesAreThoseOfTheRounds() throws {
        var options = TrainOptions()
        (options.featureCache, options.freezeStages, options.views, options.epochs) = (3, 1, 2, 9)
        let cache = try #require(
            try FeatureCache(
                options, samples: 10, viewByteCount: 4, context: TrainerTests.context))
        let first = cache.entries(epoch: 1, [[4, 7], [4, 4]])
        #expect(first == [[4, 7], [14, 24]])
        #expect(cache.entries(epoch: 6, [[4, 4]]) == [[24, 4]])
        let missing = cache.missing(first)
        #expect(missing.map(\.epoch) == [1, 2, 3])
        #expect(missing.map(\.samples) == [[4, 7], [4], [4]])
        cache.setFilled(epoch: 1, [4], with: [9])
        #expect(cache.image(4) == 9)
        #expect(cache.missing(first).map(\.samples) == [[7], [4], [4]])
        #expect(cache.memoryByteCount == 10 * 3 * 2 * 4)
        try cache.open()
        let scratch = try AlignedBuffer(byteCount: 4)
        for (view, value) in [Float(5), 6].enumerated() {
            try withUnsafeBytes(of: value) {
                try cache.write($0.baseAddress!, epoch: 2, sample: 4, view: view)
            }
        }
        for (view, value) in [Float(5), 6].enumerated() {
            let read = try cache.read(14, view: view, scratch: scratch.pointer)
            #expect(read.load(as: Float.self) == value)
        }
    }

    @Test func refusesWhatCannotBe() throws {
        let dataset = try TrainerTests.dataset()
        expectError(.argument, "feature_cache is 1 but freeze_stages is 0") {
            _ = try Self.run(dataset) { ($0.featureCache, $0.freezeStages) = (1, 0) }
        }
        expectError(.argument, "mixup_alpha") {
            _ = try Self.run(dataset) {
                ($0.featureCache, $0.objective, $0.mixupAlpha) = (1, .crossEntropy, 0.3)
            }
        }
        expectError(.argument, "feature_cache_folder") {
            _ = try Self.run(dataset) { $0.featureCacheFolder = "/tmp" }
        }
        expectError(.io, "/nowhere/at/all") {
            _ = try Self.run(dataset) {
                ($0.featureCache, $0.featureCacheFolder) = (1, "/nowhere/at/all")
            }
        }
        expectError(.argument, "feature_cache is 1 beside random_image_size") {
            _ = try Self.run(dataset) {
                ($0.epochs, $0.featureCache, $0.imageSizeSchedule) = (2, 1, [8, 12])
                $0.drawsImageSize = true
            }
        }
        let model = try TrainerTests.model()
        let options = TrainerTests.options {
            $0.epochs = 100
            $0.freezeStages = 1
            $0.featureCache = 100
        }
        expectError(.memory, "feature cache") {
            _ = try Trainer(
                model, dataset, options,
                context: ExecutionContext(threads: 2, memoryLimit: 20_000_000))
        }
    }
}
