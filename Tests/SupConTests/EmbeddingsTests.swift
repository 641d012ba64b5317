import SupCon
import Testing

/// Tests embeddings as Swift programs use them: from a model, and in measures.
@Suite struct EmbeddingsTests {
    private static func model() throws -> Model {
        var options = ModelOptions()
        (options.width, options.imageHeight, options.imageWidth) = (4, 8, 8)
        options.precision = .f32
        return try Model(options)
    }
    private static func pixels(_ count: Int) -> [UInt8] {
        (0..<count * 192).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
    }

    @Test func aDataSetAndItsImagesAreEmbeddedAlike() throws {
        let (model, pixels) = (try Self.model(), Self.pixels(5))
        try pixels.withUnsafeBytes { bytes in
            let start = try #require(bytes.baseAddress)
            let batch = ImageBatch(
                dense: start, element: .u8, count: 5, height: 8, width: 8, channels: 3)
            let rows = try model.embed(batch)
            #expect(rows.count == 5 && rows.dimension == model.outputDimension(.encoder))
            #expect(try model.embed(try Dataset.images(batch)) == rows)
            for row in 0..<5 {
                let length = rows[row].map { Double($0) * Double($0) }.reduce(0, +)
                #expect(abs(length - 1) < 1e-5)
            }
        }
    }

    @Test func anOutputThatTheModelLacksIsAnError() throws {
        let (model, pixels) = (try Self.model(), Self.pixels(1))
        pixels.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            let batch = ImageBatch(
                dense: start, element: .u8, count: 1, height: 8, width: 8, channels: 3)
            #expect(throws: SupConError.self) {
                _ = try model.embed(batch, EmbedOptions(output: .probabilities))
            }
        }
    }

    /// Four directions in the plane, whose neighbors are obvious.
    private static let gallery = [Float]([1, 0, 0.8, 0.6, 0, 1, -1, 0])

    @Test func neighborsAreTheMostSimilarRows() throws {
        let rows = try Embeddings(Self.gallery, dimension: 2)
        let found = try rows.nearest(
            to: try Embeddings([0.6, 0.8, -2, -0.1], dimension: 2), NearestOptions(k: 2))
        #expect(found.k == 2 && found.indices == [1, 2, 3, 2])
        for (similarity, truth) in zip(found.similarities, [0.96, 0.8, 0.998752, -0.049938]) {
            #expect(abs(Double(similarity) - truth) < 1e-5)
        }
        #expect(try rows.nearest(NearestOptions(k: 1)).indices == [1, 0, 1, 2])
    }

    @Test func measuresOfRowsThatLieWithTheirClass() throws {
        let rows = try Embeddings(Self.gallery + [0.6, 0.8, -0.8, -0.6], dimension: 2)
        let labels = [0, 0, 1, 2, 1, 2]
        // Only (0.8, 0.6) and (0.6, 0.8) are nearest to a row of another class: each other.
        #expect(try rows.knnAccuracy(labels: labels) == 4.0 / 6)
        let found = try rows.retrieval(labels: labels)
        #expect(found.queries == 6 && found.precisionAt1 == 4.0 / 6)
        // |z − z'|² of the pairs: 0.4, 0.4 and 0.4.
        let alignment = try #require(try rows.alignment(labels: labels))
        #expect(abs(alignment - 0.4) < 1e-6)
        #expect(try #require(try rows.uniformity()) < 0)
        let test = try Embeddings([1, 0.1, -1, 0.1, 0.2, 1], dimension: 2)
        let result = try rows.evaluate(
            labels: labels, on: test, testLabels: [0, 2, 1], EvaluateOptions(method: .prototypes))
        #expect(result.top1 == 1 && result.predictions == [0, 2, 1])
        #expect(try rows.knnAccuracy(labels: labels, of: test, queryLabels: [0, 2, 0]) == 2.0 / 3)
        var nearest = OutOfDistributionOptions()
        nearest.k = 1
        let scores = try rows.outOfDistributionScores(
            of: try Embeddings([1, 0, 0.6, -0.8], dimension: 2), nearest)
        #expect(abs(scores[0]) < 1e-3 && scores[1] > 0.5)
        #expect(try Detection(inside: [1, 2], outside: [3, 1.5]).auroc == 0.75)
    }

    @Test func confidenceOfProbabilities() throws {
        let rows = try Embeddings([0.9, 0.1, 0.6, 0.4], dimension: 2)
        let found = try rows.confidenceCalibration(labels: [0, 1], bins: 10)
        // Right with 0.9, wrong with 0.6: (0.1 + 0.6) / 2.
        #expect(found.accuracy == 0.5 && abs(found.expectedCalibrationError - 0.35) < 1e-6)
    }

    @Test func whatDoesNotFitIsAnError() throws {
        #expect(throws: SupConError.self) { try Embeddings([1, 2, 3], dimension: 2) }
        #expect(throws: SupConError.self) { try Embeddings([], dimension: 0) }
        let rows = try Embeddings(Self.gallery, dimension: 2)
        let none = try Embeddings([], dimension: 2)
        #expect(throws: SupConError.self) { try rows.nearest(to: none) }
        #expect(throws: SupConError.self) { try rows.nearest(NearestOptions(k: 4)) }
        for k in [0, 5, Int.max, Int.min] {
            let error = #expect(throws: SupConError.self) {
                try rows.nearest(to: rows, NearestOptions(k: k))
            }
            #expect(error?.kind == .argument && error?.message.contains("k is \(k)") == true)
        }
        #expect(throws: SupConError.self) {
            try rows.evaluate(labels: [0, 1, 0, 1], on: rows, testLabels: [0, 1, 0])
        }
        #expect(throws: SupConError.self) { try rows.knnAccuracy(labels: [1]) }
        #expect(throws: SupConError.self) {
            try rows.nearest(to: try Embeddings([1, 2, 3], dimension: 3))
        }
        #expect(throws: SupConError.self) { try none.uniformity() }
    }
}
