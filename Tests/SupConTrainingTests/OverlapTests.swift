import Foundation
import SupConModel
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConTraining

/// Tests the sums of gradients that are computed while the backward pass continues.
@Suite struct OverlapTests {
    typealias Run = RanksTests

    /// Checks that a thread of the library that calls the collectives changes no byte.
    @Test(
        arguments: [
            Run.Kind.supcon, .joint, .maxMargin, .queue, .lars, .mixed, .frozen, .cached, .sizes,
        ], [false, true])
    func changesNoByte(kind: Run.Kind, synchronized: Bool) throws {
        var options = Run.options(kind)
        (options.learningRate, options.syncBatchNorm) = (0.05, synchronized)
        let outcomes = try [false, true].map {
            try Run.train(world: 3, options, weights: kind.weights, anyThread: $0)
        }
        for (without, with) in zip(outcomes[0], outcomes[1]) {
            #expect(without.parameters == with.parameters && without.running == with.running)
            #expect(without.losses == with.losses)
        }
    }

    /// Checks the same for chunks, whose gradients are added up before they are summed.
    @Test(arguments: [(2, 10, 2), (3, 12, 4)], [false, true])
    func changesNoByteOfChunks(
        _ sizes: (world: Int, batch: Int, chunk: Int), joint: Bool
    ) throws {
        let options = Run.options {
            ($0.batchSize, $0.chunkSize, $0.jointClassifier) = (sizes.batch, sizes.chunk, joint)
            $0.syncBatchNorm = sizes.world == 3
        }
        let outcomes = try [false, true].map {
            try Run.train(world: sizes.world, options, anyThread: $0)
        }
        for (without, with) in zip(outcomes[0], outcomes[1]) {
            #expect(without.parameters == with.parameters && without.running == with.running)
        }
    }

    /// Checks that ranks with such a thread and ranks without call the same operations.
    @Test func ranksMayDiffer() throws {
        let same = try Run.train(world: 3, Run.options())
        let mixed = try ThreadCollectives.run(world: 3) { rank in
            rank.allowsAnyThread = rank.rank == 1
            return try Run.train(Run.options(), rank)
        }.map { try $0.get() }
        for (a, b) in zip(same, mixed) { #expect(a.parameters == b.parameters) }
    }

    /// Checks that over a slow network a step takes less time if sums overlap the backward pass.
    @Test func hidesTheNetwork() throws {
        /// Returns the time of the shortest step of a run whose sums take `perByte` seconds.
        func seconds(anyThread: Bool, perByte: Double) throws -> Double {
            let outcomes = ThreadCollectives.run(world: 2, anyThread: anyThread) { rank in
                // Embeddings and agreements are as good as free.
                rank.seconds = { $0 > 20000 ? Double($0) * perByte : 0 }
                var options = ModelOptions()
                (options.width, options.channels) = (16, 1)
                (options.imageHeight, options.imageWidth, options.precision) = (16, 16, .f32)
                let context = try ExecutionContext(threads: 1)
                let trainer = try Trainer(
                    try Model(options, context: context), try TrainerTests.dataset(96),
                    Run.options { ($0.batchSize, $0.syncBatchNorm) = (32, false) },
                    context: context, collectives: rank)
                var (shortest, last) = (Double.infinity, Date())
                try trainer.run {
                    if $0.kind == .step {
                        if $0.step > 1 { shortest = min(shortest, Date().timeIntervalSince(last)) }
                        last = Date()
                    }
                    return true
                }
                return shortest
            }
            return try outcomes[0].get()
        }
        // The sums of 0.7 million gradients take as long as all else, of which the backward pass is
        // about half. In turn, so that what else the machine does slows both.
        // One of eight comparisons suffices, as other tests compute at the same time.
        var said: [String] = []
        for _ in 0..<8 {
            let free = try seconds(anyThread: true, perByte: 0)
            let behind = try seconds(anyThread: true, perByte: free / 2.8e6)
            let after = try seconds(anyThread: false, perByte: free / 2.8e6)
            if behind < after - 0.15 * free { return }
            said.append("\(behind) s behind the backward pass, \(after) s after, \(free) s without")
        }
        Issue.record("\(said)")
    }

    /// Checks that a failure on the library's thread ends the run at every rank.
    @Test(arguments: [4, 6, 8, 11, 15, 22]) func aSumThatFailsEndsTheRun(operation: Int) {
        let begin = Date()
        let outcomes = ThreadCollectives.run(world: 3, anyThread: true) { rank in
            if rank.rank == 1 {
                rank.before = { (number) throws(SupConError) in
                    if number >= operation { throw SupConError(.io, "the network is gone") }
                }
            }
            _ = try Run.train(Run.options(), rank)
        }
        for (rank, outcome) in outcomes.enumerated() {
            #expect(throws: SupConError.self) { try outcome.get() }
            guard case .failure(let error as SupConError) = outcome else { continue }
            #expect(error.kind == .io)
            #expect(error.message.contains(rank == 1 ? "the network is gone" : "heard nothing"))
        }
        #expect(Date().timeIntervalSince(begin) < 30)
    }
}

/// Gradients that travel in bf16.
@Suite struct RoundedGradientsTests {
    typealias Run = RanksTests

