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

    /// Images of three classes, which are three heights of a bright bar.
    private static func dataset() throws -> Dataset {
        let pixels = (0..<images * 64).map { index -> UInt8 in
            let (image, row) = (index / 64, index % 64 / 8)
            let noise = UInt8(truncatingIfNeeded: index &* 2_654_435_761 >> 7) / 4
            return (row / 3 == image % 3 ? 180 : 0) + noise
        }
        return try pixels.withUnsafeBytes { bytes in
            let batch = ImageBatch(
                dense: try #require(bytes.baseAddress), element: .u8, count: images, height: 8,
                width: 8, channels: 1)
            return try Dataset.images(
                batch, labels: (0..<images).map { $0 % 3 },
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
