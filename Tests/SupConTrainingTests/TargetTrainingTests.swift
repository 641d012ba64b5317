import Foundation
import SupConLoss
import SupConModel
import SupConNetwork
import SupConTensor
import Testing

@testable import SupConTraining
@testable import SupConVision

/// Tests training in which targets, not classes, make images positives of each other.
@Suite struct TargetTrainingTests {
    private typealias Cached = CachedGradientTests
    private static let context = TrainerTests.context
    private let cached = CachedGradientTests()

    /// Computes the weight of a pair as positives from the definitions.
    static func weight(_ a: [Double], _ b: [Double], _ options: TrainOptions) -> Double {
        let (x, y) = (Set(a.indices.filter { a[$0] == 1 }), Set(b.indices.filter { b[$0] == 1 }))
        switch options.positives {
        case .classes: return .nan
        case .any: return x.isDisjoint(with: y) ? 0 : 1
        case .all: return x == y && !x.isEmpty ? 1 : 0
        case .jaccard:
            return x.union(y).isEmpty
                ? 0 : Double(x.intersection(y).count) / Double(x.union(y).count)
        case .kernel:
            let squares = zip(a, b).reduce(0) { $0 + pow($1.0 - $1.1, 2) }
            return squares > pow(13 * options.labelBandwidth, 2)
                ? 0 : exp(-squares / (2 * pow(options.labelBandwidth, 2)))
        }
    }

    /// Returns 12 sets of 3 labels, one of them empty; or 12 points of the plane, some far away.
    static func targets(_ rule: PositiveRule) -> [[Double]] {
        if rule == .kernel {
            return (0..<12).map { i -> [Double] in
                [Double(i % 5) / 2, i % 4 == 3 ? 100 : Double(i)]
            }
        }
        let sets = [1, 3, 5, 0, 7, 2, 4, 3, 6, 1, 5, 2]
        return sets.map { set -> [Double] in (0..<3).map { Double(set >> $0 & 1) } }
    }
    private static func packed(_ rows: [[Double]]) throws -> Targets {
        try Targets(rows.flatMap { $0 }, dimension: rows[0].count)
    }

    static func options(_ rule: PositiveRule, chunk: Int = 0) -> TrainOptions {
        CachedGradientTests.options(chunk: chunk) {
            ($0.positives, $0.labelBandwidth) = (rule, rule == .kernel ? 1.5 : 0)
        }
    }

    /// Computes the loss of rows [12 · views, 8] of length 1, without tiles, in double precision.
    /// With `ownViewsOnly`, as under a cap of views − 1, the other positives are ignored.
    private func reference(
        _ z: [[Double]], _ w: [[Double]], views: Int, _ options: ContrastiveOptions,
        ownViewsOnly: Bool = false
    ) -> Double {
        var (sum, anchors) = (0.0, 0)
        for i in z.indices {
            var (positives, negatives): ([(w: Double, s: Double)], [Double]) = ([], [])
            for a in z.indices where a != i {
                let s = zip(z[i], z[a]).reduce(0) { $0 + $1.0 * $1.1 } / Double(options.temperature)
                let weight = i / views == a / views ? 1 : w[i / views][a / views]
                if weight == 0 {
                    negatives.append(exp(s))
                } else if !ownViewsOnly || i / views == a / views {
                    positives.append((weight, s))
                }
            }
            if positives.isEmpty { continue }
            let all = options.denominator == .all ? positives.reduce(0) { $0 + exp($1.s) } : 0
            let total = positives.reduce(0) { $0 + $1.w }, below = negatives.reduce(all, +)
            sum -= positives.reduce(0) {
                $0 + $1.w / total
                    * ($1.s - log(below + (options.denominator == .onePositive ? exp($1.s) : 0)))
            }
            anchors += 1
        }
        return sum / Double(anchors)
    }

