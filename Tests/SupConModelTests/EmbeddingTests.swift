import Foundation
import SupConNetwork
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConModel

@Suite struct EmbeddingTests {
    static func model(threads: Int = 2, _ change: (inout ModelOptions) -> Void = { _ in }) throws
        -> Model
    {
        let model = try Model.tiny(threads: threads) {
            ($0.classes, $0.mean, $0.std) = (5, [0.4, 0.5, 0.6, 0.5], [0.2, 0.25, 0.3, 0.25])
            change(&$0)
        }
        fill(model.network)
        return model
    }

    /// Computes the expected rows with a single plan for all images, from pixels normalized here in
    /// double precision.
    static func expected(_ model: Model, _ images: Images, _ output: EmbedOutput, normalize: Bool)
        throws -> [[Float]]
    {
        let plan = try InferencePlan(
            model.network, images: images.count, height: images.height, width: images.width,
            precision: .f32, context: ExecutionContext(threads: 1))
        for (i, byte) in images.bytes.enumerated() {
            let c = i % images.channels
            plan.input[i] = Float(
                (Double(byte) / 255 - Double(model.mean[c])) / Double(model.std[c]))
        }
        plan.run()
        let source = try #require(
            output == .encoder
                ? plan.features : output == .projection ? plan.projection : plan.logits)
        let dimension = model.outputDimension(output)
        return (0..<images.count).map { row in
            var values = (0..<dimension).map { Double(source[row * dimension + $0]) }
            if output == .probabilities {
                let sum = values.reduce(0) { $0 + exp($1) }
                values = values.map { exp($0) / sum }
            } else if normalize && output != .logits {
                let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
                values = values.map { $0 / length }
            }
            return values.map { Float($0) }
        }
    }

    @Test(arguments: EmbedOutput.allCases, [true, false]) func computesWhatThePlanDoes(
        _ output: EmbedOutput, _ normalize: Bool
    ) throws {
        let model = try Self.model(), images = Images(5)
        let rows = try model.rows(images, EmbedOptions(output: output, normalize: normalize))
        let expected = try Self.expected(model, images, output, normalize: normalize)
        let scale = expected.joined().map(abs).max() ?? 0
        #expect(scale > 0.01)
        #expect(difference(rows, expected) < 1e-5 * max(scale, 1))
        // Images differ, so that rows in a wrong order would be seen.
        #expect(difference([rows[0]], [rows[1]]) > 1e-3 * scale)
    }

    @Test func probabilitiesSumToOne() throws {
        let model = try Self.model()
        // Logits so large that exp of them is infinite.
        for i in 0..<5 {
            model.network.parameters.pointer(
                try #require(model.network.parameters.entry(named: "fc.bias")))[i] = 500 * Float(i)
        }
        for row in try model.rows(Images(4), EmbedOptions(output: .probabilities)) {
            #expect(abs(row.reduce(0) { $0 + Double($1) } - 1) < 1e-6 && row.allSatisfy { $0 >= 0 })
        }
    }

    // MARK: batches and threads

    @Test(arguments: [1, 2, 3, 7, 8, 32, 100]) func isTheSameInAnyBatch(_ size: Int) throws {
        let model = try Self.model(), images = Images(45)
        let rows = try model.rows(images)
        #expect(try difference(model.rows(images, EmbedOptions(batchSize: size)), rows) < 1e-5)
        #expect(
            try difference(
                model.rows(Images(size), EmbedOptions(batchSize: 0)),
                Array(try model.rows(Images(100)).prefix(size))) < 1e-5)
    }

    @Test func isTheSameOnAnyNumberOfThreads() throws {
        let images = Images(13)
        #expect(
            try difference(Self.model(threads: 1).rows(images), Self.model(threads: 3).rows(images))
                < 1e-5)
    }

    @Test func servesManyThreadsAtOnce() throws {
        let model = try Self.model()
        let expected = try (1...12).map { try model.rows(Images($0)) }
        let failures = Failures()
        DispatchQueue.concurrentPerform(iterations: 48) { i in
            let count = i % 12 + 1
            guard let rows = try? model.rows(Images(count)),
                difference(rows, expected[count - 1]) < 1e-5
            else { return failures.add() }
        }
        #expect(failures.count == 0)
    }
    final class Failures: @unchecked Sendable {
        private let lock = NSLock()
        private(set) var count = 0
        func add() { lock.withLock { count += 1 } }
    }

    @Test func keepsFewPlans() throws {
        let model = try Self.model(), images = Images(1)
        for _ in 0..<3 { _ = try model.rows(images) }
        #expect(model.plans.idleSizes == [1])
        for count in 1...40 { _ = try model.rows(Images(count)) }
        #expect(
            Set(model.plans.idleSizes).isSubset(
                of: BatchSizes(chosen: 0, pixels: 192, threads: 2).sizes)
                && model.plans.idleSizes.count <= 5)
        for size in 1...40 { _ = try model.rows(Images(size), EmbedOptions(batchSize: size)) }
        #expect(model.plans.idleSizes.count == PlanPool.mostPlans)
        try model.exclusive {}
        #expect(model.plans.idleSizes == [])
    }

    @Test func takesSmallerBatchesWhereMemoryIsShort() throws {
        let images = Images(200)
        let eight = try InferencePlan(
            Self.model().network, images: 8, height: 16, width: 12, precision: .f32,
            context: ExecutionContext(threads: 2)
        ).memoryByteCount
        let model = try Model(
            .tiny { $0.classes = 5 }, context: ExecutionContext(threads: 2, memoryLimit: eight - 1))
        let rows = try model.rows(images)
        #expect(Set(model.plans.idleSizes) == [1])
        #expect(rows.allSatisfy { abs($0.reduce(0) { $0 + $1 * $1 } - 1) < 1e-4 })
        expectError(.memory, "embedding 64 images", "limit") {
            _ = try model.rows(images, EmbedOptions(batchSize: 64))
        }
        expectError(.memory, "parameters", "limit") {
            try Model(.tiny(), context: ExecutionContext(threads: 2, memoryLimit: 1000))
        }
        let least = 4 * (try Self.model().network.parameters.count)
        let none = try Model(.tiny(), context: ExecutionContext(threads: 2, memoryLimit: least))
        expectError(.memory, "embedding 1 images", "limit") { _ = try none.rows(images) }
    }

    @Test(arguments: [0, 1, 5, 8, 48, 100], [1, 32 * 32, 224 * 224]) func padsAQuarterAtMost(
        _ chosen: Int, _ pixels: Int
    ) {
        let sizes = BatchSizes(chosen: chosen, pixels: pixels, threads: 48)
        #expect(sizes.sizes == Array(Set(sizes.sizes)).sorted() && sizes.sizes[0] == 1)
        #expect(chosen == 0 || sizes.sizes.last == chosen)
        for left in 1...300 {
            let size = sizes.next(left)
            #expect(sizes.sizes.contains(size) && (size <= left || 4 * left >= 3 * size))
        }
    }

    // MARK: pixels

    /// Tests other layouts of equal pixels: floats, planes, mirrored strides, a window of a larger
    /// image.
    @Test func readsAnyLayout() throws {
        let model = try Self.model(), images = Images(5)
        let rows = try model.rows(images)
        let (n, h, w, c) = (images.count, images.height, images.width, images.channels)
        func index(_ i: Int, _ y: Int, _ x: Int, _ k: Int) -> Int { ((i * h + y) * w + x) * c + k }
        func check(_ what: String, _ batch: ImageBatch) throws {
            var flat = [Float](repeating: 0, count: n * 32)
            try model.embed(batch, into: &flat)
            #expect(difference([flat], [Array(rows.joined())]) < 1e-5, "\(what)")
        }
        let floats = images.bytes.map { Float($0) / 255 }
        try floats.withUnsafeBytes {
            try check(
                "f32",
                ImageBatch(
                    dense: $0.baseAddress!, element: .f32, count: n, height: h, width: w,
                    channels: c))
        }
        var planes = [UInt8](repeating: 0, count: images.bytes.count)
        var mirrored = planes
        var large = [Float](repeating: 9, count: n * (h + 3) * (w + 5) * 4)
        for i in 0..<n {
            for y in 0..<h {
                for x in 0..<w {
                    for k in 0..<c {
                        let value = images.bytes[index(i, y, x, k)]
                        planes[((i * c + k) * h + y) * w + x] = value
                        mirrored[index(n - 1 - i, h - 1 - y, w - 1 - x, c - 1 - k)] = value
                        large[((i * (h + 3) + y + 1) * (w + 5) + x + 2) * 4 + k + 1] =
                            Float(value) / 255
                    }
                }
            }
        }
        try planes.withUnsafeBytes {
            try check(
                "CHW",
                ImageBatch(
                    data: $0.baseAddress!, element: .u8, count: n, height: h, width: w, channels: c,
                    imageStride: c * h * w, rowStride: w, columnStride: 1, channelStride: h * w))
        }
        try mirrored.withUnsafeBytes {
            try check(
                "negative strides",
                ImageBatch(
                    data: $0.baseAddress! + mirrored.count - 1, element: .u8, count: n, height: h,
                    width: w, channels: c, imageStride: -h * w * c, rowStride: -w * c,
                    columnStride: -c,
                    channelStride: -1))
        }
        try large.withUnsafeBytes {
            let row = (w + 5) * 4
            try check(
                "window",
                ImageBatch(
                    data: $0.baseAddress! + (row + 2 * 4 + 1) * 4, element: .f32, count: n,
                    height: h, width: w, channels: c, imageStride: (h + 3) * row, rowStride: row,
                    columnStride: 4,
                    channelStride: 1))
        }
    }

    @Test(arguments: 1...4) func readsAnyNumberOfChannels(_ channels: Int) throws {
        // 51 pixels: a piece of the kernel, and a rest.
        let
            model = try Self.model {
                ($0.channels, $0.imageHeight, $0.imageWidth) = (channels, 3, 17)
            }, images = Images(2, height: 3, width: 17, channels: channels)
        #expect(
            try difference(
                model.rows(images), Self.expected(model, images, .encoder, normalize: true)) < 1e-5)
    }

    /// Checks that a constant image stays constant, and that an enlarged one averages back.
    @Test func resizesImagesOfAnotherSize() throws {
        let model = try Self.model(), images = Images(3)
        var doubled = Images(3, height: 32, width: 24)
        for i in doubled.bytes.indices {
            let (k, x, y, n) = (i % 3, i / 3 % 24, i / 72 % 32, i / 72 / 32)
            doubled.bytes[i] = [200, 40, 90][(k + n) % 3]
            _ = (x, y)
        }
        var constant = images
        for i in constant.bytes.indices {
            constant.bytes[i] = [200, 40, 90][(i % 3 + i / 3 / 192) % 3]
        }
        #expect(try difference(model.rows(doubled), model.rows(constant)) < 1e-4)
        let other = try model.rows(Images(3, height: 40, width: 9))
        #expect(
            other.allSatisfy { abs($0.reduce(0) { $0 + $1 * $1 } - 1) < 1e-4 }
                && difference([other[0]], [other[1]]) > 1e-4)
        // The resized pixels themselves, normalized.
        let views = Images(1, height: 40, width: 9)
        var (resized, written) = (
            [Float](repeating: 0, count: 16 * 12 * 3), [Float](repeating: 0, count: 16 * 12 * 3)
        )
        try views.withBatch {
            try resize($0[0], into: &resized, height: 16, width: 12)
            try ModelInput(model).write($0[0], to: &written, AugmentationWorkspace())
        }
        for i in resized.indices {
            #expect(abs(written[i] - (resized[i] - model.mean[i % 3]) / model.std[i % 3]) < 1e-5)
        }
    }

    /// Tests against images that were flipped here, of odd and even widths, from memory and from a
    /// callback, and resized ones.
    @Test(arguments: 1...4) func flipsImages(_ channels: Int) throws {
        let sizes = [(5, 7), (6, 8), (3, 1)]
        for (height, width) in sizes {
            let model = try Self.model {
                ($0.channels, $0.imageHeight, $0.imageWidth) = (channels, height, width)
            }
            for factor in [1, 3] {
                let images = Images(
                    9, height: height * factor, width: width * factor, channels: channels)
                let (flip, truth) = (EmbedOptions(flip: true), try model.rows(images.flipped()))
                let rows = try model.rows(images, flip)
                if factor == 1 { #expect(rows == truth) }
                #expect(difference(rows, truth) < 1e-4)
                #expect(try (difference(rows, model.rows(images)) > 1e-3) == (width > 1))
                let length = images.bytes.count / images.count
                let dataset = try Dataset.callback(
                    count: 9, height: images.height, width: images.width, channels: channels,
                    labels: nil
                ) { indices, pixels in
                    for (i, index) in indices.enumerated() {
                        for j in 0..<length {
                            pixels[i * length + j] = images.bytes[index * length + j]
                        }
                    }
                    return true
                }
                #expect(try model.rows(dataset, flip) == rows)
            }
        }
    }

    // MARK: data sets

    @Test func embedsDataSetsLikeTheirImages() throws {
        let model = try Self.model(), images = Images(21)
        let rows = try model.rows(images)
        let dataset = try images.withBatch {
            try Dataset.images($0, labels: nil, options: DatasetOptions(copies: true))
        }
        #expect(try model.rows(dataset) == rows)
        let picked = [20, 3, 3, 11]
        #expect(try difference(model.rows(dataset.subset(picked)), picked.map { rows[$0] }) < 1e-5)
        #expect(try model.rows(dataset.subset([])) == [])
        var whileExclusive = [Float](repeating: 0, count: 21 * 32)
        expectError(.state, "exclusive") {
            try model.embedWhileExclusive(dataset, into: &whileExclusive)
        }
        try model.exclusive { () throws(SupConError) in
            let parameters = model.network.parameters
            for i in 0..<parameters.count { parameters.values[i] *= 0.9 }
            try model.embedWhileExclusive(dataset, into: &whileExclusive)
            for i in 0..<parameters.count { parameters.values[i] *= 0.9 }
        }
        #expect(difference([whileExclusive], [Array(rows.joined())]) > 1e-3)
        #expect(try difference([whileExclusive], [Array(model.rows(images).joined())]) > 1e-3)
    }

    @Test func asksCallbacksOnTheCallingThread() throws {
        let model = try Self.model(), images = Images(150)
        let rows = try model.rows(images)
        let thread = pthread_self()
        let dataset = try Dataset.callback(
            count: 150, height: 16, width: 12, channels: 3, labels: nil
        ) { indices, pixels in
            for (i, index) in indices.enumerated() {
                for j in 0..<576 { pixels[i * 576 + j] = images.bytes[index * 576 + j] }
            }
            return pthread_equal(thread, pthread_self()) != 0
        }
        #expect(try difference(model.rows(dataset), rows) < 1e-5)
        let stopping = try Dataset.callback(
            count: 150, height: 16, width: 12, channels: 3, labels: nil
        ) { indices, _ in !indices.contains(149) }
        var flat = [Float](repeating: 7, count: 150 * 32)
        expectError(.canceled) { try model.embed(stopping, into: &flat) }
        // The failed call has written nothing.
        #expect(flat.allSatisfy { $0 == 7 })
        #expect(throws: Never.self) { try model.exclusive {} }
    }

    @Test func namesTheFileThatBecameUnreadable() throws {
        let model = try Self.model(), folder = try Folder()
        let png = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../SupConVisionTests/Fixtures/rgb8.png").path
        let paths = (0..<40).map { folder.file("\($0).png") }
        for path in paths { try FileManager.default.copyItem(atPath: png, toPath: path) }
        let dataset = try Dataset.files(paths)
        let rows = try model.rows(dataset)
        #expect(difference(rows, [[Float]](repeating: rows[0], count: 40)) < 1e-5)
        let reader = ImageReader(dataset)
        _ = try reader.open(0)
        let view = try reader.pixels(atLeast: 1)
        var row = [Float](repeating: 0, count: 32)
        let one = ImageBatch(
            data: view.data, element: view.element, count: 1, height: view.height,
            width: view.width, channels: view.channels, imageStride: 0, rowStride: view.rowStride,
            columnStride: view.columnStride, channelStride: view.channelStride)
        try model.embed(one, into: &row)
        #expect(difference([row], [rows[0]]) < 1e-5)
        // Two fail; the first in order is named, whichever thread was first.
        for index in [37, 39] { try FileManager.default.removeItem(atPath: paths[index]) }
        var flat = [Float](repeating: 7, count: 40 * 32)
        expectError(.io, paths[37]) { try model.embed(dataset, into: &flat) }
        #expect(flat.allSatisfy { $0 == 7 })
    }

    // MARK: what cannot be

    @Test func refusesInWords() throws {
        let model = try Self.model(), images = Images(2)
        expectError(.shape, "1 channel", "3") { _ = try model.rows(Images(2, channels: 1)) }
        expectError(.argument, "batch_size is -1", "65536") {
            _ = try model.rows(images, EmbedOptions(batchSize: -1))
        }
        expectError(.argument, "batch_size is 65537") {
            _ = try model.rows(images, EmbedOptions(batchSize: 65537))
        }
        let bare = try Model.tiny { $0.head = .none }
        expectError(.state, "no projection head") {
            _ = try bare.rows(images, EmbedOptions(output: .projection))
        }
        expectError(.state, "no classifier") {
            _ = try bare.rows(images, EmbedOptions(output: .logits))
        }
        expectError(.state, "no classifier") {
            _ = try bare.rows(Images(0), EmbedOptions(output: .probabilities))
        }
        images.withBatch { batch in
            var wrong = batch
            wrong.count = -1
            expectError(.argument, "count is -1") {
                try model.embed(wrong, into: UnsafeMutablePointer<Float>(bitPattern: 64)!)
            }
        }
        #expect(try model.rows(Images(0)) == [])
    }
}
