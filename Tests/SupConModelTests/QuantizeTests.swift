import Foundation
import SupConNetwork
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConModel

/// Tests embedding in int8: it is close to f32, equal in any batch and on any thread, stored in
/// files, and ended by training.
@Suite(.enabled(if: (try? Engine.standard.checkInt8()) != nil)) struct QuantizeTests {
    /// Makes a network in which every parameter matters.
    static func model(threads: Int = 2, _ change: (inout ModelOptions) -> Void = { _ in }) throws
        -> Model
    {
        let model = try Model.tiny(threads: threads) {
            ($0.width, $0.classes) = (8, 5)
            change(&$0)
        }
        try model.alone {
            for entry in model.network.parameters.entries where entry.role != .convolution {
                for i in 0..<entry.count {
                    model.network.parameters.pointer(entry)[i] +=
                        0.2 * Float(sin(Double(i * 7 + entry.offset)))
                }
            }
        }
        return model
    }
    static func dataset(_ images: Images) throws -> Dataset {
        try images.withBatch {
            try Dataset.images($0, labels: nil, options: DatasetOptions(copies: true))
        }
    }

    static func smallestCosine(_ a: [[Float]], _ b: [[Float]]) -> Float {
        zip(a, b).map { x, y in zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }.min() ?? -1
    }

    @Test(arguments: [Architecture.resnet18, .resnet50], [Stem.cifar, .imagenet]) func isNearF32(
        _ architecture: Architecture, _ stem: Stem
    ) throws {
        let model = try Self.model {
            ($0.architecture, $0.stem, $0.imageHeight, $0.imageWidth) = (architecture, stem, 40, 32)
        }
        let images = Images(12, height: 40, width: 32)
        let exact = try model.rows(images)
        #expect(
            Self.smallestCosine(Array(repeating: exact[0], count: exact.count), exact) < 0.9995,
            "the images are too much alike to tell anything")
        try model.quantize(try Self.dataset(images))
        #expect(model.quantization != nil)
        let rows = try model.rows(images)
        #expect(Self.smallestCosine(rows, exact) > 0.99)
        // It is another computation indeed.
        #expect(difference(rows, exact) > 1e-6)
        try model.quantize(nil)
        #expect(try model.quantization == nil && model.rows(images) == exact)
    }

    @Test func isTheSameInAnyBatchAndOnAnyThread() throws {
        let images = Images(45)
        let one = try Self.model(threads: 1), three = try Self.model(threads: 3)
        for model in [one, three] { try model.quantize(try Self.dataset(Images(10))) }
        let rows = try one.rows(images)
        // Sums of integers do not depend on their order.
        #expect(try three.rows(images) == rows)
        for size in [1, 7, 45, 64] {
            #expect(try one.rows(images, EmbedOptions(batchSize: size)) == rows)
        }
        let failures = Mismatches()
        DispatchQueue.concurrentPerform(iterations: 24) { i in
            let count = i % 12 + 1
            guard let found = try? three.rows(Images(count)), found == Array(rows.prefix(count))
            else { return failures.add() }
        }
        #expect(failures.count == 0)
    }
    final class Mismatches: @unchecked Sendable {
        private let lock = NSLock()
        private(set) var count = 0
        func add() { lock.withLock { count += 1 } }
    }

    @Test func givesEveryOutput() throws {
        let model = try Self.model(), images = Images(8)
        let exact = try EmbedOutput.allCases.map {
            try model.rows(images, EmbedOptions(output: $0, normalize: true))
        }
        try model.quantize(try Self.dataset(images))
        for (output, expected) in zip(EmbedOutput.allCases, exact) {
            let scale = expected.joined().map(abs).max() ?? 0
            #expect(
                try difference(
                    model.rows(images, EmbedOptions(output: output, normalize: true)), expected)
                    < 0.1 * scale)
        }
    }

    @Test func isKeptInFiles() throws {
        let folder = try Folder(), images = Images(6), model = try Self.model()
        let exact = try model.rows(images)
        try model.quantize(try Self.dataset(images))
        let rows = try model.rows(images)
        try model.save(folder.file("int8.safetensors"))
        let loaded = try Model.load(
            folder.file("int8.safetensors"), LoadOptions(), context: ExecutionContext(threads: 2))
        #expect(try loaded.quantization == model.quantization && loaded.rows(images) == rows)
        var options = LoadOptions()
        options.precision = .f32
        let floats = try Model.load(
            folder.file("int8.safetensors"), options, context: ExecutionContext(threads: 2))
        #expect(try floats.quantization == nil && difference(floats.rows(images), exact) < 1e-5)
        // Files whose ranges are nonsense.
        let text = try #require(
            String(
                data: Data(contentsOf: URL(fileURLWithPath: folder.file("int8.safetensors"))),
                encoding: .isoLatin1))
        let key = try #require(text.range(of: "\"supcon.int8_ranges\":\"["))
        let end = try #require(text.range(of: "]\"", range: key.upperBound..<text.endIndex))
        let length = text.distance(from: key.upperBound, to: end.lowerBound)
        for (values, word) in [
            ("1", "there are 1 int8 ranges"), ("-1", "int8 ranges"),
            ("\\u0022x\\u0022", "int8_ranges"),
        ] {
            let damaged = text.replacingCharacters(
                in: key.upperBound..<end.lowerBound,
                with: values + String(repeating: " ", count: length - values.count)
            ).replacing("supcon.crc32", with: "other.words.")
            let path = try folder.write(
                try #require(damaged.data(using: .isoLatin1)), "damaged.safetensors")
            expectError(.format, word) {
                _ = try Model.load(path, LoadOptions(), context: .default)
            }
        }
    }

    @Test func endsWhereTheEncoderChanges() throws {
        let model = try Self.model(), images = Images(6)
        try model.quantize(try Self.dataset(images))
        try model.exclusive(keepsEncoder: true) { () throws(SupConError) in
            try model.setClasses(3, names: [], seed: 1)
        }
        #expect(model.quantization != nil && model.outputDimension(.logits) == 3)
        try model.exclusive {}
        #expect(model.quantization == nil)
    }

    @Test func refusesInWords() throws {
        let model = try Self.model()
        expectError(.shape, "1 channel", "3") {
            try model.quantize(try Self.dataset(Images(4, channels: 1)))
        }
        expectError(.argument, "no image") {
            try model.quantize(try Self.dataset(Images(4)).subset([]))
        }
        let stopping = try Dataset.callback(
            count: 20, height: 16, width: 12, channels: 3, labels: nil
        ) { _, _ in false }
        try model.quantize(try Self.dataset(Images(4)))
        let before = model.quantization
        expectError(.canceled) { try model.quantize(stopping) }
        #expect(model.quantization == before)
        try model.exclusive { () throws(SupConError) in
            do throws(SupConError) {
                try model.quantize(nil)
                Issue.record("no error")
            } catch { #expect(error.kind == .state) }
        }
    }

    /// Checks an encoder whose output is always 0, which has no ranges.
    @Test func bearsDeadNetworks() throws {
        let model = try Self.model(), images = Images(3)
        try model.alone {
            for entry in model.network.parameters.entries
            where entry.role == .normWeight || entry.role == .normBias {
                model.network.parameters.pointer(entry).update(repeating: 0, count: entry.count)
            }
        }
        try model.quantize(try Self.dataset(images))
        #expect(try model.rows(images).allSatisfy { $0.allSatisfy { $0 == 0 } })
    }
}

@Suite struct Int8WithoutTests {
    @Test(.enabled(if: (try? Engine.standard.checkInt8()) == nil)) func saysWhatIsMissing() throws {
        let images = Images(2)
        expectError(.unsupported, "int8 needs") {
            try Model.tiny().quantize(try QuantizeTests.dataset(images))
        }
    }
}
