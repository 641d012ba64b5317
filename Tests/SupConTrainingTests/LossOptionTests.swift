import Foundation
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import Testing

@testable import SupConTraining
@testable import SupConVision

/// Tests the options of losses in training: each has an effect, learns, resumes bit for bit, and
/// rejects what it does not support.
@Suite struct LossOptionTests {
    private typealias Run = TrainerTests
    private static let context = TrainerTests.context

    private func values(_ model: Model) -> [Float] {
        (0..<model.network.parameters.count).map { model.network.parameters.values[$0] }
    }

    static let changes: [(String, @Sendable (inout TrainOptions) -> Void)] = [
        ("positives_cap", { $0.loss.positivesCap = 3 }),
        ("kernel", { ($0.positives, $0.labelBandwidth) = (.kernel, 0.7) }),
        ("label_smoothing", { ($0.objective, $0.labelSmoothing) = (.crossEntropy, 0.1) }),
        ("mixup", { ($0.objective, $0.mixupAlpha) = (.crossEntropy, 0.2) }),
        ("cutmix", { ($0.objective, $0.cutmixAlpha) = (.crossEntropy, 1) }),
        ("linear mixup", { ($0.objective, $0.mixupAlpha) = (.linear, 0.2) }),
        ("linear smoothing", { ($0.objective, $0.labelSmoothing) = (.linear, 0.1) }),
        ("joint smoothing", { ($0.jointClassifier, $0.labelSmoothing) = (true, 0.2) }),
        ("max margin", { ($0.objective, $0.margin) = (.maxMargin, 3) }),
        ("queue", { ($0.queueMode, $0.queueSize) = (.positivesAndNegatives, 50) }),
        ("queue negatives", { ($0.queueMode, $0.queueSize, $0.views) = (.negatives, 64, 3) }),
        (
            "queue simclr",
            { ($0.objective, $0.queueMode, $0.queueSize) = (.simclr, .negatives, 50) }
        ),
        (
            "queue joint",
            {
                ($0.queueMode, $0.queueSize, $0.jointClassifier, $0.loss.positivesCap) = (
                    .positivesAndNegatives, 50, true, 4
                )
            }
        ),
    ]

    private static func without(_ change: (inout TrainOptions) -> Void) -> TrainOptions {
        var plain = TrainerTests.options(change)
        let fresh = TrainOptions()
        (plain.loss, plain.positives, plain.labelBandwidth, plain.labelSmoothing) = (
            fresh.loss, .classes, 0, 0
        )
        (plain.mixupAlpha, plain.cutmixAlpha, plain.queueMode) = (0, 0, .off)
        if plain.objective == .maxMargin { plain.objective = .crossEntropy }
        return plain
    }

