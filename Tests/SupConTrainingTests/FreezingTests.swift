import Foundation
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConTraining

/// Tests runs with frozen stages: which parameters change, by how much, and that a run resumes
/// exactly.
@Suite struct FreezingTests {
    typealias Change = @Sendable (inout TrainOptions) -> Void

    static func values(_ model: Model) -> [Float] {
        Array(
            UnsafeBufferPointer(
                start: model.network.parameters.values, count: model.network.parameters.count))
    }

    /// Returns the depths of the parameters that have changed.
    static func moved(_ model: Model, since before: [Float], part: ParameterStore.Part = .encoder)
        -> Set<Int>
    {
        Set(
            model.network.parameters.entries.filter { entry in
                entry.part == part
                    && entry.range.contains {
                        model.network.parameters.values[$0].bitPattern != before[$0].bitPattern
                    }
            }.map(\.depth))
    }

    static let ways: [(name: String, change: Change)] = [
        ("sgd", { _ in }), ("lars", { $0.optimizer = .lars }),
        ("rmsprop", { $0.optimizer = .rmsprop }), ("adamw", { $0.optimizer = .adamw }),
        ("average", { $0.emaDecay = 0.9 }),
        ("simclr, chunks", { ($0.objective, $0.chunkSize) = (.simclr, 5) }),
        ("cross-entropy", { ($0.objective, $0.mixupAlpha) = (.crossEntropy, 0.4) }),
        ("margin", { $0.objective = .maxMargin }), ("joint", { $0.jointClassifier = true }),
        ("queue", { ($0.queueMode, $0.queueSize) = (.positivesAndNegatives, 64) }),
    ]

