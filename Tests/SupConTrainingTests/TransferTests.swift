import SupConModel
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConTraining

/// Tests a model that continues with other classes, and fits of the classifier that are stopped.
@Suite struct TransferTests {
    func values(_ model: Model) -> [Float] {
        (0..<model.network.parameters.count).map { model.network.parameters.values[$0] }
    }

    func encoder(_ model: Model) -> [Float] {
        let parameters = model.network.parameters
        return parameters.entries.filter { $0.part == .encoder && !$0.name.contains("running") }
            .flatMap { entry in
                (0..<entry.count).map { parameters.pointer(entry)[$0] }
            }
    }

    @Test func hearsOfTheFitAndStopsIt() throws {
        let (model, dataset) = (try TrainerTests.model(), try TrainerTests.dataset())
        var heard: [FitProgress] = []
        let l2 = try model.fitClassifier(dataset) {
            heard.append($0)
            return false
        }
        let candidates = [0.05, 0.5, 5, 50].map { Float($0 / 120) }
        #expect(candidates.contains(l2))
        #expect(
            heard.first == .embedding(done: 120, of: 120)
                && heard.dropFirst().first == .fitting(iteration: 1, of: 1200) && heard.count > 3)
        let before = values(model)
        for last in [FitProgress.embedding(done: 120, of: 120), .fitting(iteration: 2, of: 1200)] {
            expectError(.canceled) {
                try model.fitClassifier(dataset.limited(perClass: 50, seed: 1)) { $0 == last }
            }
            #expect(values(model) == before && model.classNames == ["0", "1", "2"])
        }
    }

    @Test func finetunesOnOtherClasses() throws {
        let (model, dataset) = (try TrainerTests.model(), try TrainerTests.dataset())
        try model.fitClassifier(dataset)
        let start = encoder(model)
        let others = try dataset.with(labels: (0..<120).map { $0 % 6 }).with(classNames: [
            "a", "b", "c", "d", "e", "f",
        ])
        let options = TrainerTests.options {
            ($0.objective, $0.epochs, $0.learningRate, $0.validationFraction) = (
                .crossEntropy, 1, 1e-3, 0
            )
        }
        expectError(.shape, "6 classes", "3", "reset_classifier") {
            _ = try Trainer(model, others, options, context: TrainerTests.context)
        }
        try model.resetClassifier()
        #expect(model.configuration.classes == 0 && encoder(model) == start)
        try Trainer(model, others, options, context: TrainerTests.context).run(nil)
        #expect(model.classNames == ["a", "b", "c", "d", "e", "f"] && encoder(model) != start)
        let steps = zip(encoder(model), start).map { abs($0 - $1) }
        #expect((steps.max() ?? 1) < 0.2, "a small rate stays near")

        try model.resetClassifier(classes: 4, seed: 1)
        let first = values(model)
        #expect(model.configuration.classes == 4 && model.classNames.isEmpty)
        try model.resetClassifier(classes: 4, seed: 1)
        #expect(values(model) == first)
        expectError(.argument, "-1") { try model.resetClassifier(classes: -1) }
        try model.exclusive { () throws(SupConError) in }
    }
}
