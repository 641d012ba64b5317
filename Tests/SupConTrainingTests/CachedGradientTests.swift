import Foundation
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision
import Testing

@testable import SupConTraining

/// Tests gradient caching: the result is the gradient of the whole batch's loss, in the memory of a
/// chunk.
@Suite struct CachedGradientTests {
    static let (side, samples, views) = (12, 12, 2)

    /// The images and labels of one batch, without a loader: [samples, views, side, side, 1].
    struct Batch {
        var pixels: AlignedBuffer
        var labels: [Int]
        var perSample: Int {
            CachedGradientTests.views * CachedGradientTests.side * CachedGradientTests.side
        }

        init(
            _ labels: [Int], repeatsEvery period: Int? = nil, views: Int = CachedGradientTests.views
        ) throws {
            self.labels = labels
            let count = labels.count * views * CachedGradientTests.side * CachedGradientTests.side
            pixels = try AlignedBuffer(Float.self, count: count)
            var random = Philox(seed: 8, purpose: .test)
            for i in 0..<count {
                let whole = period.map {
                    $0 * views * CachedGradientTests.side * CachedGradientTests.side
                }
                pixels.floats[i] =
                    whole.map { i >= $0 } == true
                    ? pixels.floats[i - whole!] : random.uniform(-1, 1)
            }
        }

