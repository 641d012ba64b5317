import Foundation
import SupConEvaluation
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConTraining

/// Tests files that vanish while a run uses them.
@Suite struct UnreadableFileTests {
    /// Writes 24 PNG files of two classes.
    func dataset(_ folder: String) throws -> Dataset {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("SupConVisionTests/Fixtures")
        let fixtures = ["rgb8.png", "palette8.png"]
        var paths: [String] = []
        for i in 0..<24 {
            paths.append("\(folder)/\(i).png")
            try FileManager.default.copyItem(
                atPath: source.appendingPathComponent(fixtures[i % 2]).path, toPath: paths[i])
        }
        return try Dataset.files(paths, labels: (0..<24).map { $0 % 2 })
    }

    @Test(
        arguments: [
            { _ in }, { $0.chunkSize = 4 }, { ($0.queueMode, $0.queueSize) = (.negatives, 16) },
            { $0.objective = .crossEntropy }, { $0.validationFraction = 0.3 },
            { $0.imageSizeSchedule = [8, 12] },
        ] as [@Sendable (inout TrainOptions) -> Void])
    func theRunGoesOn(_ change: @Sendable (inout TrainOptions) -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "supcon-test-\(UUID().uuidString)"
        ).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let dataset = try dataset(folder), model = try TrainerTests.model(channels: 3)
        let options = TrainerTests.options {
            ($0.epochs, $0.batchSize, $0.validationFraction, $0.stopsOnCollapse) = (4, 8, 0, false);
            change(&$0)
        }
        var (warnings, epochs): ([String], Int) = ([], 0)
        try Trainer(model, dataset, options, context: TrainerTests.context).run { event in
            if event.kind == .warning { warnings.append(event.message) }
            if event.kind == .epoch { epochs = event.epoch }
            if event.kind == .epoch, event.epoch == 1 {
                for i in 0..<8 { try? FileManager.default.removeItem(atPath: "\(folder)/\(i).png") }
            }
            return true
        }
        #expect(epochs == 4)
        let told = warnings.filter { $0.contains("become unreadable") }
        #expect(
            (1...8).contains(told.count) && told.allSatisfy { $0.contains(folder) }, "\(warnings)")
        if options.validationFraction == 0 { #expect(told.last?.hasPrefix("8 images") == true) }

        // Fitting leaves them out: the others' classifier.
        let rest = try dataset.subset(Array(8..<24))
        try model.save("\(folder)/model.safetensors")
        let other = try Model.load(
            "\(folder)/model.safetensors", LoadOptions(), context: TrainerTests.context)
        let weights = (0..<24).map { Float($0 % 3) }
        for flip in [false, true] {
            let fit = ClassifierOptions(flip: flip)
            try model.fitClassifier(dataset.with(weights: weights), fit)
            try other.fitClassifier(rest.with(weights: Array(weights[8...])), fit)
            #expect(TransferTests().values(model) == TransferTests().values(other))
        }
    }

    /// Checks that calibrating leaves out files that have vanished, also when a run begins.
    @Test(.enabled(if: (try? Engine.standard.checkInt8()) != nil))
    func calibratesOnTheOthers() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "supcon-test-\(UUID().uuidString)"
        ).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let dataset = try dataset(folder)
        for i in 0..<8 { try FileManager.default.removeItem(atPath: "\(folder)/\(i).png") }
        let (model, other) = (
            try TrainerTests.model(channels: 3), try TrainerTests.model(channels: 3)
        )
        try model.quantize(dataset)
        try other.quantize(try dataset.subset(Array(8..<24)))
        #expect(model.quantization != nil && model.quantization == other.quantization)

        let options = TrainerTests.options {
            ($0.epochs, $0.batchSize, $0.validationFraction) = (1, 8, 0)
            ($0.freezeStages, $0.freezesInInt8, $0.stopsOnCollapse) = (3, true, false)
        }
        var epochs = 0
        let fresh = try TrainerTests.model(channels: 3)
        try Trainer(fresh, dataset, options, context: TrainerTests.context).run {
            if $0.kind == .epoch { epochs += 1 }
            return true
        }
        #expect(epochs == 1)
    }

    /// Tests files that vanish on one rank only: others replace them there, all ranks know which,
    /// and stay together.
    @Test(
        arguments: [
            { _ in }, { $0.chunkSize = 2 }, { ($0.queueMode, $0.queueSize) = (.negatives, 16) },
            { ($0.objective, $0.mixupAlpha) = (.crossEntropy, 0.5) },
            { ($0.validationFraction, $0.restoresBest) = (0.5, true) }, { $0.positives = .any },
        ] as [@Sendable (inout TrainOptions) -> Void])
    func theRanksGoOnTogether(_ change: @escaping @Sendable (inout TrainOptions) -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "supcon-test-\(UUID().uuidString)"
        ).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var targets: [Double] = []
        for image in 0..<24 { targets += [Double(image % 2), Double(image % 3 / 2)] }
        let labels = try Targets(targets, dimension: 2)
        typealias Outcome = (values: [Float], warnings: [String])
        let results = ThreadCollectives.run(world: 2) { (rank: ThreadCollectives) -> Outcome in
            let own = "\(folder)/\(rank.rank)"
            let model = try TrainerTests.model(channels: 3)
            let dataset = try self.dataset(own).with(targets: labels)
            let options = TrainerTests.options {
                ($0.epochs, $0.batchSize) = (8, 8)
                ($0.validationFraction, $0.stopsOnCollapse) = (0, false)
                change(&$0)
            }
            var warnings: [String] = []
            let trainer = try Trainer(
                model, dataset, options, context: ExecutionContext(threads: 1), collectives: rank)
            // Both know when; rank 1's are gone.
            let missing = rank.rank == 1 ? 8 : 0
            rank.before = { (number: Int) throws(SupConError) in
                guard number == 40 else { return }
                for i in 0..<missing {
                    try? FileManager.default.removeItem(atPath: "\(own)/\(i).png")
                }
            }
            try trainer.run { event in
                if event.kind == .warning { warnings.append(event.message) }
                return true
            }
            return (TransferTests().values(model), warnings)
        }
        let (first, second) = (try results[0].get(), try results[1].get())
        #expect(first.values == second.values)
        #expect(first.values.allSatisfy { $0.isFinite })
        #expect(second.warnings.isEmpty)
        let told = first.warnings.joined(separator: "\n")
        #expect(told.contains("become unreadable at other ranks"), "\(told)")
    }
}
