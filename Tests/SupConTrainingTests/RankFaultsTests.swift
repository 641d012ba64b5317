import Foundation
import SupConModel
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConTraining

/// Tests runs over several ranks that fail, and their continuation.
@Suite struct RankFaultsTests {
    typealias Run = RanksTests

    /// Returns the error of each rank; nil if it did not fail.
    static func errors(
        world: Int, _ body: @escaping (ThreadCollectives) throws -> Void
    ) -> [SupConError?] {
        ThreadCollectives.run(world: world, body).map {
            if case .failure(let error) = $0 { error as? SupConError } else { nil }
        }
    }

    static func expect(
        _ errors: [SupConError?], _ kind: SupConError.Kind, _ words: String...,
        location: SourceLocation = #_sourceLocation
    ) {
        for (rank, error) in errors.enumerated() {
            #expect(
                error?.kind == kind, "rank \(rank): \(String(describing: error))",
                sourceLocation: location)
            for word in words {
                #expect(
                    error?.message.contains(word) == true, "\(error?.message ?? "")",
                    sourceLocation: location)
            }
        }
    }

    @Test func differingOptionsAreNamed() {
        let errors = Self.errors(world: 3) { rank in
            var options = Run.options()
            if rank.rank == 1 { options.learningRate = 0.125 }
            _ = try Run.train(options, rank)
        }
        Self.expect(errors, .argument, "rank 1 of 3", "learning_rate is 0.125 here and 0.0002")
    }

    @Test func differingDataAreNamed() {
        let errors = Self.errors(world: 2) { rank in
            _ = try Run.train(Run.options(), rank, images: rank.rank == 0 ? 60 : 63)
        }
        Self.expect(errors, .argument, "rank 1 of 2", "training images is 63 here and 60")
    }

    @Test func whatOneRankLacksEndsAll() {
        let errors = Self.errors(world: 3) { rank in
            var options = Run.options()
            if rank.rank == 2 { options.epochs = 0 }
            _ = try Run.train(options, rank)
        }
        Self.expect(errors, .argument, "rank 2 of 3", "epochs is 0")
    }

    @Test func aModelThatIsInUseAtOneRankEndsAll() {
        let errors = Self.errors(world: 3) { rank in
            let model = try TrainerTests.model(seed: 3)
            let trainer = try Trainer(
                model, try TrainerTests.dataset(60), Run.options(),
                context: ExecutionContext(threads: 1), collectives: rank)
            if rank.rank != 1 { return try trainer.run() }
            try model.exclusive { () throws(SupConError) in try trainer.run() }
        }
        Self.expect(errors, .state, "rank 1 of 3")
    }

    @Test func tooSmallABatchIsRefused() {
        let errors = Self.errors(world: 3) { rank in
            _ = try Run.train(Run.options { $0.batchSize = 2 }, rank)
        }
        Self.expect(errors, .argument, "batch_size is 2, which 3 ranks share; expected at least 3")
        let chunks = Self.errors(world: 2) { rank in
            _ = try Run.train(Run.options { ($0.batchSize, $0.chunkSize) = (12, 4) }, rank)
        }
        Self.expect(chunks, .argument, "unequal numbers of chunks", "multiple of 8")
    }

    /// Tests an image that one rank cannot read, in the middle of the run.
    @Test func anUnreadableImageEndsAll() throws {
        let errors = Self.errors(world: 2) { rank in
            let images = try Dataset.callback(count: 60, rank: rank.rank)
            let trainer = try Trainer(
                try TrainerTests.model(), images, Run.options { $0.objective = .simclr },
                context: ExecutionContext(threads: 1), collectives: rank)
            try trainer.run(nil)
        }
        Self.expect(errors, .canceled, "rank 1 of 2")
    }

    @Test func aCancelAtOneRankEndsAll() {
        let errors = Self.errors(world: 2) { rank in
            let trainer = try Trainer(
                try TrainerTests.model(), try TrainerTests.dataset(60), Run.options(),
                context: ExecutionContext(threads: 1), collectives: rank)
            if rank.rank == 1 { trainer.cancel() }
            try trainer.run(nil)
        }
        Self.expect(errors, .canceled, "rank 1 of 2", "stopped in epoch 1, step 1")
    }

    @Test func theCallbackOfRank0StopsAll() {
        let errors = Self.errors(world: 2) { rank in
            let trainer = try Trainer(
                try TrainerTests.model(), try TrainerTests.dataset(60), Run.options(),
                context: ExecutionContext(threads: 1), collectives: rank)
            try trainer.run { $0.step < 3 }
        }
        Self.expect(errors, .canceled, "rank 0 of 2", "epoch 1, step 3")
    }

    /// Checks that, whichever operation a rank leaves at, the others end, and not by the end of
    /// their patience, 60 s.
    @Test(arguments: [0, 1, 5, 9, 14, 25, 33]) func noRankHangs(leaves operation: Int) {
        let begin = Date()
        let errors = Self.errors(world: 3) { rank in
            if rank.rank == 1 {
                rank.before = { (number) throws(SupConError) in
                    if number == operation { throw SupConError(.io, "the network is gone") }
                }
            }
            _ = try Run.train(Run.options { $0.jointClassifier = true }, rank)
        }
        Self.expect(errors, .io)
        #expect(errors[1]?.message == "the network is gone")
        #expect(errors[0]?.message.contains("heard nothing") == true)
        #expect(Date().timeIntervalSince(begin) < 30)
    }

    /// Checks that checkpoints are rank 0's, and that a run can be resumed with equally many ranks,
    /// or others.
    @Test(arguments: [1, 2, 3]) func resumesOnAnotherNumberOfRanks(world: Int) throws {
        let folder = try TrainerTests().temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func options(epochs: Int, resume: Bool, at rank: Int) -> TrainOptions {
            Run.options {
                ($0.epochs, $0.resume, $0.emaDecay) = (epochs, resume, 0.5)
                ($0.schedule, $0.validationFraction, $0.restoresBest) = (.constant, 0.2, true)
                // Only rank 0's is looked at.
                $0.checkpointFolder = RawPath(rank == 0 ? folder : folder + "-of-another-machine")
            }
        }
        let whole = try Run.train(
            Run.options {
                ($0.epochs, $0.emaDecay, $0.schedule) = (3, 0.5, .constant)
                ($0.validationFraction, $0.restoresBest) = (0.2, true)
            }, images: 75)
        _ = ThreadCollectives.run(world: 2) { rank in
            try Run.train(options(epochs: 1, resume: false, at: rank.rank), rank, images: 75)
        }
        let resumed = try ThreadCollectives.run(world: world) { rank in
            try Run.train(
                options(epochs: 3, resume: true, at: rank.rank), rank, images: 75,
                seed: UInt64(rank.rank))
        }.map { try $0.get() }
        #expect(resumed[0].events.filter { $0.kind == .epoch }.map(\.epoch) == [2, 3])
        for outcome in resumed {
            #expect(Run.distance(outcome.parameters, whole.parameters) < 1e-5)
        }
        #expect(!FileManager.default.fileExists(atPath: folder + "-of-another-machine"))
    }

    /// Checks that ranks whose sums differ, and which therefore drift apart, are detected.
    @Test func differentBytesAreNoticed() {
        let errors = Self.errors(world: 2) { rank in
            if rank.rank == 1 {
                rank.altered = { if !$0.isEmpty { $0[0] = $0[0].nextUp + 1e-3 } }
            }
            _ = try Run.train(Run.options(), rank)
        }
        Self.expect(errors, .state, "after epoch 1 rank 1 has other weights than rank 0")
    }
}