    @Test(arguments: ways.indices, [1, 2, 4])
    func frozenStagesKeepEveryBit(_ way: Int, _ stages: Int) throws {
        let model = try TrainerTests.model()
        let options = TrainerTests.options {
            ($0.epochs, $0.freezeStages, $0.weightDecay) = (2, stages, 0.05)
            Self.ways[way].change(&$0)
        }
        let trainer = try Trainer(
            model, try TrainerTests.dataset(), options, context: TrainerTests.context)
        // Behind the classifier that the trainer adds.
        let before = Self.values(model)
        try trainer.run(nil)
        #expect(
            Self.moved(model, since: before)
                == Set(stages..<4).reduce(into: []) {
                    $0.insert($1 + 1)
                })
        let part: ParameterStore.Part = options.objective.isContrastive ? .head : .classifier
        #expect(!Self.moved(model, since: before, part: part).isEmpty)
    }

    /// Checks the first step of each optimizer, in which each depth moves by its fraction of the
    /// full rate's update.
    @Test(arguments: [OptimizerKind.sgd, .lars, .rmsprop, .adamw])
    func ratesFallTowardsTheImage(optimizer: OptimizerKind) throws {
        func step(_ decay: Double, _ stages: Int) throws -> (moves: [Double], model: Model) {
            let batch = try CachedGradientTests.Batch(CachedGradientTests.labels)
            let model = try CachedGradientTests.model()
            let before = Self.values(model)
            let options = CachedGradientTests.options(chunk: 0) {
                ($0.layerDecay, $0.optimizer, $0.trustCoefficient) = (decay, optimizer, 1)
            }
            _ = try batch.run(
                try EncoderStep(
                    model, options, TrainingPhase(model, frozenStages: stages),
                    labels: batch.labels, part: BatchPart(options, Ranks()),
                    context: TrainerTests.context), rate: 1)
            var moves = [Double](repeating: 0, count: ParameterStore.headDepth + 1)
            for entry in model.network.parameters.entries where entry.role.isTrainable {
                for i in entry.range {
                    moves[entry.depth] += pow(
                        Double(model.network.parameters.values[i] - before[i]), 2)
                }
            }
            return (moves.map { $0.squareRoot() }, model)
        }
        for stages in [0, 2] {
            let (full, part) = (try step(1, stages).moves, try step(0.5, stages).moves)
            for depth in 0...ParameterStore.headDepth {
                if stages > 0 && depth <= stages {
                    #expect(full[depth] == 0 && part[depth] == 0)
                } else {
                    let expected = full[depth] * pow(0.5, Double(5 - depth))
                    #expect(
                        expected > 0 && abs(part[depth] - expected) < 1e-3 * expected,
                        "depth \(depth): \(part[depth]), expected \(expected)")
                }
            }
        }
    }

    /// Checks that AdamW's corrections count a stage's own steps: its first step after it is
    /// unfrozen has the size of the rate, as in a new run.
    @Test func adamBeginsWithTheStage() throws {
        let network = try Network(NetworkConfiguration(), seed: 1)
        let parameters = network.parameters
        let gradients = try AlignedBuffer(Float.self, count: parameters.trainableCount)
        gradients.floats.update(repeating: 1, count: parameters.trainableCount)
        var options = TrainOptions()
        (options.optimizer, options.weightDecay) = (.adamw, 0)
        var state: [[Float]] = []
        for stages in [3, 2] {
            var trained: TrainedParameters = [.encoder]
            trained.frozenStages = stages
            let adam = try optimizer(options, parameters, trained: trained)
            for (buffer, values) in zip(adam.state, state) {
                for (i, value) in values.enumerated() { buffer.values[i] = value }
            }
            let entry = try #require(parameters.entry(named: "layer\(stages + 1).0.conv1.weight"))
            let before = parameters.pointer(entry)[0]
            adam.step(gradients: gradients.floats, rate: 0.01, threads: 1)
            #expect(abs(before - parameters.pointer(entry)[0] - 0.01) < 1e-5)
            for _ in 0..<5 { adam.step(gradients: gradients.floats, rate: 0.01, threads: 1) }
            state = adam.state.map { buffer in (0..<buffer.count).map { buffer.values[$0] } }
        }
    }

    @Test func normStatisticsStay() throws {
        let model = try TrainerTests.model()
        let before = Self.values(model)
        let options = TrainerTests.options { ($0.epochs, $0.freezesNorm) = (1, true) }
        try Trainer(model, try TrainerTests.dataset(), options, context: TrainerTests.context).run(
            nil)
        for entry in model.network.parameters.entries where entry.part == .encoder {
            let stayed = entry.range.allSatisfy {
                model.network.parameters.values[$0].bitPattern == before[$0].bitPattern
            }
            #expect(stayed == !entry.role.isTrainable, "\(entry.name)")
        }
    }

    @Test func unfreezesStageByStage() throws {
        let model = try TrainerTests.model()
        var before = Self.values(model)
        let options = TrainerTests.options {
            ($0.epochs, $0.freezeStages, $0.unfreezeEpochs) = (4, 3, [1, 2])
            $0.optimizer = .adamw
            $0.learningRate = 1e-3
        }
        var moved: [Set<Int>] = []
        try Trainer(model, try TrainerTests.dataset(), options, context: TrainerTests.context).run {
            guard case .epoch = $0.kind else { return true }
            moved.append(Self.moved(model, since: before))
            before = Self.values(model)
            return true
        }
        #expect(moved == [[4], [3, 4], [2, 3, 4], [2, 3, 4]])
    }

    /// Checks that an encoder that is not trained stays in int8, with the same outputs.
    @Test(.enabled(if: (try? Engine.standard.checkInt8()) != nil), arguments: [3, 4])
    func aFrozenEncoderStaysInInt8(stages: Int) throws {
        let dataset = try TrainerTests.dataset()
        let model = try TrainerTests.model()
        try model.quantize(dataset)
        func rows() throws -> [Float] {
            let dimension = model.outputDimension(.encoder)
            var rows = [Float](repeating: 0, count: dataset.count * dimension)
            try rows.withUnsafeMutableBufferPointer { (rows) throws(SupConError) in
                try model.embed(dataset, EmbedOptions(), into: rows.baseAddress!)
            }
            return rows
        }
        let before = try rows()
        let options = TrainerTests.options { ($0.epochs, $0.freezeStages) = (1, stages) }
        try Trainer(model, dataset, options, context: TrainerTests.context).run(nil)
        #expect((model.quantization != nil) == (stages == 4))
        #expect(try (rows() == before) == (stages == 4))
    }

    @Test func warnsOfStagesThatStayFrozen() throws {
        for (epochs, word) in [
            (4, nil), (2, "unfreeze_epochs has 2, and the run ends after epoch 2"),
        ] {
            let messages = try loggedMessages(.warning) {
                _ = try Trainer(
                    try TrainerTests.model(), try TrainerTests.dataset(),
                    TrainerTests.options {
                        ($0.epochs, $0.freezeStages, $0.unfreezeEpochs) = (epochs, 3, [1, 2])
                    }, context: TrainerTests.context)
            }
            #expect(messages.count { $0.contains("unfreeze_epochs") } == (word == nil ? 0 : 1))
            #expect(word.map { word in messages.contains { $0.contains(word) } } ?? true)
        }
    }

    static let resumed: [(name: String, change: Change)] = [
        ("adamw, average", { ($0.optimizer, $0.emaDecay) = (.adamw, 0.9) }),
        ("queue", { ($0.queueMode, $0.queueSize) = (.negatives, 64) }),
        ("chunks, joint", { ($0.chunkSize, $0.jointClassifier) = (10, true) }),
        ("statistics that stay", { $0.freezesNorm = true }),
        // Filled anew after the stop, with the views that it had.
        ("cache of fewer rounds than epochs", { $0.featureCache = 2 }),
    ]

    /// Checks runs that stop where a stage is unfrozen, or between, and are resumed by another
    /// model: they give the bytes of an uninterrupted run.
    @Test(arguments: resumed.indices, [1, 2]) func resumesExactly(_ way: Int, _ stop: Int) throws {
        let dataset = try TrainerTests.dataset()
        let folder = try TrainerTests().temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func run(_ epochs: Int, seed: UInt64, folder: String?) throws -> [Float] {
            let model = try TrainerTests.model(seed: seed)
            let options = TrainerTests.options {
                ($0.epochs, $0.freezeStages, $0.unfreezeEpochs) = (epochs, 3, [1, 3])
                ($0.schedule, $0.warmupSteps, $0.layerDecay) = (.constant, 0, 0.8)
                ($0.checkpointFolder, $0.resume) = (folder.map { RawPath($0) }, folder != nil)
                Self.resumed[way].change(&$0)
            }
            try Trainer(model, dataset, options, context: TrainerTests.context).run(nil)
            return Self.values(model)
        }
        let whole = try run(4, seed: 3, folder: nil)
        _ = try run(stop, seed: 3, folder: folder)
        #expect(try run(4, seed: 77, folder: folder) == whole, "\(Self.resumed[way].name)")
    }

    @Test(.enabled(if: (try? Engine.standard.checkInt8()) != nil)) func resumesExactlyInInt8()
        throws
    {
        let dataset = try TrainerTests.dataset()
        let folder = try TrainerTests().temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func run(_ epochs: Int, folder: String?, int8: Bool = true) throws -> [Float] {
            let model = try TrainerTests.model()
            if int8 { try model.quantize(dataset) }
            let options = TrainerTests.options {
                ($0.epochs, $0.freezeStages, $0.unfreezeEpochs) = (epochs, 3, [2])
                ($0.schedule, $0.warmupSteps) = (.constant, 0)
                ($0.checkpointFolder, $0.resume) = (folder.map { RawPath($0) }, folder != nil)
            }
            try Trainer(model, dataset, options, context: TrainerTests.context).run(nil)
            return Self.values(model)
        }
        let whole = try run(3, folder: nil)
        #expect(try run(3, folder: nil, int8: false) != whole)
        _ = try run(1, folder: folder)
        #expect(try run(3, folder: folder) == whole)
        expectError(.state, "int8 of the frozen stages is on, this run's is off") {
            _ = try run(3, folder: folder, int8: false)
        }
    }

    /// Checks that a run whose frozen stages are calibrated when it begins is the run of a model
    /// that was quantized before, also if another model resumes it.
    @Test(.enabled(if: (try? Engine.standard.checkInt8()) != nil), arguments: [3, 4])
    func calibratesWhenItBegins(stages: Int) throws {
        let dataset = try TrainerTests.dataset()
        let folder = try TrainerTests().temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func run(
            _ epochs: Int, seed: UInt64 = 3, by: String, folder: String? = nil
        ) throws -> (values: [Float], isInt8: Bool) {
            let model = try TrainerTests.model(seed: seed)
            if by == "quantize" { try model.quantize(dataset) }
            let options = TrainerTests.options {
                ($0.epochs, $0.freezeStages, $0.validationFraction) = (epochs, stages, 0)
                $0.unfreezeEpochs = stages == 3 ? [2] : []
                ($0.schedule, $0.warmupSteps) = (.constant, 0)
                $0.freezesInInt8 = by == "option"
                ($0.checkpointFolder, $0.resume) = (folder.map { RawPath($0) }, folder != nil)
            }
            try Trainer(model, dataset, options, context: TrainerTests.context).run(nil)
            return (Self.values(model), model.quantization != nil)
        }
        let (whole, _) = try run(3, by: "quantize")
        let found = try run(3, by: "option")
        #expect(found.values == whole)
        #expect(!found.isInt8, "the model itself keeps its precision")
        #expect(try run(3, by: "neither").values != whole)
        _ = try run(1, by: "option", folder: folder)
        #expect(try run(3, seed: 77, by: "option", folder: folder).values == whole)
    }

    @Test func refusesInt8WithoutFrozenStages() throws {
        expectError(.argument, "freeze_int8 is set but freeze_stages is 0") {
            _ = try Trainer(
                try TrainerTests.model(), try TrainerTests.dataset(),
                TrainerTests.options { $0.freezesInInt8 = true }, context: TrainerTests.context)
        }
    }

    /// Compares chunks of a partly frozen network with differences of the whole batch's loss.
    @Test(arguments: [1, 3]) func chunksAgreeWithDifferences(_ stages: Int) throws {
        let batch = try CachedGradientTests.Batch(CachedGradientTests.labels)
        let model = try CachedGradientTests.model()
        let parameters = model.network.parameters
        let step = try CachedGradientStep(
            model, CachedGradientTests.options(chunk: 4),
            TrainingPhase(model, frozenStages: stages),
            labels: batch.labels,
            part: BatchPart(CachedGradientTests.options(chunk: 4), Ranks()),
            context: TrainerTests.context)
        let before = Self.values(model)
        _ = try batch.run(step, rate: 1)
        let gradient = (0..<parameters.trainableCount).map {
            before[$0] - parameters.values[$0]
        }
        let length = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        func loss(_ t: Double) throws -> Double {
            for i in gradient.indices {
                parameters.values[i] = before[i] + Float(t * Double(gradient[i]) / length)
            }
            return try batch.run(step).loss
        }
        let t = 4e-4
        let slope = (try loss(t) - loss(-t)) / (2 * t)
        #expect(abs(slope - length) < 0.01 * length, "\(slope), expected \(length)")
    }

    @Test func aFrozenStepTakesLessMemory() throws {
        func bytes(_ stages: Int, _ thaws: [Int] = []) throws -> Int {
            let options = TrainerTests.options {
                ($0.freezeStages, $0.unfreezeEpochs) = (stages, thaws)
            }
            return try Trainer(
                try TrainerTests.model(), try TrainerTests.dataset(), options,
                context: TrainerTests.context
            ).memoryByteCount
        }
        #expect(try bytes(3) < bytes(1))
        #expect(try bytes(1) < bytes(0))
        #expect(try bytes(3, [1, 2]) == bytes(1), "the largest phase counts")
    }

    @Test func refusesWhatCannotBe() throws {
        let cases: [(String, Change)] = [
            ("freeze_stages is 5", { $0.freezeStages = 5 }),
            ("freeze_stages is -1", { $0.freezeStages = -1 }),
            ("layer_decay is 1.5", { $0.layerDecay = 1.5 }),
            ("layer_decay is nan", { $0.layerDecay = .nan }),
            ("objective linear", { ($0.objective, $0.freezeStages) = (.linear, 2) }),
            ("unfreeze_epochs has 1 epochs", { $0.unfreezeEpochs = [1] }),
            (
                "unfreeze_epochs has 2 after 2",
                { ($0.freezeStages, $0.unfreezeEpochs) = (3, [2, 2]) }
            ),
            ("unfreeze_epochs has 0", { ($0.freezeStages, $0.unfreezeEpochs) = (3, [0]) }),
        ]
        for (words, change) in cases {
            var options = TrainOptions()
            change(&options)
            expectError(.argument, words) { try options.validate() }
        }
    }
}
