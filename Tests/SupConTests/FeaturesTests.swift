import SupCon
import Testing

/// Tests features that a program keeps: other outputs come from them, and a classifier is fitted on
/// them, without the images.
@Suite struct FeaturesTests {
    private static let images = 45

    private static func model(_ change: (inout ModelOptions) -> Void = { _ in }) throws -> Model {
        var options = ModelOptions()
        (options.width, options.channels, options.imageHeight, options.imageWidth) = (4, 1, 8, 8)
        (options.projectionDimension, options.precision) = (8, .f32)
        change(&options)
        return try Model(options)
    }

    /// Images of three classes, which are three heights of a bright bar; behind these, if asked
    /// for, the same flipped left to right.
    private static func dataset(withFlipped: Bool = false) throws -> Dataset {
        let count = withFlipped ? 2 * images : images
        let pixels = (0..<count * 64).map { position -> UInt8 in
            let x = position % 8
            let index =
                position < images * 64 ? position : position - images * 64 - x + (7 - x)
            let (image, row) = (index / 64, index % 64 / 8)
            let noise = UInt8(truncatingIfNeeded: index &* 2_654_435_761 >> 7) / 4
            return (row / 3 == image % 3 ? 180 : 0) + noise
        }
        return try pixels.withUnsafeBytes { bytes in
            let batch = ImageBatch(
                dense: try #require(bytes.baseAddress), element: .u8, count: count, height: 8,
                width: 8, channels: 1)
            return try Dataset.images(
                batch, labels: (0..<count).map { $0 % images % 3 },
                options: DatasetOptions(copies: true))
        }
    }

    private static let raw = EmbedOptions(normalize: false)

    @Test(arguments: [false, true], [false, true])
    func outputsAreThoseOfTheImages(normalizes: Bool, int8: Bool) throws {
        let model = try Self.model { $0.normalizesFeatures = normalizes }
        let dataset = try Self.dataset()
        try model.fitClassifier(dataset)
        if int8 { try model.quantize(dataset) }
        let features = try model.embed(dataset, Self.raw)
        for output in EmbedOutput.allCases {
            for normalize in [false, true] {
                let options = EmbedOptions(output: output, normalize: normalize)
                let truth = try model.embed(dataset, options)
                var pieces = options
                pieces.batchSize = normalize ? 7 : 0
                let found = try model.forwardHead(features, pieces)
                #expect(found.count == truth.count && found.dimension == truth.dimension)
                let largest = zip(found.values, truth.values).map { abs($0 - $1) }.max() ?? 0
                #expect(largest < 1e-5, "\(output): \(largest)")
            }
        }
        #expect(throws: SupConError.self) {
            _ = try Self.model().forwardHead(features, EmbedOptions(output: .logits))
        }
    }

    /// Features of another scale are the same to a model that normalizes them, and only to that.
    @Test func aClassifierIsFittedOnFeatures() throws {
        for normalizes in [false, true] {
            let (one, other) = (
                try Self.model { $0.normalizesFeatures = normalizes },
                try Self.model { $0.normalizesFeatures = normalizes }
            )
            let dataset = try Self.dataset().with(weights: (0..<Self.images).map { Float($0 % 4) })
            let features = try one.embed(dataset, Self.raw)
            var heard: [FitProgress] = []
            let l2 = try other.fitClassifier(dataset, features: features) {
                heard.append($0)
                return false
            }
            #expect(try one.fitClassifier(dataset) == l2)
            #expect(heard.first == .fitting(iteration: 1, of: 200))
            let options = EmbedOptions(output: .logits)
            let (truth, found) = (
                try one.embed(dataset, options), try other.embed(dataset, options)
            )
            let largest = zip(found.values, truth.values).map { abs($0 - $1) }.max() ?? 0
            #expect(largest < 1e-3, "\(largest)")
            #expect(other.classNames == ["0", "1", "2"])
        }
    }

    /// A fit on flipped images too is one on a data set that has these, or on features of both.
    @Test(arguments: [false, true]) func aClassifierIsFittedOnFlippedImages(_ weighs: Bool) throws {
        let (whole, flips, kept) = (try Self.model(), try Self.model(), try Self.model())
        let weights = (0..<2 * Self.images).map { Float($0 % Self.images % 4) }
        var both = try Self.dataset(withFlipped: true), dataset = try Self.dataset()
        if weighs {
            both = try both.with(weights: weights)
            dataset = try dataset.with(weights: Array(weights[..<Self.images]))
        }
        let options = ClassifierOptions(l2: 0.01, flip: true)
        try whole.fitClassifier(both, ClassifierOptions(l2: 0.01))
        var heard: [FitProgress] = []
        try flips.fitClassifier(dataset, options) {
            heard.append($0)
            return false
        }
        #expect(
            heard.prefix(2) == [.embedding(done: 45, of: 90), .embedding(done: 90, of: 90)])
        let (features, flipped) = (
            try kept.embed(dataset, Self.raw),
            try kept.embed(dataset, EmbedOptions(normalize: false, flip: true))
        )
        try kept.fitClassifier(
            dataset,
            features: Embeddings(features.values + flipped.values, dimension: features.dimension),
            options)
        let logits = EmbedOptions(output: .logits)
        let truth = try whole.embed(both, logits)
        for model in [flips, kept] {
            let found = try model.embed(both, logits)
            let largest = zip(found.values, truth.values).map { abs($0 - $1) }.max() ?? 0
            #expect(largest < 1e-3, "\(largest)")
        }
        let error = #expect(throws: SupConError.self) {
            try kept.fitClassifier(dataset, features: features, options)
        }
        #expect(error?.message.contains("45 features; expected two for each of 45") == true)
        let other = #expect(throws: SupConError.self) {
            _ = try kept.forwardHead(features, EmbedOptions(flip: true))
        }
        #expect(other?.message.contains("flip is 1; expected 0") == true)
    }

    @Test func wrongFeaturesAreErrors() throws {
        let (model, dataset) = (try Self.model(), try Self.dataset())
        let features = try model.embed(dataset, Self.raw)
        var values = features.values
        values[features.dimension + 2] = .infinity
        let wrong: [(Embeddings, String)] = [
            (try Embeddings(values, dimension: features.dimension), "features[1, 2] is inf"),
            (try Embeddings(features.values, dimension: features.dimension / 2), "dimension 16"),
            (try Embeddings([], dimension: features.dimension), "no features"),
        ]
        for (given, word) in wrong {
            for call in [
                { _ = try model.forwardHead(given) },
                { try model.fitClassifier(dataset, features: given) },
            ] {
                let error = #expect(throws: SupConError.self) { try call() }
                #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
            }
        }
        let few = try Embeddings(
            Array(features.values.prefix(2 * features.dimension)), dimension: features.dimension)
        let error = #expect(throws: SupConError.self) {
            try model.fitClassifier(dataset, features: few)
        }
        #expect(error?.message.contains("2 features; expected one for each of 45") == true)
        #expect(model.configuration.classes == 0)
    }
}
