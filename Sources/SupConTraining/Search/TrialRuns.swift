import SupConEvaluation
import SupConModel
import SupConTensor
import SupConVision

/// Trial runs train copies of a model on the same images in the same order, each with a learning
/// rate of its own, which falls along a cosine after a short warm-up.
struct TrialRuns {
    /// The fraction of the images that judges, and how many do at least.
    private static let (heldOut, fewestJudges) = (0.2, 20)
    /// The images of a trial, at most: so many, or as many as make so many batches.
    private static let (mostImages, mostBatches) = (2000, 8)
    /// The steps of a trial: a twentieth of the run's, within these. On digits 20, 40 and 90 steps
    /// choose the same rate, and the run of 455 steps agrees with them.
    private static let (fewestSteps, mostSteps, part) = (20, 60, 20)

    private let model: Model
    private let context: ExecutionContext
    private let training: Dataset
    /// The images that judge; nil: the loss does.
    private let judges: Dataset?
    private let options: TrainOptions
    /// The number of steps of a trial.
    let steps: Int

    /// Chooses images and steps for the trials of a run, of whose options `batchSize` is resolved.
    /// Images that the run holds out, and those of other ranks, are not used. Errors: those of the
    /// run.
    init(_ model: Model, _ dataset: Dataset, _ options: TrainOptions, context: ExecutionContext)
        throws(SupConError)
    {
        let split = try TrainingSplit(
            dataset, options, channels: model.channels, context: context)
        var (images, options) = (split.training.ownPart(), options)
        if images.count < min(split.training.count, options.batchSize) {
            options.batchSize = 0
            options = try options.withBatch(for: images)
        }
        let batch = options.batchSize
        let stepsOfRun = images.count / batch * options.epochs
        let most = max(
            Self.mostImages,
            Int((Double(Self.mostBatches * batch) / (1 - Self.heldOut)).rounded(.up)))
        if images.count > most {
            var random = Philox(seed: options.seed, purpose: .search)
            images = try images.subset(random.permutation(images.count).prefix(most).sorted())
        }
        var parts: (first: Dataset, second: Dataset)?
        // The training part keeps a batch.
        let fraction = min(Self.heldOut, 1 - Double(batch) / Double(max(images.count, 1)))
        if images.labels != nil, fraction * Double(images.count) >= Double(Self.fewestJudges) {
            parts = try images.split(fraction: fraction, seed: options.seed, context: context)
            // Each class gives an image at least.
            if let found = parts, found.first.count < batch { parts = nil }
        }
        (training, judges) = (parts?.first ?? images, parts?.second)
        var model = model
        if options.freezesInInt8 {
            // Calibrated once, for all trials.
            model = try model.copy(context: context)
            try model.quantize(training)
            options.freezesInInt8 = false
        }
        (self.model, self.context) = (model, context)
        let perEpoch = max(1, training.count / batch)
        let wanted = min(Self.mostSteps, max(Self.fewestSteps, stepsOfRun / Self.part))
        options.resetCourse()
        (options.epochs, options.validationFraction) = ((wanted + perEpoch - 1) / perEpoch, 0)
        (self.options, steps) = (options, options.epochs * perEpoch)
    }

    /// The number of images that judge; 0: the loss does.
    var judgeCount: Int { judges?.count ?? 0 }

    /// Trains with a rate and judges the outcome, for as long as `goesOn`, which is asked after
    /// each step, says so. Errors: those of a run, but for divergence and collapse.
    func run(_ rate: Double, goesOn: @escaping () -> Bool) throws(SupConError) -> (
        outcome: RateSweep.Outcome, accuracy: Double
    ) {
        do throws(SupConError) {
            let (trained, loss) = try train(rate, goesOn)
            guard let trained else { return (.diverged, .nan) }
            let (scores, accuracy) =
                try judges.map { (judges) throws(SupConError) in
                    try judge(trained, by: judges)
                } ?? ([-loss], .nan)
            return (scores.allSatisfy(\.isFinite) ? .judged(scores) : .diverged, accuracy)
        } catch {
            if error.kind == .canceled { return (.stopped, .nan) }
            throw error
        }
    }