        /// Runs the step on this batch as its loader would deliver it.
        func run(_ step: any TrainingStep, rate: Double = 0, views: Int = CachedGradientTests.views)
            throws -> StepOutcome
        {
            var turn = 0
            let perImage = views * CachedGradientTests.side * CachedGradientTests.side
            let outcome = try step.run(step: 0, rate: rate, samples: Array(labels.indices)) {
                () throws(SupConError) in
                let (chunk, chunks) = (step.chunks, labels.count / step.chunks.size)
                let first = turn % chunks * chunk.size
                turn += 1
                return StepBatch(
                    LoadedBatch(
                        pixels: pixels.floats + first * perImage,
                        indices: Array(first..<(first + chunk.size))))
            }
            #expect(
                turn == labels.count / step.chunks.size * step.chunks.passes,
                "chunks that were taken")
            return outcome
        }
    }

    static func model(_ head: HeadKind = .mlpBN, classes: Int = 0) throws -> Model {
        var options = ModelOptions()
        (options.width, options.channels, options.imageHeight, options.imageWidth) = (
            4, 1, side, side
        )
        (
            options.projectionDimension, options.seed, options.precision, options.head,
            options.classes
        ) = (
            8, 3, .f32, head, classes
        )
        options.zeroInitLastGamma = false
        return try Model(options, context: TrainerTests.context)
    }

    /// Returns options of plain SGD without momentum and decay and with a rate of 1, which
    /// subtracts the gradient from the parameters.
    static func options(chunk: Int, _ change: (inout TrainOptions) -> Void = { _ in })
        -> TrainOptions
    {
        var options = TrainOptions()
        (
            options.batchSize, options.chunkSize, options.views, options.momentum,
            options.weightDecay
        ) = (samples, chunk, views, 0, 0)
        options.loss.temperature = 0.5
        change(&options)
        return options
    }

    func values(_ model: Model) -> [Float] {
        (0..<model.network.parameters.count).map { model.network.parameters.values[$0] }
    }

    /// Returns the gradient that a step of rate 1 has subtracted from the parameters, and the
    /// running statistics after it.
    func gradient(_ model: Model, _ batch: Batch, _ step: any TrainingStep, views: Int = views)
        throws -> (gradient: [Float], statistics: [Float], loss: Double)
    {
        let before = values(model)
        let outcome = try batch.run(step, rate: 1, views: views)
        let after = values(model)
        let count = model.network.parameters.trainableCount
        return ((0..<count).map { before[$0] - after[$0] }, Array(after[count...]), outcome.loss)
    }

    func expectClose(_ a: [Float], _ b: [Float], _ tolerance: Double, _ what: String) {
        let length = b.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        let difference = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
            .squareRoot()
        #expect(
            length > 0 && difference < tolerance * length, "\(what): \(difference) of \(length)")
    }

    static let labels = [0, 1, 2, 0, 1, 2, 1, 0, 0, 2, 2, 1]

    /// Checks that with one chunk the result equals that of the plain step bit for bit, with a
    /// classifier and without.
    @Test(arguments: [false, true]) func aChunkThatIsTheBatchIsThePlainStep(_ joint: Bool) throws {
        let batch = try Batch(Self.labels)
        func model() throws -> Model { try Self.model(classes: joint ? 3 : 0) }
        let (plain, chunked) = (try model(), try model())
        let options = Self.options(chunk: Self.samples) { $0.jointClassifier = joint }
        for _ in 0..<2 {
            let a = try batch.run(
                try EncoderStep(
                    plain, options, labels: batch.labels, part: BatchPart(options, Ranks()),
                    context: TrainerTests.context), rate: 0.1)
            let b = try batch.run(
                try CachedGradientStep(
                    chunked, options, labels: batch.labels, part: BatchPart(options, Ranks()),
                    context: TrainerTests.context),
                rate: 0.1)
            #expect(a.loss == b.loss && a.correct == b.correct && a.classified == b.classified)
            #expect(values(plain) == values(chunked))
        }
    }

    /// Tests equal images in each chunk: the chunk's statistics are then the batch's, and a plan
    /// for the whole batch must give the same gradient. Labels differ from chunk to chunk.
    @Test(arguments: [
        (Objective.supcon, 4), (.supcon, 6), (.simclr, 4), (.crossEntropy, 3), (.maxMargin, 4),
    ]) func equalsTheWholeBatchWhereStatisticsAgree(_ objective: Objective, _ chunk: Int) throws {
        let views = objective.isContrastive ? Self.views : 1
        let batch = try Batch(Self.labels, repeatsEvery: chunk, views: views)
        let classes = objective.isContrastive ? 0 : 3
        let (plain, chunked) = (try Self.model(classes: classes), try Self.model(classes: classes))
        let step = try CachedGradientStep(
            chunked, Self.options(chunk: chunk) { $0.objective = objective }, labels: batch.labels,
            part: BatchPart(Self.options(chunk: chunk) { $0.objective = objective }, Ranks()),
            context: TrainerTests.context)
        let a = try gradient(
            plain, batch,
            try EncoderStep(
                plain, Self.options(chunk: 0) { $0.objective = objective }, labels: batch.labels,
                part: BatchPart(Self.options(chunk: 0) { $0.objective = objective }, Ranks()),
                context: TrainerTests.context), views: views)
        let b = try gradient(chunked, batch, step, views: views)
        #expect(abs(a.loss - b.loss) < 1e-6 * abs(a.loss))
        expectClose(b.gradient, a.gradient, 2e-4, "gradient")
    }

    /// Tests different images: a plan for each chunk, all alive at once, is the chunked forward in
    /// one piece; gradient and running statistics must equal its own.
    @Test(arguments: [2, 3, 4, 6]) func equalsTheChunkedForwardExactly(_ chunk: Int) throws {
        let batch = try Batch(Self.labels)
        let (whole, cached) = (try Self.model(), try Self.model())
        let (count, dimension, rows) = (Self.samples / chunk, 8, chunk * Self.views)
        let plans = try (0..<count).map { _ in
            try TrainingPlan(
                whole.network, images: rows, height: Self.side, width: Self.side, precision: .f32,
                trained: [.encoder, .head], classifierGradientReachesEncoder: false,
                context: TrainerTests.context)
        }
        let z = try AlignedBuffer(Float.self, count: Self.samples * Self.views * dimension)
        let dz = try AlignedBuffer(Float.self, count: Self.samples * Self.views * dimension)
        for (place, plan) in plans.enumerated() {
            plan.input.update(
                from: batch.pixels.floats + place * chunk * batch.perSample,
                count: chunk * batch.perSample)
            plan.forward()
            (z.floats + place * rows * dimension).update(
                from: try #require(plan.projection), count: rows * dimension)
        }
        var lossOptions = Self.options(chunk: chunk).loss
        lossOptions.normalize = false
        let loss = try ContrastiveLoss(
            lossOptions, samples: Self.samples, views: Self.views, dimension: dimension,
            context: TrainerTests.context)
        let numbers = batch.labels.map { Int64($0) }
        let result = try numbers.withUnsafeBufferPointer {
            try loss.evaluate(
                features: z.floats, positives: .labels($0.baseAddress!), perAnchor: nil,
                gradient: dz.floats)
        }
        var expected = [Double](repeating: 0, count: whole.network.parameters.trainableCount)
        for (place, plan) in plans.enumerated() {
            plan.projectionGradient?.update(
                from: dz.floats + place * rows * dimension, count: rows * dimension)
            plan.backward()
            for i in expected.indices { expected[i] += Double(plan.gradients[i]) }
        }
        let step = try CachedGradientStep(
            cached, Self.options(chunk: chunk), labels: batch.labels,
            part: BatchPart(Self.options(chunk: chunk), Ranks()), context: TrainerTests.context)
        let found = try gradient(cached, batch, step)
        #expect(abs(found.loss - result.loss) < 1e-9)
        // The step is a difference of parameters: their rounding is in it.
        expectClose(found.gradient, expected.map { Float($0) }, 1e-5, "gradient")
        #expect(
            found.statistics == Array(values(whole)[whole.network.parameters.trainableCount...]),
            "running statistics move once per chunk")
    }

    /// Compares the gradient with differences of the loss along a direction, which involve no
    /// backward pass.
    @Test func agreesWithDifferencesOfTheLoss() throws {
        let batch = try Batch(Self.labels)
        let model = try Self.model()
        let parameters = model.network.parameters
        let step = try CachedGradientStep(
            model, Self.options(chunk: 4), labels: batch.labels,
            part: BatchPart(Self.options(chunk: 4), Ranks()), context: TrainerTests.context)
        let found = try gradient(model, batch, step).gradient
        for i in found.indices { parameters.values[i] += found[i] }
        let length = found.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        let start = (0..<parameters.trainableCount).map { parameters.values[$0] }
        func loss(_ t: Double) throws -> Double {
            for i in start.indices {
                parameters.values[i] = start[i] + Float(t * Double(found[i]) / length)
            }
            return try batch.run(step).loss
        }
        let t = 4e-4
        let slope = (try loss(t) - loss(-t)) / (2 * t)
        #expect(abs(slope - length) < 0.01 * length, "\(slope), expected \(length)")
    }

    @Test func runsLearnAndResumeExactly() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "supcon-test-\(UUID().uuidString)"
        ).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let dataset = try TrainerTests.dataset()
        var accuracy = 0.0
        let whole = try TrainerTests.model()
        func options(_ change: (inout TrainOptions) -> Void = { _ in }) -> TrainOptions {
            TrainerTests.options {
                ($0.epochs, $0.chunkSize, $0.jointClassifier, $0.imagesPerClass) = (6, 10, true, 10)
                change(&$0)
            }
        }
        try Trainer(whole, dataset, options(), context: TrainerTests.context).run {
            if $0.kind == .epoch { accuracy = $0.knnAccuracy }
            return true
        }
        #expect(accuracy > 0.8, "\(accuracy)")
        let first = try Trainer(
            try TrainerTests.model(), dataset, options { $0.checkpointFolder = RawPath(folder) },
            context: TrainerTests.context)
        #expect(throws: SupConError.self) {
            try first.run { !($0.kind == .epoch && $0.epoch == 3) }
        }
        let resumed = try TrainerTests.model(seed: 77)
        try Trainer(
            resumed, dataset,
            options { ($0.checkpointFolder, $0.resume) = (RawPath(folder), true) },
            context: TrainerTests.context
        ).run(nil)
        #expect(values(whole) == values(resumed))
    }

    /// Checks that stage 2 does not depend on chunks, as the encoder does not use batch statistics.
    @Test func theLinearStageDoesNotDependOnChunks() throws {
        let dataset = try TrainerTests.dataset()
        let results = try [0, 5].map { chunk in
            let model = try TrainerTests.model()
            try Trainer(
                model, dataset,
                TrainerTests.options {
                    ($0.objective, $0.chunkSize, $0.epochs) = (.linear, chunk, 2)
                }, context: TrainerTests.context
            ).run(nil)
            return values(model)
        }
        expectClose(results[1], results[0], 1e-5, "parameters")
    }

    /// Checks a claim of the presets: a step of ResNet-50 at 224² with batches of 6144 images in
    /// two views, and of ResNet-200 with 4096, takes less than 16 GiB in f32 by the plan's own
    /// count, with the presets' chunks; CIFAR's takes less than 8 with chunks of 128.
    @Test(arguments: [
        ("imagenet-r50", nil, 16), ("imagenet-r200", nil, 16), ("cifar-pytorch", 128, 8),
    ])
    func aBatchOfThousandsFits(_ name: String, _ chunk: Int?, _ gibibytes: Int) throws {
        let preset = try Preset.named(name)
        var (options, train) = (preset.model, preset.train)
        let (count, limit) = (train.batchSize, gibibytes << 30)
        let size = chunk ?? train.chunkSize
        let labels = (0..<count).map { $0 % 1000 }
        let pixels = [UInt8](repeating: 7, count: count * 3)
        let dataset = try pixels.withUnsafeBytes {
            try Dataset.images(
                ImageBatch(
                    dense: $0.baseAddress!, element: .u8, count: count, height: 1, width: 1,
                    channels: 3), labels: labels, options: DatasetOptions(copies: true))
        }
        options.precision = .f32
        let model = try Model(options, context: .default)
        var memory: [Int] = []
        for chunk in [2, 4] {
            train.chunkSize = chunk
            memory.append(try Trainer(model, dataset, train, context: .default).memoryByteCount)
        }
        // Two sizes give what an image costs: the largest chunk that fits is a useful one, and the
        // count below does not hang on a tiny chunk.
        let perImage = (memory[1] - memory[0]) / 2
        let fixed = memory[0] - 2 * perImage
        #expect(
            fixed + size * perImage < limit,
            "a chunk of \(size) images takes \((fixed + size * perImage) >> 20) MiB")
        #expect(
            count * perImage > 4 * limit,
            """
            without chunks the activations alone take \((count * perImage) >> 30) GiB: the \
            chunks would be for nothing
            """
        )
    }

    @Test func theLoaderGivesChunksWithTheSameViewsInEachPass() throws {
        let dataset = try TrainerTests.dataset(20)
        func loader(_ size: Int) throws -> Loader {
            try Loader(
                dataset, .defaults(.simclr), views: 2, height: 8, width: 8, mean: [0.5],
                std: [0.25], seed: 3, threads: 2, batchSize: size)
        }
        // Image 3 comes twice in the epoch: its second turn has views of its own, in both passes.
        let batches = [[3, 1, 4, 0, 2], [9, 3, 5, 7, 11]]
        let perImage = 2 * 8 * 8
        var whole: [[Float]] = []
        let plain = try loader(5)
        try plain.begin(epoch: 2, batches: batches)
        for _ in batches {
            let batch = try plain.next()
            whole.append((0..<(5 * perImage)).map { batch.pixels[$0] })
        }
        for first in [0, 1] {
            let chunked = try loader(2)
            try chunked.begin(
                epoch: 2, batches: batches, from: first, chunks: Loader.Chunks(size: 2, passes: 2))
            #expect(chunked.remaining == (2 - first) * 6)
            for number in first..<2 {
                for _ in 0..<2 {
                    var (pixels, indices): ([Float], [Int]) = ([], [])
                    for _ in 0..<3 {
                        let chunk = try chunked.next()
                        indices += chunk.indices
                        pixels += (0..<(chunk.indices.count * perImage)).map { chunk.pixels[$0] }
                    }
                    #expect(indices == batches[number] && pixels == whole[number])
                }
            }
        }
        #expect(throws: SupConError.self) {
            try loader(2).begin(
                epoch: 1, batches: batches, chunks: Loader.Chunks(size: 3, passes: 1))
        }
        #expect(throws: SupConError.self) {
            try loader(2).begin(
                epoch: 1, batches: batches, chunks: Loader.Chunks(size: 2, passes: 0))
        }
    }
}
