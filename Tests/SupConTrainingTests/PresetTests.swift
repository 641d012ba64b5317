import Foundation
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision
import Testing

@testable import SupConTraining

/// Compares the presets with a separate table, written from the publications, and checks that each
/// of them trains.
@Suite struct PresetTests {
    /// A row of the table. Rates are the effective ones, not per reference batch. NaN: does not
    /// apply.
    struct Row: CustomTestStringConvertible, Sendable {
        var name: String
        var architecture: Architecture
        var objective: Objective
        var (batch, rate, temperature, epochs): (Int, Double, Float, Int)
        var (optimizer, decay, schedule, warmup):
            (OptimizerKind, Double, LearningRateSchedule, Double)
        var augmentation: AugmentationOptions.Kind
        var testDescription: String { name }
    }

    static let rows = [
        Row(
            name: "cifar-pytorch", architecture: .resnet50, objective: .supcon, batch: 1024,
            rate: 0.5, temperature: 0.1, epochs: 1000, optimizer: .sgd, decay: 1e-4,
            schedule: .cosine, warmup: 10, augmentation: .simclr),
        Row(
            name: "cifar-linear", architecture: .resnet50, objective: .linear, batch: 512, rate: 5,
            temperature: .nan, epochs: 100, optimizer: .sgd, decay: 0,
            schedule: .step, warmup: 0, augmentation: .cropFlip),
        Row(
            name: "cifar-cross-entropy", architecture: .resnet50, objective: .crossEntropy,
            batch: 1024, rate: 0.8, temperature: .nan, epochs: 500, optimizer: .sgd,
            decay: 1e-4, schedule: .cosine, warmup: 10, augmentation: .cropFlip),
        Row(
            name: "cifar-simclr", architecture: .resnet50, objective: .simclr, batch: 1024,
            rate: 0.5, temperature: 0.5, epochs: 1000, optimizer: .sgd, decay: 1e-4,
            schedule: .cosine, warmup: 10, augmentation: .simclr),
        Row(
            name: "cifar-simclr-linear", architecture: .resnet50, objective: .linear, batch: 512,
            rate: 1, temperature: .nan, epochs: 100, optimizer: .sgd, decay: 0,
            schedule: .step, warmup: 0, augmentation: .cropFlip),
        Row(
            name: "imagenet-r50", architecture: .resnet50, objective: .supcon, batch: 6144,
            rate: 0.4 * 24, temperature: 0.1, epochs: 350, optimizer: .lars, decay: 1e-3,
            schedule: .cosine, warmup: 12, augmentation: .autoAugmentImageNet),
        Row(
            name: "imagenet-r50-linear", architecture: .resnet50, objective: .linear, batch: 6144,
            rate: 0.05 * 24, temperature: .nan, epochs: 90, optimizer: .rmsprop,
            decay: 1e-6, schedule: .exponential, warmup: 12, augmentation: .autoAugmentImageNet),
        Row(
            name: "imagenet-r200", architecture: .resnet200, objective: .supcon, batch: 4096,
            rate: 0.2 * 16, temperature: 0.1, epochs: 700, optimizer: .lars, decay: 1e-4,
            schedule: .cosine, warmup: 12, augmentation: .stackedRandAugment),
        Row(
            name: "imagenet-r200-linear", architecture: .resnet200, objective: .linear, batch: 4096,
            rate: 0.05 * 16, temperature: .nan, epochs: 90, optimizer: .rmsprop,
            decay: 1e-6, schedule: .exponential, warmup: 12, augmentation: .stackedRandAugment),
        Row(
            name: "memory-r50", architecture: .resnet50, objective: .supcon, batch: 256, rate: 0.03,
            temperature: 0.1, epochs: 200, optimizer: .sgd, decay: 1e-4,
            schedule: .cosine, warmup: 0, augmentation: .simclr),
    ]