    /// Returns a model that was trained with a rate, nil if it diverged or collapsed, and the loss
    /// of the last epoch. Errors: those of other failures, canceled.
    private func train(_ rate: Double, _ goesOn: @escaping () -> Bool) throws(SupConError) -> (
        Model?, Double
    ) {
        let copy = try model.copy(context: context)
        var options = options
        options.learningRate = rate
        let trainer = try Trainer(nil) {
            var given = Trainer.Arguments(copy, training, options, context)
            given.isQuiet = true
            return given
        }
        var (steps, loss) = (0, Double.nan)
        do throws(SupConError) {
            try trainer.run { event in
                if event.kind == .step { steps += 1 }
                if event.kind == .epoch { loss = event.loss }
                return goesOn()
            }
        } catch {
            guard error.kind == .state, steps > 0 else { throw error }
            return (nil, loss)
        }
        return (copy, loss)
    }

    /// Returns the probability that a trained model gives the class of each image, by the nearest
    /// neighbors of its embedding (its projection, if the encoder is frozen), or by the classifier
    /// where the objective trains one; and the fraction of the images whose class is the most
    /// probable. Errors: those of embedding.
    private func judge(_ model: Model, by judges: Dataset) throws(SupConError) -> (
        scores: [Double], accuracy: Double
    ) {
        try model.exclusive(keepsEncoder: true) { () throws(SupConError) in
            var embedding = EmbedOptions()
            guard options.trainsClassifier else {
                // The embeddings of a frozen encoder do not depend on the rate.
                if options.freezeStages == 4 { embedding.output = .projection }
                let known = try rows(model, training, embedding)
                let asked = try rows(model, judges, embedding)
                return try votes(known, asked)
            }
            (embedding.output, embedding.normalize) = (.probabilities, false)
            let found = try rows(model, judges, embedding)
            return Self.scores(
                found.values.floats, classes: found.dimension,
                truths: try model.classifierOutputs(of: found.images))
        }
    }

    /// The outputs of a model for the readable images of a data set.
    private typealias Outputs = (values: AlignedBuffer, dimension: Int, images: Dataset)

    private func rows(_ model: Model, _ images: Dataset, _ options: EmbedOptions)
        throws(SupConError) -> Outputs
    {
        let dimension = model.outputDimension(options.output)
        let values = try AlignedBuffer(Float.self, count: images.count * dimension)
        let found = try model.embedReadable(images, options, into: values.floats)
        return (values, dimension, found.images)
    }

    /// Judges by the votes of the nearest neighbors. Errors: memory, canceled.
    private func votes(_ known: Outputs, _ asked: Outputs) throws(SupConError) -> (
        scores: [Double], accuracy: Double
    ) {
        let (labels, truths) = (
            (known.images.classIndices ?? []).map { Int64($0) },
            (asked.images.classIndices ?? []).map { Int64($0) }
        )
        // Classes without an image among these have no column.
        let classes = Set(labels).union(truths).count
        let votes = try AlignedBuffer(Float.self, count: truths.count * classes)
        let evaluation = try labels.withUnsafeBufferPointer { (labels) throws(SupConError) in
            try truths.withUnsafeBufferPointer { (truths) throws(SupConError) in
                try evaluate(
                    train: known.values.floats, trainLabels: labels, test: asked.values.floats,
                    testLabels: truths, dimension: known.dimension,
                    options: EvaluateOptions(method: .knn),
                    probabilities: UnsafeMutableBufferPointer(
                        start: votes.floats, count: truths.count * classes),
                    context: context)
            }
        }
        let columns = Dictionary(uniqueKeysWithValues: zip(evaluation.classLabels, 0...))
        return Self.scores(
            votes.floats, classes: classes, truths: evaluation.labels.map { columns[$0] ?? 0 })
    }

    /// Returns the probability of each row's true class, of `probabilities` [truths.count,
    /// classes], and the fraction of the rows where it is the first of the highest.
    private static func scores(
        _ probabilities: UnsafePointer<Float>, classes: Int, truths: [Int]
    ) -> (scores: [Double], accuracy: Double) {
        var (scores, correct) = ([Double](), 0)
        for (index, truth) in truths.enumerated() {
            let row = UnsafeBufferPointer(start: probabilities + index * classes, count: classes)
            scores.append(Double(row[truth]))
            if row.indices.max(by: { row[$0] < row[$1] }) == truth { correct += 1 }
        }
        return (scores, Double(correct) / Double(max(truths.count, 1)))
    }
}
