import SupConModel
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConTraining

/// Tests labels that are ids: training with them gives the same bytes as with labels 0, 1, …
@Suite struct LabelTests {
    /// The ids, in the order of 0, 1, 2.
    let ids = [Int.min, 3, 1_000_000_000_000]

    func values(_ model: Model) -> [Float] {
        (0..<model.network.parameters.count).map { model.network.parameters.values[$0] }
    }

    func withIds(_ dataset: Dataset) throws -> Dataset {
        try dataset.with(labels: #require(dataset.classIndices).map { ids[$0] })
    }

    @Test(
        arguments: [
            { _ in }, { $0.objective = .crossEntropy }, { $0.objective = .linear },
            { $0.jointClassifier = true },
            { ($0.chunkSize, $0.jointClassifier) = (10, true) },
            { ($0.queueMode, $0.queueSize) = (.positivesAndNegatives, 60) },
            { $0.imagesPerClass = 10 },
        ] as [@Sendable (inout TrainOptions) -> Void])
    func idsTeachWhatNumbersTeach(_ change: @Sendable (inout TrainOptions) -> Void) throws {
        let numbers = try TrainerTests.dataset()
        let options = TrainerTests.options {
            $0.epochs = 1; change(&$0)
        }
        func trained(_ dataset: Dataset) throws -> (model: Model, accuracy: Double) {
            let model = try TrainerTests.model()
            var accuracy = Double.nan
            try Trainer(model, dataset, options, context: TrainerTests.context).run {
                if $0.kind == .epoch { accuracy = $0.knnAccuracy }
                return true
            }
            return (model, accuracy)
        }
        let (plain, other) = (try trained(numbers), try trained(withIds(numbers)))
        #expect(values(plain.model) == values(other.model))
        #expect(plain.accuracy == other.accuracy || options.objective == .linear)
        let names = ids.map { "\($0)" }
        #expect(other.model.classNames == (options.trainsClassifier ? names : []))
    }

    /// Checks that a classifier has as many outputs as there are classes, whatever the largest
    /// label.
    @Test func aFittedClassifierHasAnOutputForEachClass() throws {
        let (numbers, plain, other) = (
            try TrainerTests.dataset(), try TrainerTests.model(), try TrainerTests.model()
        )
        try plain.fitClassifier(numbers)
        try other.fitClassifier(withIds(numbers))
        #expect(other.configuration.classes == 3 && values(plain) == values(other))
        #expect(other.classNames == ids.map { "\($0)" })
    }

    /// Checks that a classifier with names is matched with the data set's classes by name.
    @Test func classesAreFoundByName() throws {
        let numbers = try TrainerTests.dataset()
        let named = try numbers.with(classNames: ["a", "b", "c"])
        let options = TrainerTests.options {
            ($0.objective, $0.epochs, $0.validationFraction) = (.crossEntropy, 1, 0)
        }
        func trained(_ dataset: Dataset) throws -> [Float] {
            let model = try TrainerTests.model()
            try model.fitClassifier(named)
            try Trainer(model, dataset, options, context: TrainerTests.context).run(nil)
            return values(model)
        }
        // Other numbers for the same names.
        let turned = try numbers.with(
            labels: #require(numbers.labels).map { [70, 50, 60][$0] }
        ).with(classNames: ["b", "c", "a"])
        #expect(try trained(named) == trained(turned))

        // Fewer classes than the classifier has: the last alone.
        let model = try TrainerTests.model()
        try model.fitClassifier(named)
        let last = try named.subset((0..<named.count).filter { named.labels?[$0] == 2 })
        let alone = try last.with(labels: last.labels?.map { _ in 9 }).with(classNames: ["c"])
        try Trainer(
            model, alone,
            TrainerTests.options {
                ($0.objective, $0.epochs, $0.learningRate) = (.crossEntropy, 3, 0.5)
            }, context: TrainerTests.context
        ).run(nil)
        var logits = [Float](repeating: 0, count: alone.count * 3)
        try logits.withUnsafeMutableBufferPointer {
            try model.embed(
                alone, EmbedOptions(output: .logits), into: try #require($0.baseAddress))
        }
        for image in 0..<alone.count {
            let own = logits[image * 3..<image * 3 + 3]
            #expect(own.max() == own.last)
        }

        // A classifier without names takes labels for outputs.
        let bare = try TrainerTests.model(classes: 3)
        try Trainer(bare, named, options, context: TrainerTests.context).run(nil)
        expectError(.shape, "label \(Int.min)", "0 to 2", "reset_classifier") {
            _ = try Trainer(bare, try withIds(numbers), options, context: TrainerTests.context)
        }
    }
}