    static func options(_ kind: Run.Kind) -> TrainOptions {
        var options = Run.options(kind)
        (options.learningRate, options.gradientPrecision) = (0.05, .bf16)
        return options
    }

    /// Checks that one step moves the parameters nearly as in f32, and all ranks and runs alike.
    @Test(
        arguments: [
            Run.Kind.supcon, .joint, .crossEntropy, .queue, .frozen, .weightedMix,
        ], [2, 3])
    func movesNearlyAsInF32(kind: Run.Kind, world: Int) throws {
        var options = Self.options(kind)
        let weights = kind.weights.map { Array($0.prefix(12)) }
        func train(anyThread: Bool = false) throws -> [Run.Outcome] {
            try Run.train(
                world: world, options, images: 12, weights: weights, anyThread: anyThread)
        }
        let start = try Run.start(options)
        let rounded = try train()
        #expect(rounded.allSatisfy { $0.parameters == rounded[0].parameters })
        #expect(try train(anyThread: true)[0].parameters == rounded[0].parameters)
        options.gradientPrecision = .f32
        let exact = try train()[0].parameters
        func length(_ a: [Float], _ b: [Float]) -> Double {
            zip(a, b).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }.squareRoot()
        }
        let (off, moved) = (length(rounded[0].parameters, exact), length(exact, start))
        #expect(off > 1e-5 * moved, "nothing was rounded")
        #expect(off < 0.01 * moved, "\(off) of \(moved)")
    }

    /// Checks the classifier's gradients, and that one process, which exchanges nothing, ignores
    /// the option.
    @Test func otherRuns() throws {
        let linear = Run.options {
            ($0.objective, $0.learningRate, $0.gradientPrecision) = (.linear, 0.05, .bf16)
        }
        let all = try Run.train(world: 2, linear, classes: 3)
        let one = try Run.train(linear, classes: 3)
        #expect(Run.distance(all[0].parameters, one.parameters) < 1e-3)
        #expect(all[0].parameters != one.parameters)
        var unrounded = Self.options(.supcon)
        let alone = try Run.train(unrounded)
        unrounded.gradientPrecision = .f32
        #expect(try Run.train(unrounded).parameters == alone.parameters)
    }

    /// Checks that a run learns as much as in f32.
    @Test func learnsAsMuch() throws {
        func train(_ precision: GradientPrecision) throws -> [Double] {
            let options = Run.options {
                ($0.epochs, $0.batchSize, $0.learningRate) = (6, 24, 0.02)
                ($0.gradientPrecision, $0.syncBatchNorm) = (precision, false)
            }
            return try Run.train(world: 3, options, images: 240)[0].events
                .filter { $0.kind == .epoch }.map(\.loss)
        }
        let (exact, rounded) = (try train(.f32), try train(.bf16))
        #expect(exact[5] < 0.95 * exact[0])
        // Two runs part ways, so that they end alike but not equal.
        #expect(rounded[5] < exact[5] + 0.3 * (exact[0] - exact[5]), "\(rounded) \(exact)")
    }
}
