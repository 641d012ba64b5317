import Foundation
import SupConLoss
import SupConTensor
import SupConVision
import Testing

@testable import SupConTraining

/// Checks that a resumed run must match the run that it continues.
@Suite struct RunFingerprintTests {
    static let changes: [(String, @Sendable (inout TrainOptions) -> Void)] = [
        ("temperature", { $0.loss.temperature = 2 }),
        ("denominator", { $0.loss.denominator = .negatives }),
        ("positives_cap", { $0.loss.positivesCap = 3 }),
        ("weight_decay", { $0.weightDecay = 1 }),
        ("momentum", { $0.momentum = 0.5 }),
        ("augmentation.kind", { $0.augmentation = .defaults(.none) }),
        ("augmentation.crop_scale_min", { $0.augmentation.cropScaleMin = 0.7 }),
        (
            "augmentation_second.hue",
            {
                $0.augmentationSecond = $0.augmentation
                $0.augmentationSecond?.hue = 0.3
            }
        ),
        ("ema_decay", { $0.emaDecay = 0.9 }),
    ]

    @Test(arguments: changes.indices) func anotherOptionIsRefusedByName(_ index: Int) throws {
        let (name, change) = Self.changes[index]
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "supcon-fingerprint-\(index)-\(UInt64.random(in: 0 ... .max))"
        ).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let data = try TrainerTests.dataset()
        func run(_ change: (inout TrainOptions) -> Void, epochs: Int, resume: Bool) throws {
            let options = TrainerTests.options {
                ($0.epochs, $0.checkpointFolder, $0.resume) = (
                    epochs, RawPath(folder), resume
                )
                change(&$0)
            }
            try Trainer(try TrainerTests.model(), data, options, context: TrainerTests.context).run(
                nil)
        }
        try run({ _ in }, epochs: 1, resume: false)
        let error = #expect(throws: SupConError.self) { try run(change, epochs: 2, resume: true) }
        #expect(
            error?.kind == .state && error?.message.contains("its \(name) is") == true,
            "\(error?.message ?? "")")
        // Rates and length may change; the second augmentation spelled out is the same.
        try run(
            {
                ($0.learningRate, $0.patience) = (0.01, 0)
                $0.augmentationSecond = $0.augmentation
            }, epochs: 2, resume: true)
    }
}
