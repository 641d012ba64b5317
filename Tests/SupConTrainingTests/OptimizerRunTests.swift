import Foundation
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision
import Testing

@testable import SupConTraining

/// Tests whole runs with each optimizer and with the weights' average.
@Suite struct OptimizerRunTests {
    func values(_ model: Model) -> [Float] {
        (0..<model.network.parameters.count).map { model.network.parameters.values[$0] }
    }

    static func options(_ kind: OptimizerKind, _ change: (inout TrainOptions) -> Void = { _ in })
        -> TrainOptions
    {
        TrainerTests.options {
            $0.optimizer = kind
            // LARS: the trust ratio makes rates small.
            $0.learningRate = [.sgd: 0.05, .lars: 10, .rmsprop: 0.02, .adamw: 0.005][kind] ?? 0
            change(&$0)
        }
    }

    @Test(arguments: OptimizerKind.allCases) func learnsWithEveryOptimizer(_ kind: OptimizerKind)
        throws
    {
        var accuracy = 0.0
        let trainer = try Trainer(
            try TrainerTests.model(), try TrainerTests.dataset(),
            Self.options(kind) { $0.epochs = 8 }, context: TrainerTests.context)
        try trainer.run {
            if $0.kind == .epoch { accuracy = $0.knnAccuracy }
            return true
        }
        // Three classes.
        #expect(accuracy > 0.8, "\(kind): \(accuracy)")
    }

    /// Checks that runs stopped after two epochs and resumed give the bytes of an uninterrupted
    /// one, for the optimizer's state and the average's.
    @Test(arguments: zip(OptimizerKind.allCases, [0.9, 0, 0.99, 0.9])) func resumesExactly(
        _ kind: OptimizerKind, _ emaDecay: Double
    ) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "supcon-test-\(UUID().uuidString)"
        ).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let dataset = try TrainerTests.dataset()
        let whole = try TrainerTests.model()
        try Trainer(
            whole, dataset, Self.options(kind) { $0.emaDecay = emaDecay },
            context: TrainerTests.context
        ).run(nil)
        let stopped = try TrainerTests.model()
        let first = try Trainer(
            stopped, dataset,
            Self.options(kind) { ($0.emaDecay, $0.checkpointFolder) = (emaDecay, RawPath(folder)) },
            context: TrainerTests.context)
        #expect { try first.run { !($0.kind == .epoch && $0.epoch == 2) } } throws: {
            ($0 as? SupConError)?.kind == .canceled
        }
        let resumed = try TrainerTests.model(seed: 77)
        try Trainer(
            resumed, dataset,
            Self.options(kind) {
                ($0.emaDecay, $0.checkpointFolder, $0.resume) = (emaDecay, RawPath(folder), true)
            }, context: TrainerTests.context
        ).run(nil)
        #expect(values(whole) == values(resumed))
        let other: OptimizerKind = kind == .sgd ? .adamw : .sgd
        #expect {
            _ = try Trainer(
                resumed, dataset,
                Self.options(other) { ($0.checkpointFolder, $0.resume) = (RawPath(folder), true) },
                context: TrainerTests.context)
        } throws: { ($0 as? SupConError)?.kind == .state && "\($0)".contains("optimizer") }
    }

    /// Checks that the model at the end is the average of the run without one, by the formula in
    /// double precision, and that best.safetensors has averaged weights too.
    @Test func theModelIsTheAverageOfTheWeights() throws {
        let dataset = try TrainerTests.dataset()
        let plain = try TrainerTests.model()
        // The weights after every step: runs that are stopped there.
        var average: [Double] = values(plain).map(Double.init)
        let decay = 0.6
        let steps = 2 * 4
        for step in 1...steps {
            let model = try TrainerTests.model()
            var count = 0
            let trainer = try Trainer(
                model, dataset, Self.options(.sgd) { $0.epochs = 2 }, context: TrainerTests.context)
            try? trainer.run {
                if $0.kind == .step { count += 1 }
                return count < step
            }
            let share = 1 - min(decay, Double(1 + step) / Double(10 + step))
            for (i, w) in values(model).enumerated() {
                average[i] += share * (Double(w) - average[i])
            }
        }
        let model = try TrainerTests.model()
        var accuracies: [Double] = []
        try Trainer(
            model, dataset, Self.options(.sgd) { ($0.epochs, $0.emaDecay) = (2, decay) },
            context: TrainerTests.context
        ).run {
            if $0.kind == .epoch { accuracies.append($0.knnAccuracy) }
            return true
        }
        #expect(accuracies.count == 2)
        for (i, value) in values(model).enumerated() {
            #expect(
                abs(Double(value) - average[i]) < 1e-4 * max(1, abs(average[i])), "parameter \(i)")
        }
    }

    @Test func badOptionsAreRefusedInWords() throws {
        let cases: [(String, (inout TrainOptions) -> Void)] = [
            ("trust_coefficient", { $0.trustCoefficient = 0 }),
            ("rmsprop_decay", { $0.rmspropDecay = 1 }), ("beta1", { $0.beta1 = -0.1 }),
            ("beta2", { $0.beta2 = 1 }), ("epsilon", { $0.epsilon = -2 }),
            ("epsilon", { $0.epsilon = .nan }),
            ("exponential_factor", { $0.exponentialFactor = 0 }),
            ("exponential_epochs", { $0.exponentialEpochs = 0 }),
            ("ema_decay", { $0.emaDecay = 1 }),
            ("chunk_size", { ($0.batchSize, $0.chunkSize) = (256, 3) }),
            ("chunk_size", { $0.chunkSize = -1 }),
        ]
        for (name, change) in cases {
            var options = TrainOptions()
            change(&options)
            #expect { try options.validate() } throws: {
                ($0 as? SupConError)?.kind == .argument && "\($0)".hasPrefix(name)
            }
        }
    }
}
