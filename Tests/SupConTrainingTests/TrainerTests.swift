import Foundation
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConTraining

/// Tests small runs on images that a small network can separate: class c is a stripe pattern of
/// period c + 2 with noise.
@Suite struct TrainerTests {
    static let (side, classes) = (12, 3)

    /// Makes a data set whose targets are the classes, one-hot.
    static func dataset(_ count: Int = 120, labeled: Bool = true, channels: Int = 1) throws
        -> Dataset
    {
        var random = Philox(seed: 9, purpose: .test)
        let labels = (0..<count).map { $0 % classes }
        var pixels: [UInt8] = []
        for label in labels {
            let phase = random.index(below: 4)
            for _ in 0..<side {
                for x in 0..<side {
                    for _ in 0..<channels {
                        let stripe: Float = (x + phase) % (label + 2) == 0 ? 200 : 40
                        pixels.append(UInt8(max(0, min(255, stripe + random.uniform(-30, 30)))))
                    }
                }
            }
        }
        return try pixels.withUnsafeBytes {
            try Dataset.images(
                ImageBatch(
                    dense: $0.baseAddress!, element: .u8, count: count, height: side, width: side,
                    channels: channels), labels: labeled ? labels : nil,
                options: DatasetOptions(copies: true)
            ).with(
                targets: Targets(
                    labels.flatMap { own in (0..<classes).map { $0 == own ? 1 : 0 } },
                    dimension: classes))
        }
    }

    static let context = try! ExecutionContext(threads: 2)

    static func model(
        seed: UInt64 = 3, precision: Precision = .f32, channels: Int = 1, classes: Int = 0
    ) throws -> Model {
        var options = ModelOptions()
        (options.width, options.channels, options.imageHeight, options.imageWidth) = (
            4, channels, side, side
        )
        (options.projectionDimension, options.seed, options.precision, options.classes) = (
            16, seed, precision, classes
        )
        return try Model(options, context: context)
    }

    static func options(_ change: (inout TrainOptions) -> Void = { _ in }) -> TrainOptions {
        var options = TrainOptions()
        (options.epochs, options.batchSize, options.learningRate, options.referenceBatch) = (
            4, 20, 0.05, 0
        )
        options.augmentation = .defaults(.cropFlip)
        options.validationFraction = 0.2
        change(&options)
        return options
    }

    func encoder(_ model: Model) -> [Float] {
        let parameters = model.network.parameters
        return parameters.entries.filter { $0.part == .encoder }.flatMap { entry in
            (0..<entry.count).map { parameters.pointer(entry)[$0] }
        }
    }

    func values(_ model: Model) -> [Float] {
        (0..<model.network.parameters.count).map { model.network.parameters.values[$0] }
    }

    func temporaryFolder() throws -> String {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent(
            "supcon-test-\(UUID().uuidString)")
        return url.path
    }