    /// Checks that each option changes the loss from the first step on, and that a run that is
    /// stopped and resumed gives the bytes of an uninterrupted one.
    @Test(arguments: 0..<13)
    func hasAnEffectAndResumesExactly(_ number: Int) throws {
        let (name, change) = Self.changes[number]
        let dataset = try Run.dataset()
        var (losses, plain): ([Double], [Double]) = ([], [])
        let whole = try Run.model(classes: 3)
        let trainer = try Trainer(whole, dataset, Run.options(change), context: Self.context)
        try trainer.run { event in
            if event.kind == .step { losses.append(event.loss) }
            return true
        }
        let other = try Run.model(classes: 3)
        try Trainer(other, dataset, Self.without(change), context: Self.context).run { event in
            if event.kind == .step { plain.append(event.loss) }
            return true
        }
        #expect(
            losses.allSatisfy { $0.isFinite }
                && (losses[0] != plain[0]) == (name != "joint smoothing")
                && values(whole) != values(other), "\(name)")
        #expect(trainer.memoryByteCount > 0)

        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "supcon-test-\(UUID().uuidString)"
        ).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let error = #expect(throws: SupConError.self) {
            try Trainer(
                try Run.model(classes: 3), dataset,
                Run.options {
                    change(&$0); $0.checkpointFolder = RawPath(folder)
                }, context: Self.context
            )
            .run { !($0.epoch == 3 && $0.step == 2) }
        }
        #expect(error?.kind == .canceled)
        let resumed = try Run.model(seed: 77, classes: 3)
        try Trainer(
            resumed, dataset,
            Run.options {
                change(&$0); ($0.checkpointFolder, $0.resume) = (RawPath(folder), true)
            }, context: Self.context
        ).run(nil)
        #expect(values(whole) == values(resumed), "\(name)")
    }

    /// Checks that small runs succeed, by kNN@1 of the encoder or by the classifier's accuracy.
    @Test(arguments: ["positives_cap", "kernel", "max margin", "queue", "queue negatives"])
    func learns(_ name: String) throws {
        let change = try #require(Self.changes.first { $0.0 == name }).1
        var (losses, accuracy, knn): ([Double], Double, Double) = ([], .nan, 0)
        try Trainer(
            try Run.model(), try Run.dataset(240),
            Run.options {
                change(&$0)
                ($0.epochs, $0.margin, $0.queueSize, $0.keyMomentum) = (8, 2, 100, 0.99)
                if $0.objective == .maxMargin { ($0.epochs, $0.learningRate) = (30, 0.1) }
            },
            context: Self.context
        ).run { event in
            guard event.kind == .epoch else { return true }
            losses.append(event.loss)
            (accuracy, knn) = (event.trainAccuracy, event.knnAccuracy)
            #expect(event.alignment.isNaN || (event.alignment >= 0 && event.alignment <= 4))
            return true
        }
        #expect(name == "max margin" ? accuracy > 0.8 : knn > 0.85, "\(losses) \(accuracy) \(knn)")
    }

    /// Compares the step's loss and the key network's update with those computed from the parts
    /// outside of the step.
    @Test func theQueueStepIsMadeOfItsParts() throws {
        let (model, options) = (
            try Run.model(),
            Run.options {
                ($0.queueMode, $0.queueSize, $0.keyMomentum, $0.batchSize) = (
                    .positivesAndNegatives, 11, 0.5, 4
                )
            }
        )
        let labels = [0, 1, 0, 2],
            step = try QueueStep(
                model, options, labels: labels, part: BatchPart(options, Ranks()),
                context: Self.context)
        step.begin(resumed: false)
        let fresh = try model.network.copy()
        let plan = try TrainingPlan(
            fresh, images: 4, height: 12, width: 12, precision: .f32, trained: [.encoder, .head],
            classifierGradientReachesEncoder: false, context: Self.context)
        let keyNetwork = try model.network.copy()
        let keyPlan = try InferencePlan(
            keyNetwork, images: 4, height: 12, width: 12, precision: .f32, context: Self.context)
        var random = Philox(seed: 5, purpose: .test)
        var (queue, queueLabels): ([[Float]], [Int]) = ([], [])
        func unit(_ rows: UnsafePointer<Float>, _ row: Int) -> [Float] {
            let own = (0..<16).map { rows[row * 16 + $0] },
                length = own.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return own.map { $0 / length }
        }
        for index in 0..<6 {
            let input = (0..<4 * 2 * 144).map { _ in random.normal() }
            // By hand: queries, keys, and the loss dense in double.
            fresh.parameters.values.update(
                from: model.network.parameters.values, count: fresh.parameters.count)
            for i in 0..<4 {
                for k in 0..<144 {
                    (plan.input[i * 144 + k], keyPlan.input[i * 144 + k]) = (
                        input[i * 288 + k], input[i * 288 + 144 + k]
                    )
                }
            }
            plan.forward()
            keyPlan.reloadWeights()
            keyPlan.run()
            let z = try #require(plan.projection),
                w = UnsafePointer(try #require(keyPlan.projection))
            let contrasts = (0..<4).map { unit(w, $0) } + queue,
                contrastLabels = labels + queueLabels
            var expected = 0.0
            for i in 0..<4 {
                let s = contrasts.map { c in
                    (0..<16).reduce(0.0) { $0 + Double(z[i * 16 + $1]) * Double(c[$1]) } / 0.1
                }
                let positives = s.indices.filter { contrastLabels[$0] == labels[i] }
                let most = s.max()!
                expected +=
                    (most + log(s.reduce(0) { $0 + exp($1 - most) }) - positives.reduce(0) {
                        $0 + s[$1]
                    } / Double(positives.count)) / 4
            }
            let outcome = try input.withUnsafeBufferPointer { pixels in
                let batch = StepBatch(
                    LoadedBatch(pixels: pixels.baseAddress!, indices: [0, 1, 2, 3]))
                return try step.run(step: index, rate: 0.05, samples: batch.indices) { batch }
            }
            #expect(
                abs(outcome.loss - expected) < 2e-4 * max(1, expected),
                "index \(index): \(outcome.loss), expected \(expected)")
            // The queue keeps the last 11; the keys' network follows the model's.
            for i in 0..<4 {
                (queue, queueLabels) = (queue + [contrasts[i]], queueLabels + [labels[i]])
            }
            (queue, queueLabels) = (Array(queue.suffix(11)), Array(queueLabels.suffix(11)))
            // Statistics follow more quickly at first.
            for k in 0..<keyNetwork.parameters.count {
                let m =
                    k < keyNetwork.parameters.trainableCount
                    ? 0.5 : Float(min(0.5, Double(1 + index) / Double(10 + index)))
                keyNetwork.parameters.values[k] =
                    m * keyNetwork.parameters.values[k] + (1 - m)
                    * model.network.parameters.values[k]
            }
        }
    }

    /// Checks that m = 1 is cross-entropy, up to rounding.
    @Test func aMarginOfOneIsCrossEntropy() throws {
        let dataset = try Run.dataset()
        var losses: [[Double]] = []
        for objective in [Objective.maxMargin, .crossEntropy] {
            losses.append([])
            try Trainer(
                try Run.model(classes: 3), dataset,
                Run.options { ($0.objective, $0.margin, $0.epochs) = (objective, 1, 1) },
                context: Self.context
            ).run { event in
                if event.kind == .step { losses[losses.count - 1].append(event.loss) }
                return true
            }
        }
        for (one, other) in zip(losses[0], losses[1]) {
            #expect(abs(one - other) < 1e-4, "\(losses)")
        }
    }

    @Test func badOptionsAreRefusedInWords() throws {
        let (model, dataset) = (try Run.model(), try Run.dataset())
        let cases: [(String, (inout TrainOptions) -> Void)] = [
            ("positives_cap", { $0.loss.positivesCap = -1 }),
            ("label_smoothing", { ($0.objective, $0.labelSmoothing) = (.crossEntropy, 1) }),
            ("label_smoothing", { $0.labelSmoothing = 0.1 }),
            ("label_smoothing", { ($0.objective, $0.labelSmoothing) = (.crossEntropy, .nan) }),
            ("mixup_alpha", { $0.mixupAlpha = 0.2 }),
            ("mixup_alpha", { ($0.objective, $0.mixupAlpha) = (.crossEntropy, -1) }),
            ("mixup_alpha", { ($0.objective, $0.mixupAlpha) = (.maxMargin, 0.2) }),
            ("cutmix_alpha", { ($0.objective, $0.cutmixAlpha) = (.linear, .infinity) }),
            ("margin", { $0.margin = 0 }), ("margin", { $0.margin = 9 }),
            ("label_bandwidth", { $0.labelBandwidth = -1 }),
            ("label_bandwidth", { $0.labelBandwidth = 1 }),
            ("label_bandwidth", { $0.positives = .kernel }),
            ("positives is any", { ($0.objective, $0.positives) = (.simclr, .any) }),
            ("positives is any", { ($0.positives, $0.queueMode) = (.any, .negatives) }),
            ("label_bandwidth", { ($0.positives, $0.labelBandwidth) = (.kernel, .nan) }),
            ("queue_size", { ($0.queueMode, $0.queueSize) = (.negatives, 19) }),
            ("queue_size", { $0.queueSize = 0 }), ("key_momentum", { $0.keyMomentum = 1 }),
            ("key_momentum", { $0.keyMomentum = .nan }),
            ("queue_mode", { ($0.objective, $0.queueMode) = (.crossEntropy, .negatives) }),
            ("queue_mode", { ($0.objective, $0.queueMode) = (.simclr, .positivesAndNegatives) }),
            ("views", { ($0.queueMode, $0.views) = (.negatives, 1) }),
        ]
        for (word, change) in cases {
            let error = #expect(throws: SupConError.self, "\(word)") {
                try Trainer(model, dataset, Run.options(change), context: Self.context)
            }
            #expect(
                error?.kind == .argument && error?.message.contains(word) == true,
                "\(word): \(error?.message ?? "")")
        }
        // The memory variant's memory is counted: a queue larger than the limit is refused before
        // anything is taken.
        let small = try ExecutionContext(threads: 1, memoryLimit: 100 << 20)
        let error = #expect(throws: SupConError.self) {
            try Trainer(
                model, dataset,
                Run.options { ($0.queueMode, $0.queueSize) = (.negatives, 1 << 24) }, context: small
            )
        }
        #expect(error?.kind == .memory)
        func memory(_ queueSize: Int) throws -> Int {
            try Trainer(
                model, dataset,
                Run.options { ($0.queueMode, $0.queueSize) = (.negatives, queueSize) },
                context: Self.context
            ).memoryByteCount
        }
        #expect(try memory(8192 + 100) - memory(100) >= 8192 * 16 * 4)
    }

    @Test func aQueueOfAnotherSizeIsAnotherRun() throws {
        let (dataset, folder) = (
            try Run.dataset(),
            FileManager.default.temporaryDirectory.appendingPathComponent(
                "supcon-test-\(UUID().uuidString)"
            ).path
        )
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func options(_ size: Int, resume: Bool) -> TrainOptions {
            Run.options {
                ($0.queueMode, $0.queueSize, $0.epochs, $0.checkpointFolder, $0.resume) = (
                    .negatives, size, 1, RawPath(folder), resume
                )
            }
        }
        try Trainer(try Run.model(), dataset, options(40, resume: false), context: Self.context)
            .run(nil)
        let error = #expect(throws: SupConError.self) {
            try Trainer(try Run.model(), dataset, options(41, resume: true), context: Self.context)
        }
        #expect(error?.kind == .state && error?.message.contains("queue") == true)
    }
}