    @Test func theNamesAreThose() throws {
        #expect(Preset.all.map(\.name) == Self.rows.map(\.name))
        for preset in Preset.all {
            #expect(preset.description.hasSuffix(".") && preset.description.count > 40)
        }
        do {
            _ = try Preset.named("imagenet-r34")
            Issue.record("found a preset that is none")
        } catch {
            #expect(
                error.kind == .argument && error.message.contains("imagenet-r34")
                    && Self.rows.allSatisfy { error.message.contains($0.name) }, "\(error.message)")
        }
    }

    @Test(arguments: rows) func theNumbersAreThePublications(_ row: Row) throws {
        let preset = try Preset.named(row.name)
        let (model, train) = (preset.model, preset.train)
        try model.validate()
        try train.validate()
        #expect(model.architecture == row.architecture && model.width == 64 && model.channels == 3)
        #expect(
            train.objective == row.objective && train.batchSize == row.batch
                && train.epochs == row.epochs && train.views == 2)
        #expect(train.referenceBatch == (row.name.hasPrefix("cifar") ? 0 : 256))
        let rates = LearningRate(train, stepsPerEpoch: 100)
        #expect(abs(rates.base - row.rate) < 1e-12)
        #expect(
            train.optimizer == row.optimizer && train.momentum == 0.9
                && train.weightDecay == row.decay && train.decaysNormAndBias && !train.nesterov)
        #expect(train.schedule == row.schedule && rates.warmupSteps == Int(100 * row.warmup))
        #expect(train.augmentation.kind == row.augmentation && train.augmentationSecond == nil)
        if !row.temperature.isNaN {
            #expect(
                train.loss.temperature == row.temperature && train.loss.form == .out
                    && train.loss.denominator == .all)
        }
        #expect(
            train.validationFraction == 0
                && train.labelSmoothing
                    == (row.name.hasSuffix("linear") && row.name.hasPrefix("imagenet") ? 0.05 : 0)
        )
        if row.name.hasPrefix("cifar") {
            #expect(
                (model.imageHeight, model.imageWidth) == (32, 32)
                    && model.configuration.stem == .cifar && model.zeroInitLastGamma == false
                    && !model.normalizesFeatures)
            #expect(train.augmentation.cropScaleMin == 0.2 && train.chunkSize == 0)
            if train.objective.isContrastive {
                #expect(abs(train.loss.scale - row.temperature / 0.07) < 1e-6)
            }
            if row.objective == .linear {
                #expect(train.milestones == [60, 75, 90] && train.gamma == 0.2)
            }
        } else {
            #expect(
                (model.imageHeight, model.imageWidth) == (224, 224)
                    && model.configuration.stem == .imagenet)
        }
        if row.name.hasPrefix("imagenet") {
            #expect(
                model.head == .linear && model.projectionDimension == 128
                    && model.normalizesFeatures
                    && model.zeroInitLastGamma == true)
            #expect(train.augmentation.cropScaleMin == 0.08 && train.trustCoefficient == 0.001)
            if row.objective == .supcon { #expect(train.loss.scale == row.temperature) }
        }
        if row.optimizer == .rmsprop { #expect(train.epsilon == 1e-3 && train.rmspropDecay == 0.9) }
        if row.name == "memory-r50" {
            #expect(model.zeroInitLastGamma == false)
            #expect(
                train.queueMode == .positivesAndNegatives && train.queueSize == 8192
                    && model.projectionDimension == 128 && model.head == .mlp)
        } else {
            #expect(train.queueMode == .off)
        }
    }

    /// Compares with SupContrast's rate at the first step of an epoch, from 0 (its util.py): for e
    /// < 10 it rises linearly from 0.01 to the cosine's value at the end of warm-up; then it is
    /// η_min + (η − η_min) ½ (1 + cos(π e/E)), η_min = η/1000. This library's rises to the cosine's
    /// own value instead, which over ten epochs of a thousand is nearly equal.
    @Test(arguments: [("cifar-pytorch", 0.5, 1000.0), ("cifar-cross-entropy", 0.8, 500)])
    func theRateOfSupContrast(_ name: String, _ rate: Double, _ epochs: Double) throws {
        let rates = LearningRate(try Preset.named(name).train, stepsPerEpoch: 49)
        func cosine(_ epoch: Double) -> Double {
            rate / 1000 + (rate - rate / 1000) * 0.5 * (1 + cos(Double.pi * epoch / epochs))
        }
        for epoch in [0.0, 1, 5, 9] {
            let theirs = 0.01 + epoch / 10 * (cosine(10) - 0.01)
            #expect(
                abs(rates.rate(49 * Int(epoch)) - theirs) < 0.003 * rate,
                "epoch \(epoch): \(rates.rate(49 * Int(epoch))), theirs \(theirs)")
        }
        for epoch in [10.0, 100, 250, 499] {
            #expect(abs(rates.rate(49 * Int(epoch)) - cosine(epoch)) < 1e-12, "epoch \(epoch)")
        }
    }

    /// Compares with google-research's rate (its utils.py): it rises linearly to the whole rate in
    /// 12 epochs, then follows the schedule from its own beginning.
    @Test func theRateOfGoogleResearch() throws {
        let perEpoch = 208
        let (warmup, stage1, stage2) = (
            12 * perEpoch, try Preset.named("imagenet-r50").train,
            try Preset.named("imagenet-r50-linear").train
        )
        let (first, second) = (
            LearningRate(stage1, stepsPerEpoch: perEpoch),
            LearningRate(stage2, stepsPerEpoch: perEpoch)
        )
        for step in [0, 7, warmup / 2, warmup - 1] {
            let share = Double(step + 1) / Double(warmup)
            #expect(
                abs(first.rate(step) - 9.6 * share) < 1e-12
                    && abs(second.rate(step) - 1.2 * share) < 1e-12, "step \(step)")
        }
        for step in [warmup, warmup + 1, 100 * perEpoch, 350 * perEpoch - 1] {
            let expected =
                9.6 * 0.5
                * (1 + cos(Double.pi * Double(step - warmup) / Double(350 * perEpoch - warmup)))
            #expect(abs(first.rate(step) - expected) < 1e-12, "step \(step)")
        }
        for (epoch, falls) in [(12.0, 0), (12.49, 0), (12.5, 1), (13, 2), (40.25, 56), (89.5, 155)]
        {
            #expect(
                abs(
                    second.rate(Int((epoch * Double(perEpoch)).rounded())) - 1.2
                        * pow(0.97, Double(falls))) < 1e-12, "epoch \(epoch)")
        }
    }

    /// Trains two steps of each preset, narrow and on small images: its options fit together, and
    /// its effective rate is as stated.
    @Test(arguments: rows) func trains(_ row: Row) throws {
        let preset = try Preset.named(row.name)
        var (model, train) = (preset.model, preset.train)
        (model.width, model.imageHeight, model.imageWidth, model.precision) = (4, 32, 32, .f32)
        (train.batchSize, train.chunkSize, train.epochs) = (8, train.chunkSize > 0 ? 4 : 0, 1)
        (train.stopsOnCollapse, train.milestones) = (false, train.milestones.isEmpty ? [] : [1])
        var rates: [Double] = []
        try Trainer(
            try Model(model, context: TrainerTests.context),
            try TrainerTests.dataset(16, channels: 3), train, context: TrainerTests.context
        ).run { event in
            if event.kind == .step {
                #expect(event.loss.isFinite)
                rates.append(event.learningRate)
            }
            return true
        }
        let batchShare = row.name.hasPrefix("cifar") ? 1 : 8 / Double(row.batch)
        let start = row.warmup > 0 && row.name.hasPrefix("cifar") ? 0.01 / row.rate : 0
        let expected =
            row.rate * batchShare * (row.warmup > 0 ? start + (1 - start) / (2 * row.warmup) : 1)
        #expect(
            rates.count == 2 && abs(rates[0] - expected) < 1e-9 * expected,
            "\(rates), expected \(expected)")
    }
}