    @Test func learnsClassesAndReports() throws {
        let (model, dataset) = (try Self.model(), try Self.dataset(240))
        var epochs: [TrainEvent] = []
        var steps = 0
        let trainer = try Trainer(
            model, dataset, Self.options { ($0.epochs, $0.objective) = (8, .supcon) },
            context: Self.context)
        try trainer.run { event in
            if event.kind == .epoch { epochs.append(event) } else { steps += 1 }
            return true
        }
        #expect(epochs.map(\.epoch) == Array(1...8))
        #expect(steps == 8 * trainer.stepsPerEpoch)
        #expect(epochs[7].loss < epochs[0].loss)
        #expect(epochs[7].knnAccuracy > 0.9, "kNN@1 \(epochs.map(\.knnAccuracy))")
        for event in epochs {
            #expect(event.alignment >= 0 && event.alignment < 4 && event.uniformity <= 0)
            #expect(
                event.imagesPerSecond > 0 && event.secondsLeft >= 0 && event.trainAccuracy.isNaN)
        }
        #expect(epochs[7].secondsLeft == 0)
        // A run that ended is not run again.
        #expect(throws: SupConError.self) { try trainer.run(nil) }
    }

    @Test(arguments: [Objective.simclr, .crossEntropy, .linear])
    func otherObjectivesLearn(_ objective: Objective) throws {
        let (model, dataset) = (try Self.model(), try Self.dataset(240, labeled: true))
        var losses: [Double] = []
        var accuracy = 0.0
        // The classifier of stage 2 needs an encoder of stage 1.
        if objective == .linear {
            try Trainer(model, dataset, Self.options { $0.epochs = 6 }, context: Self.context).run(
                nil)
        }
        let before = encoder(model)
        try Trainer(
            model, dataset,
            Self.options {
                ($0.objective, $0.epochs, $0.learningRate) = (
                    objective, objective == .linear ? 30 : 8, objective == .linear ? 0.1 : 0.05
                )
            }, context: Self.context
        ).run { event in
            if event.kind == .epoch {
                losses.append(event.loss)
                accuracy = event.trainAccuracy
            }
            return true
        }
        #expect(losses[losses.count - 1] < losses[0], "\(losses)")
        if objective != .simclr { #expect(accuracy > 0.8, "\(accuracy)") }
        // Stage 2 moves nothing but the classifier: not the encoder, not its statistics.
        #expect((before == encoder(model)) == (objective == .linear))
    }

    @Test func theJointClassifierLearnsBehindAStopGradient() throws {
        let dataset = try Self.dataset(240)
        let (alone, joint) = (try Self.model(classes: 3), try Self.model(classes: 3))
        var accuracy = 0.0
        try Trainer(alone, dataset, Self.options(), context: Self.context).run(nil)
        try Trainer(
            joint, dataset, Self.options { $0.jointClassifier = true }, context: Self.context
        ).run { event in
            if event.kind == .epoch { accuracy = event.trainAccuracy }
            return true
        }
        #expect(accuracy > 0.6, "\(accuracy)")
        for entry in alone.network.parameters.entries where entry.part != .classifier {
            #expect(
                (0..<entry.count).allSatisfy {
                    alone.network.parameters.pointer(entry)[$0]
                        == joint.network.parameters.pointer(entry)[$0]
                }, "\(entry.name)")
        }
    }

    @Test func runsAreTheSameWhateverTheThreadsThatLoad() throws {
        let dataset = try Self.dataset()
        let models = try [1, 3].map { threads in
            let model = try Self.model()
            try Trainer(
                model, dataset, Self.options { ($0.loaderThreads, $0.epochs) = (threads, 2) },
                context: Self.context
            ).run(nil)
            return values(model)
        }
        #expect(models[0] == models[1])
    }

    /// Checks that a run stopped after two epochs and resumed gives the bytes of an uninterrupted
    /// one.
    @Test(arguments: [Precision.f32, .bf16])
    func resumesExactly(_ precision: Precision) throws {
        guard precision == .f32 || (try? Engine.standard.check(.bf16)) != nil else { return }
        let dataset = try Self.dataset()
        let whole = try Self.model(precision: precision)
        try Trainer(
            whole, dataset, Self.options { $0.jointClassifier = true }, context: Self.context
        ).run(nil)
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let stopped = try Self.model(precision: precision)
        let error = #expect(throws: SupConError.self) {
            try Trainer(
                stopped, dataset,
                Self.options {
                    ($0.jointClassifier, $0.checkpointFolder) = (true, RawPath(folder))
                },
                context: Self.context
            )
            .run { !($0.epoch == 3 && $0.step == 2) }
        }
        #expect(error?.kind == .canceled)
        // Another model takes it up: everything is in the checkpoint.
        let resumed = try Self.model(seed: 77, precision: precision)
        try Trainer(
            resumed, dataset,
            Self.options {
                ($0.jointClassifier, $0.checkpointFolder, $0.resume) = (true, RawPath(folder), true)
            }, context: Self.context
        ).run(nil)
        #expect(values(whole) == values(resumed))
    }

    /// Checks that 2 epochs and 2 more equal 4, if the rate does not depend on the length of the
    /// run.
    @Test func twoEpochsAndTwoMoreAreFour() throws {
        let dataset = try Self.dataset()
        func run(_ epochs: Int, _ model: Model, _ folder: String?, resume: Bool) throws {
            let options = Self.options {
                ($0.epochs, $0.schedule, $0.warmupSteps, $0.checkpointFolder, $0.resume) = (
                    epochs, .constant, 3, folder.map { RawPath($0) }, resume
                )
            }
            try Trainer(model, dataset, options, context: Self.context).run(nil)
        }
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (whole, parts) = (try Self.model(), try Self.model())
        try run(4, whole, nil, resume: false)
        try run(2, parts, folder, resume: true)
        try run(4, parts, folder, resume: true)
        #expect(values(whole) == values(parts))
    }

    /// Checks that the memory limit covers everything that a step takes together.
    @Test(
        arguments: [
            { _ in }, { $0.chunkSize = 4 }, { ($0.queueMode, $0.queueSize) = (.negatives, 4096) },
            { $0.objective = .linear },
        ] as [@Sendable (inout TrainOptions) -> Void])
    func theLimitIsTheWholeSteps(_ change: @Sendable (inout TrainOptions) -> Void) throws {
        let dataset = try Self.dataset()
        func trainer(_ limit: Int) throws -> Trainer {
            try Trainer(
                try Self.model(classes: 3), dataset,
                Self.options {
                    $0.batchSize = 20; change(&$0)
                }, context: ExecutionContext(threads: 2, memoryLimit: limit))
        }
        let needed = try trainer(0).memoryByteCount
        _ = try trainer(needed)
        let error = #expect(throws: SupConError.self) { try trainer(needed - 1) }
        #expect(
            error?.kind == .memory && error?.message.contains("the limit is") == true,
            "\(error?.message ?? "")")
    }

    @Test func aCheckpointOfAnotherRunIsRefused() throws {
        let (dataset, folder) = (try Self.dataset(), try temporaryFolder())
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Trainer(
            try Self.model(), dataset,
            Self.options { ($0.epochs, $0.checkpointFolder) = (1, RawPath(folder)) },
            context: Self.context
        ).run(nil)
        let model = try Self.model()
        let before = values(model)
        for change: (inout TrainOptions) -> Void in [
            { $0.batchSize = 10 }, { $0.seed = 5 }, { $0.objective = .simclr },
        ] {
            let error = #expect(throws: SupConError.self) {
                try Trainer(
                    model, dataset,
                    Self.options {
                        ($0.checkpointFolder, $0.resume) = (RawPath(folder), true); change(&$0)
                    }, context: Self.context
                ).run(nil)
            }
            #expect(
                error?.kind == .state && error?.message.contains("another run") == true,
                "\(error?.message ?? "")")
        }
        // One label is enough; targets do not matter to a run that goes by labels.
        var labels = try #require(dataset.labels)
        labels[0] = labels[0] == 0 ? 1 : 0
        let options = Self.options { ($0.checkpointFolder, $0.resume) = (RawPath(folder), true) }
        let error = #expect(throws: SupConError.self) {
            try Trainer(model, try dataset.with(labels: labels), options, context: Self.context)
        }
        #expect(
            error?.kind == .state && error?.message.contains("labels") == true,
            "\(error?.message ?? "")")
        _ = try Trainer(
            model,
            try dataset.with(
                targets: Targets(Array(repeating: 1, count: dataset.count), dimension: 1)), options,
            context: Self.context)
        let last = folder + "/last.supcon"
        let bytes = try Data(contentsOf: URL(fileURLWithPath: last))
        for cut in [0, 7, 100, bytes.count / 2, bytes.count - 1] {
            try bytes.prefix(cut).write(to: URL(fileURLWithPath: last))
            let error = #expect(throws: SupConError.self) {
                try Trainer(
                    model, dataset,
                    Self.options { ($0.checkpointFolder, $0.resume) = (RawPath(folder), true) },
                    context: Self.context
                ).run(nil)
            }
            #expect(error?.kind == .format, "\(error?.message ?? "")")
        }
        #expect(values(model) == before)
    }

    @Test func keepsTheBestModel() throws {
        let (dataset, folder) = (try Self.dataset(240), try temporaryFolder())
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let model = try Self.model()
        var accuracies: [Double] = []
        try Trainer(
            model, dataset,
            Self.options {
                ($0.epochs, $0.restoresBest, $0.checkpointFolder) = (6, true, RawPath(folder))
            },
            context: Self.context
        ).run { event in
            if event.kind == .epoch { accuracies.append(event.knnAccuracy) }
            return true
        }
        let best = try Model.load(
            folder + "/best.safetensors", LoadOptions(), context: Self.context)
        for entry in model.network.parameters.entries {
            let stored = try #require(best.network.parameters.entry(named: entry.name))
            #expect(
                (0..<entry.count).allSatisfy {
                    model.network.parameters.pointer(entry)[$0]
                        == best.network.parameters.pointer(stored)[$0]
                }, "\(entry.name)")
        }
        #expect(accuracies.count == 6)
    }

    @Test func stopsEarly() throws {
        // Once every image is right, no validation is better.
        let (model, dataset) = (try Self.model(), try Self.dataset(240))
        var last = 0
        var accuracies: [Double] = []
        try Trainer(
            model, dataset, Self.options { ($0.epochs, $0.patience) = (60, 2) },
            context: Self.context
        ).run { event in
            if event.kind == .epoch {
                last = event.epoch
                accuracies.append(event.knnAccuracy)
            }
            return true
        }
        #expect(last < 60)
        #expect(
            accuracies.count >= 3
                && accuracies.suffix(2).allSatisfy { $0 <= accuracies.dropLast(2).max()! })
    }

    /// Checks that the default batch has 256 images, or all of them if they are fewer.
    @Test func fewImagesMakeOneBatch() throws {
        func steps(_ images: Int, _ change: (inout TrainOptions) -> Void = { _ in }) throws -> Int {
            let options = Self.options {
                ($0.batchSize, $0.epochs, $0.validationFraction) = (0, 1, 0)
                change(&$0)
            }
            let trainer = try Trainer(
                Self.model(), Self.dataset(images), options, context: Self.context)
            var losses = 0
            try trainer.run { event in
                if event.kind == .step { losses += 1 }
                return true
            }
            #expect(losses == trainer.stepsPerEpoch)
            return losses
        }
        #expect(try steps(7) == 1)
        #expect(try steps(255) == 1)
        #expect(try steps(600) == 2)
        // Whole chunks, and as many images of each class.
        #expect(try steps(7) { $0.chunkSize = 3 } == 1)
        #expect(try steps(50) { $0.imagesPerClass = 22 } == 1)
        #expect(try steps(50) { ($0.chunkSize, $0.imagesPerClass) = (4, 14) } == 1)
        // No more than the classes give.
        #expect(try steps(50) { $0.imagesPerClass = 5 } == 50 / (5 * Self.classes))
        #expect(try steps(50) { ($0.chunkSize, $0.imagesPerClass) = (2, 5) } == 50 / 10)
        #expect(try steps(50) { $0.chunkSize = 64 } == 1)
        expectError(.state, "1 images to train on", "one batch of 2") { _ = try steps(1) }
    }

    @Test func badOptionsAreRefusedInWords() throws {
        let (model, dataset) = (try Self.model(), try Self.dataset())
        let cases: [(String, SupConError.Kind, (inout TrainOptions) -> Void)] = [
            ("epochs", .argument, { $0.epochs = 0 }),
            ("batch_size", .argument, { $0.batchSize = 1 }),
            ("learning_rate", .argument, { $0.learningRate = .nan }),
            ("momentum", .argument, { $0.momentum = 1 }),
            ("milestone", .argument, { ($0.schedule, $0.milestones) = (.step, [3, 2]) }),
            ("milestones", .argument, { $0.schedule = .step }),
            ("reduction", .argument, { $0.loss.reduction = .sum }),
            ("temperature", .argument, { $0.loss.temperature = 0 }),
            ("fewer than one batch", .state, { $0.batchSize = 1000 }),
            ("patience", .argument, { ($0.patience, $0.validationFraction) = (1, 0) }),
            ("views", .argument, { ($0.views, $0.objective) = (1, .simclr) }),
            ("checkpoint_folder", .argument, { $0.resume = true }),
            (
                "joint_classifier", .argument,
                { ($0.objective, $0.jointClassifier) = (.crossEntropy, true) }
            ),
            ("images_per_class", .argument, { $0.imagesPerClass = 3 }),
            ("classes", .state, { $0.imagesPerClass = 2 }),
        ]
        for (word, kind, change) in cases {
            let error = #expect(throws: SupConError.self, "\(word)") {
                try Trainer(model, dataset, Self.options(change), context: Self.context)
            }
            let found = error.map { "\($0.kind): \($0.message)" } ?? "no error"
            #expect(found.hasPrefix("\(kind): ") && found.contains(word), "\(word)")
        }
        let noLabels = #expect(throws: SupConError.self) {
            try Trainer(model, Self.dataset(labeled: false), Self.options(), context: Self.context)
        }
        #expect(noLabels?.kind == .state && noLabels?.message.contains("labels") == true)
        let color = #expect(throws: SupConError.self) {
            try Trainer(model, Self.dataset(channels: 3), Self.options(), context: Self.context)
        }
        #expect(color?.kind == .shape)
        let small = try ExecutionContext(threads: 2, memoryLimit: 10_000)
        let memory = #expect(throws: SupConError.self) {
            try Trainer(model, dataset, Self.options(), context: small)
        }
        #expect(memory?.kind == .memory && memory?.message.contains("needs") == true)
        // A refused run leaves the model usable.
        try Trainer(model, dataset, Self.options { $0.epochs = 1 }, context: Self.context).run(nil)
    }

    @Test func unlabeledImagesTrainWithoutLabels() throws {
        var last: TrainEvent?
        try Trainer(
            try Self.model(), try Self.dataset(labeled: false),
            Self.options { ($0.objective, $0.epochs) = (.simclr, 2) }, context: Self.context
        ).run { event in
            if event.kind == .epoch { last = event }
            return true
        }
        #expect(
            last?.knnAccuracy.isNaN == true && last?.alignment.isFinite == true
                && last?.anchorsWithoutPositive == 0)
    }

    @Test func aFitClassifierNamesItsClasses() throws {
        let (model, dataset) = (try Self.model(), try Self.dataset(240))
        try Trainer(model, dataset, Self.options { $0.epochs = 6 }, context: Self.context).run(nil)
        try model.fitClassifier(dataset)
        #expect(model.classNames == ["0", "1", "2"])
        var rows = [Float](repeating: 0, count: 240 * 3)
        try rows.withUnsafeMutableBufferPointer {
            try model.embed(dataset, EmbedOptions(output: .probabilities), into: $0.baseAddress!)
        }
        let right = (0..<240).count { i in
            rows[(i * 3)..<(i * 3 + 3)].firstIndex(of: rows[(i * 3)..<(i * 3 + 3)].max()!)! - i * 3
                == i % 3
        }
        #expect(right > 220, "\(right) of 240")
    }
}