extension Dataset {
    /// Makes a data set whose callback fails on rank 1 after some images.
    fileprivate static func callback(count: Int, rank: Int) throws -> Dataset {
        let (height, width) = (TrainerTests.side, TrainerTests.side)
        nonisolated(unsafe) var calls = 0
        return try Dataset.callback(count: count, height: height, width: width, channels: 1) {
            indices, target in
            calls += 1
            for i in 0..<(indices.count * height * width) {
                target[i] = UInt8(truncatingIfNeeded: i &* 7 &+ indices[0] &* 31)
            }
            return rank == 0 || calls < 4
        }
    }
}

/// Noisy collectives simulate ranks of which only this process is real: the others' bytes equal its
/// own, except for those of one gather, which are noise.
private final class NoisyCollectives: Collectives {
    let rank = 0
    let world = 2
    private let noisy: Int
    private let noise: UInt8
    private(set) var gathers = 0

    init(noisy: Int, noise: UInt8) { (self.noisy, self.noise) = (noisy, noise) }

    func allReduceSum(_ values: UnsafeMutablePointer<Float>, count: Int) throws(SupConError) {}
    func broadcast(_ bytes: UnsafeMutableRawPointer, byteCount: Int, root: Int)
        throws(SupConError)
    {}
    func barrier() throws(SupConError) {}
    func allGather(
        _ bytes: UnsafeRawPointer, byteCount: Int, into gathered: UnsafeMutableRawPointer
    ) throws(SupConError) {
        gathered.copyMemory(from: bytes, byteCount: byteCount)
        (gathered + byteCount).copyMemory(from: bytes, byteCount: byteCount)
        if gathers == noisy { memset(gathered + byteCount, Int32(noise), byteCount) }
        gathers += 1
    }
}

extension RankFaultsTests {
    /// Checks that a network that delivers other bytes than were sent may spoil a run, but not the
    /// process.
    @Test(arguments: [0x3F, 0x43, 0x7F, 0xC3, 0xFF] as [UInt8])
    func noiseInTheCollectivesEndsInAnError(_ noise: UInt8) throws {
        var (noisy, gathers, failures) = (0, 1, 0)
        while noisy < gathers {
            let collectives = NoisyCollectives(noisy: noisy, noise: noise)
            do {
                let options = Run.options {
                    ($0.jointClassifier, $0.validationFraction) = (true, 0.2)
                    $0.epochs = 2
                }
                _ = try Run.train(options, collectives)
            } catch is SupConError {
                failures += 1
            }
            gathers = max(gathers, collectives.gathers)
            noisy += max(1, gathers / 24)
        }
        #expect(failures > 0)
    }
}