    /// Compares the step's loss and the measures of its embeddings for every rule, several views,
    /// denominators and a cap.
    @Test(arguments: [PositiveRule.any, .all, .jaccard, .kernel], [1, 2, 3])
    func aStepHasTheLossOfItsMask(_ rule: PositiveRule, _ views: Int) throws {
        let targets = Self.targets(rule), batch = try Cached.Batch(Array(0..<12), views: views)
        for (denominator, cap) in [
            (ContrastiveOptions.Denominator.all, 0), (.onePositive, 0), (.all, views - 1),
        ] {
            var options = Self.options(rule)
            (options.views, options.loss.denominator, options.loss.positivesCap) = (
                views, denominator, cap
            )
            let step = try EncoderStep(
                try Cached.model(), options, labels: nil, targets: Self.packed(targets),
                part: BatchPart(options, Ranks()),
                context: Self.context)
            let outcome = try batch.run(step, rate: 0, views: views)
            let found = try #require(step.embeddings)
            let z = (0..<found.count).map { row in (0..<8).map { Double(found.rows[row * 8 + $0]) }
            }
            let w = targets.map { a in targets.map { Self.weight(a, $0, options) } }
            let expected = reference(z, w, views: views, options.loss, ownViewsOnly: cap > 0)
            #expect(
                abs(outcome.loss - expected) < 1e-5 * max(1, abs(expected)),
                "\(denominator), cap \(cap): \(outcome.loss), expected \(expected)")
            let bare =
                rule == .kernel
                ? 0
                : (0..<12).count { i in
                    views == 1 && (0..<12).allSatisfy { $0 == i || w[i][$0] == 0 }
                }
            #expect(outcome.anchorsWithoutPositive == bare)

            var (distance, weights) = (0.0, 0.0)
            for i in z.indices {
                for j in z.indices where i != j {
                    let own = i / views == j / views ? 1 : w[i / views][j / views]
                    distance += own * zip(z[i], z[j]).reduce(0) { $0 + pow($1.0 - $1.1, 2) }
                    weights += own
                }
            }
            let alignment = try #require(try found.alignment(context: Self.context))
            #expect(
                abs(alignment - distance / weights) < 1e-5,
                "\(alignment), expected \(distance / weights)")
        }
    }

    /// Checks that one-hot classes give the same loss and alignment as labels.
    @Test func oneLabelAnImageIsItsClass() throws {
        let batch = try Cached.Batch(Cached.labels),
            oneHot = try Self.packed(Cached.labels.map { own in (0..<3).map { $0 == own ? 1 : 0 } })
        let byClass = try EncoderStep(
            try Cached.model(), Cached.options(chunk: 0), labels: batch.labels,
            part: BatchPart(Cached.options(chunk: 0), Ranks()),
            context: Self.context)
        let expected = try batch.run(byClass),
            distance = try byClass.embeddings?.alignment(context: Self.context)
        for rule in [PositiveRule.any, .all, .jaccard] {
            let step = try EncoderStep(
                try Cached.model(), Self.options(rule), labels: nil, targets: oneHot,
                part: BatchPart(Self.options(rule), Ranks()),
                context: Self.context)
            #expect(try abs(batch.run(step).loss - expected.loss) < 1e-6)
            #expect(
                try abs(
                    #require(try step.embeddings?.alignment(context: Self.context)) - #require(
                        distance)) < 1e-6)
        }
    }

    /// Tests gradient caching with equal images in each chunk, so that statistics agree; targets
    /// differ from chunk to chunk.
    @Test(arguments: [PositiveRule.any, .all, .jaccard, .kernel]) func chunksAreTheWholeBatch(
        _ rule: PositiveRule
    ) throws {
        let batch = try Cached.Batch(Array(0..<12), repeatsEvery: 4),
            targets = try Self.packed(Self.targets(rule))
        let (plain, chunked) = (try Cached.model(), try Cached.model())
        let whole = try EncoderStep(
            plain, Self.options(rule), labels: nil, targets: targets,
            part: BatchPart(Self.options(rule), Ranks()), context: Self.context)
        let step = try CachedGradientStep(
            chunked, Self.options(rule, chunk: 4), labels: nil, targets: targets,
            part: BatchPart(Self.options(rule, chunk: 4), Ranks()),
            context: Self.context)
        let a = try cached.gradient(plain, batch, whole),
            b = try cached.gradient(chunked, batch, step)
        #expect(abs(a.loss - b.loss) < 1e-6 * abs(a.loss))
        cached.expectClose(b.gradient, a.gradient, 2e-4, "gradient")
    }

    // MARK: Runs

    /// Makes 12×12 gray images without labels: noisy stripes of any phase, contrast and brightness.
    /// With `sets`, labels 0 and 1 are periods of 2 and 4, labels 2 and 3 horizontal and vertical;
    /// otherwise the target is the stripes' angle, up to π/2 to either side.
    private static func images(_ count: Int, sets: Bool) throws -> Dataset {
        var random = Philox(seed: 4, purpose: .test)
        var (pixels, targets): ([UInt8], [Double]) = ([], [])
        for _ in 0..<count {
            let (period, upright, phase) = (
                2 + 2 * random.index(below: 2), random.index(below: 2), random.index(below: 4)
            )
            let (angle, contrast, ground) = (
                random.uniform(0, .pi / 2), random.uniform(30, 110), random.uniform(20, 110)
            )
            let (dx, dy) = (1.5 * cos(angle), 1.5 * sin(angle))
            for y in 0..<12 {
                for x in 0..<12 {
                    let place = upright == 1 ? x : y
                    let stripe: Float =
                        sets
                        ? ((place + phase) % period == 0 ? 1 : 0)
                        : 0.5 + 0.5 * sin(dx * Float(x) + dy * Float(y) + 1.6 * Float(phase))
                    pixels.append(
                        UInt8(
                            max(0, min(255, ground + contrast * stripe + random.uniform(-40, 40)))))
                }
            }
            targets +=
                sets
                ? [period == 2 ? 1 : 0, period == 4 ? 1 : 0, Double(1 - upright), Double(upright)]
                : [Double(angle)]
        }
        return try pixels.withUnsafeBytes {
            try Dataset.images(
                ImageBatch(
                    dense: $0.baseAddress!, element: .u8, count: count, height: 12, width: 12,
                    channels: 1), options: DatasetOptions(copies: true))
        }.with(targets: Targets(targets, dimension: sets ? 4 : 1))
    }

    /// Returns the mean weight, as a positive, of each query's nearest row in the gallery by cosine
    /// of encoder outputs, in double precision.
    private func nearestWeight(
        _ model: Model, _ queries: Dataset, _ gallery: Dataset, _ options: TrainOptions
    ) throws -> Double {
        func rows(_ dataset: Dataset) throws -> [[Double]] {
            let dimension = model.outputDimension(.encoder),
                memory = try AlignedBuffer(Float.self, count: dataset.count * dimension)
            try model.embed(dataset, EmbedOptions(), into: memory.floats)
            return (0..<dataset.count).map { row in
                (0..<dimension).map { Double(memory.floats[row * dimension + $0]) }
            }
        }
        let (asked, known) = (try rows(queries), try rows(gallery))
        let (wanted, had) = (try #require(queries.targets), try #require(gallery.targets))
        var sum = 0.0
        for (q, row) in asked.enumerated() {
            let cosines = known.map { zip(row, $0).reduce(0) { $0 + $1.0 * $1.1 } }
            let best = try #require(cosines.indices.max { cosines[$0] < cosines[$1] })
            sum += Self.weight(Array(wanted[q]), Array(had[best]), options)
        }
        return sum / Double(asked.count)
    }

    /// Checks that after training on unlabeled images with targets, images find those that share
    /// labels (or have near values) far better than with the untrained encoder, and that the
    /// monitor agrees with a dense search. A kernel's many weak positives learn slowly at first: it
    /// takes 50 epochs until every one of five seeds has left the plateau.
    @Test(arguments: [PositiveRule.jaccard, .kernel]) func learns(_ rule: PositiveRule) throws {
        let images = try Self.images(300, sets: rule != .kernel), model = try TrainerTests.model()
        let epochs = rule == .kernel ? 50 : 20
        let options = TrainerTests.options {
            (
                $0.positives, $0.labelBandwidth, $0.epochs, $0.validationFraction,
                $0.validationEvery, $0.seed
            ) = (rule, rule == .kernel ? 0.2 : 0, epochs, 0.25, epochs, 11)
            ($0.optimizer, $0.weightDecay, $0.learningRate, $0.loss.temperature) = (
                .adamw, 0, 0.005, 0.3
            )
            (
                $0.augmentation.cropScaleMin, $0.augmentation.cropRatioMin,
                $0.augmentation.cropRatioMax
            ) = (0.5, 1, 1)
        }
        let (training, validation) = try images.split(fraction: 0.25, seed: 11)
        let before = try nearestWeight(model, validation, training, options)
        var (losses, accuracy): ([Double], Double) = ([], .nan)
        try Trainer(model, images, options, context: Self.context).run { event in
            if event.kind == .epoch {
                losses.append(event.loss)
                accuracy = event.knnAccuracy
                #expect(event.alignment >= 0 && event.alignment < 2 && event.uniformity < 0)
            }
            return true
        }
        let after = try nearestWeight(model, validation, training, options)
        #expect(abs(accuracy - after) < 0.02, "the monitor: \(accuracy), a dense search: \(after)")
        #expect(1 - after < 0.7 * (1 - before), "\(rule): \(before) → \(after); losses \(losses)")
        #expect(losses[losses.count - 1] < losses[0])
    }

    @Test func whatIsMissingIsSaid() throws {
        let model = try TrainerTests.model(), both = try TrainerTests.dataset(),
            bare = try both.with(targets: nil), alone = try both.with(labels: nil)
        func refused(
            _ kind: SupConError.Kind, _ words: String, _ dataset: Dataset,
            _ change: (inout TrainOptions) -> Void
        ) {
            let error = #expect(throws: SupConError.self, "\(words)") {
                try Trainer(model, dataset, TrainerTests.options(change), context: Self.context)
            }
            #expect(
                error?.kind == kind && error?.message.contains(words) == true,
                "\(error?.message ?? "")")
        }
        refused(.state, "no targets, which positives jaccard needs", bare) {
            $0.positives = .jaccard
        }
        refused(.state, "no targets, which positives kernel needs", bare) {
            ($0.positives, $0.labelBandwidth) = (.kernel, 1)
        }
        refused(.state, "no labels", alone) { _ in }
        refused(.state, "images_per_class", alone) { ($0.positives, $0.imagesPerClass) = (.any, 4) }
        refused(.state, "joint_classifier", alone) {
            ($0.positives, $0.jointClassifier) = (.any, true)
        }
        var values = both.targets?.values ?? []
        values[7] = 0.5
        refused(
            .argument, "target 1 of image 2 is 0.5",
            try both.with(targets: Targets(values, dimension: 3))
        ) { $0.positives = .all }
        // With labels too, everything goes together.
        var accuracy = 0.0
        try Trainer(
            model, both,
            TrainerTests.options {
                ($0.positives, $0.imagesPerClass, $0.jointClassifier, $0.chunkSize, $0.epochs) = (
                    .any, 10, true, 10, 1
                )
            }, context: Self.context
        ).run { event in
            if event.kind == .epoch { accuracy = event.trainAccuracy }
            return true
        }
        #expect(accuracy > 0)
    }

    /// Checks that the memory of the mask is counted, and that another rule is another run.
    @Test func memoryAndResume() throws {
        let dataset = try TrainerTests.dataset(),
            folder = FileManager.default.temporaryDirectory.appendingPathComponent(
                "supcon-test-\(UUID().uuidString)"
            ).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func trainer(_ rule: PositiveRule, _ bandwidth: Double = 0, resume: Bool = false) throws
            -> Trainer
        {
            try Trainer(
                try TrainerTests.model(), dataset,
                TrainerTests.options {
                    ($0.positives, $0.labelBandwidth, $0.epochs, $0.checkpointFolder, $0.resume) = (
                        rule, bandwidth, 1, RawPath(folder), resume
                    )
                }, context: Self.context)
        }
        #expect(
            try trainer(.any).memoryByteCount - trainer(.classes).memoryByteCount >= 20 * 20 * 4)
        try trainer(.kernel, 2).run(nil)
        for (rule, bandwidth, words) in [
            (PositiveRule.kernel, 3.0, "its label_bandwidth is 2.0"),
            (.any, 0, "its positives is kernel"), (.classes, 0, "its positives is kernel"),
        ] {
            let error = #expect(throws: SupConError.self) {
                try trainer(rule, bandwidth, resume: true)
            }
            #expect(
                error?.kind == .state
                    && error?.message.contains(words) == true,
                "\(error?.message ?? "")")
        }
        _ = try trainer(.kernel, 2, resume: true)
    }
}
