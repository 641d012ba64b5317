import Foundation
import SupConNetwork
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConModel

@Suite struct ModelFileTests {
    let context = try! ExecutionContext(threads: 2)

    /// Makes a small model that uses everything that a file can express.
    func model() throws -> Model {
        let model = try Model.tiny {
            (
                $0.stem, $0.head, $0.headHidden, $0.projectionDimension, $0.classes, $0.width,
                $0.channels
            ) = (
                .imagenet, .mlpBN, 5, 3, 2, 1, 2
            )
            ($0.mean, $0.std) = ([0.1, 0.4914, 9, 9], [0.2023, 3, 9, 9])
        }
        try model.alone { try model.setClasses(2, names: ["cat \"", "ü😀"], seed: 3) }
        fill(model.network)
        return model
    }

    @Test(arguments: HeadKind.allCases) func comesBackTheSame(_ head: HeadKind) throws {
        let folder = try Folder(), images = Images(3)
        let model = try Model.tiny {
            ($0.head, $0.classes, $0.architecture, $0.width) = (
                head, 4, head == .linear ? .resnet50 : .resnet18, 2
            )
        }
        fill(model.network)
        try model.save(folder.file("m"))
        #expect(folder.contents == ["m"])
        let loaded = try Model.load(folder.file("m"), LoadOptions(), context: context)
        #expect(loaded.metadata == model.metadata)
        #expect(loaded.configuration == model.configuration)
        for output in EmbedOutput.allCases where model.outputDimension(output) > 0 {
            #expect(
                try loaded.rows(images, EmbedOptions(output: output))
                    == model.rows(images, EmbedOptions(output: output)))
        }
    }

    @Test func keepsEverythingThatIsNotAParameter() throws {
        let folder = try Folder()
        let model = try model()
        try model.save(folder.file("m"))
        let loaded = try Model.load(folder.file("m"), LoadOptions(), context: context)
        #expect(loaded.configuration == model.configuration)
        #expect(
            loaded.imageHeight == 16 && loaded.imageWidth == 12 && loaded.precision == .f32
                && loaded.channels == 2)
        #expect(
            loaded.mean == [0.1, 0.4914] && loaded.std == [0.2023, 3]
                && loaded.classNames == ["cat \"", "ü😀"])
        for entry in model.network.parameters.entries {
            let (a, b) = (
                model.network.parameters.pointer(entry),
                loaded.network.parameters.pointer(
                    try #require(loaded.network.parameters.entry(named: entry.name)))
            )
            #expect((0..<entry.count).allSatisfy { a[$0] == b[$0] }, "\(entry.name)")
        }
    }

    @Test func writesPyTorchsNames() throws {
        let folder = try Folder()
        try model().save(folder.file("m"))
        let file = try SafetensorsFile(folder.file("m"))
        let shapes = Dictionary(uniqueKeysWithValues: file.entries.map { ($0.name, $0.shape) })
        #expect(
            shapes["conv1.weight"] == [1, 2, 7, 7]
                && shapes["layer2.0.downsample.0.weight"] == [2, 1, 1, 1]
                && shapes["fc.weight"] == [2, 8] && shapes["head.3.bias"] == [3])
        // 20 batch norms of ResNet-18 and one of the head.
        let steps = file.entries.filter { $0.name.hasSuffix(".num_batches_tracked") }
        #expect(steps.count == 21 && steps.allSatisfy { $0.dtype == .i64 && $0.shape == [] })
        #expect(file.entries.count == 20 * 6 + (2 + 5 + 2) + 2)
        #expect(
            file.metadata["format"] == "pt" && file.metadata["supcon.architecture"] == "resnet18"
                && file.metadata["supcon.mean"] == "[0.1,0.4914]")
    }

    @Test func failsToSaveInWords() throws {
        let folder = try Folder(), model = try model()
        expectError(.io, "missing", "No such file") { try model.save(folder.file("missing/m")) }
        expectError(.io, "folder") { try model.save(folder.path) }
        expectError(.argument, "path is empty") { try model.save("") }
        #expect(folder.contents == [])
    }

    // MARK: options against metadata

    @Test func optionsMustAgreeWithTheMetadata() throws {
        let folder = try Folder()
        try model().save(folder.file("m"))
        func load(_ change: (inout LoadOptions) -> Void) throws -> Model {
            var options = LoadOptions()
            change(&options)
            return try Model.load(folder.file("m"), options, context: context)
        }
        expectError(.argument, "stem is cifar", "imagenet") { _ = try load { $0.stem = .cifar } }
        expectError(.argument, "architecture is resnet34", "resnet18") {
            _ = try load { $0.architecture = .resnet34 }
        }
        expectError(.argument, "image_height is 17", "16") { _ = try load { $0.imageHeight = 17 } }
        expectError(.argument, "image_width is 17", "12") { _ = try load { $0.imageWidth = 17 } }
        expectError(.argument, "mean of channel 1 is 0.5", "0.4914") {
            _ = try load { $0.meanStd = ([0.1, 0.5], [0.2023, 3]) }
        }
        expectError(.argument, "std has 1 values") {
            _ = try load { $0.meanStd = ([0.1, 0.4914], [1]) }
        }
        let same = try load {
            ($0.stem, $0.architecture, $0.imageHeight, $0.imageWidth, $0.meanStd, $0.precision) = (
                .imagenet, .resnet18, 16, 12, ([0.1, 0.4914], [0.2023, 3]), .f32
            )
        }
        #expect(same.imageHeight == 16)
    }

    // MARK: damaged and foreign files

    /// The tensors and metadata of a file, which can be changed and written again.
    struct Parts {
        var tensors: [(name: String, dtype: Safetensors.DType, shape: [Int], bytes: [UInt8])]
        var metadata: [String: String]

        init(_ path: String) throws {
            let file = try SafetensorsFile(path)
            metadata = file.metadata
            tensors = try file.entries.map {
                var bytes = [UInt8](repeating: 0, count: max($0.range.count, 1))
                try file.readBytes($0, into: &bytes)
                return ($0.name, $0.dtype, $0.shape, bytes)
            }
        }
        func write(_ path: String) throws {
            let memory = tensors.map { tensor in
                let copy = UnsafeMutableRawBufferPointer.allocate(
                    byteCount: tensor.bytes.count, alignment: 8)
                copy.copyBytes(from: tensor.bytes)
                return copy
            }
            defer { for piece in memory { piece.deallocate() } }
            try Safetensors.write(
                RawPath(path),
                zip(tensors, memory).map {
                    .init($0.name, $0.dtype, $0.shape, UnsafeRawBufferPointer($1))
                }, metadata: metadata.map { ($0.key, $0.value) })
        }
        subscript(name: String) -> Int { tensors.firstIndex { $0.name == name }! }
    }

    func expectFailure(
        _ words: String..., at place: SourceLocation = #_sourceLocation,
        _ change: (inout Parts) -> Void
    ) throws {
        let folder = try Folder()
        try model().save(folder.file("m"))
        var parts = try Parts(folder.file("m"))
        change(&parts)
        try parts.write(folder.file("m"))
        do throws(SupConError) {
            _ = try Model.load(folder.file("m"), LoadOptions(), context: context)
            Issue.record("no error", sourceLocation: place)
        } catch {
            #expect(
                error.kind == .format && error.message.contains(folder.file("m")),
                "\(error.message)", sourceLocation: place)
            for word in words {
                #expect(
                    error.message.contains(word), "\"\(error.message)\" does not say \"\(word)\"",
                    sourceLocation: place)
            }
        }
    }

    @Test func namesTheTensorThatIsWrong() throws {
        try expectFailure("no tensor layer3.1.bn2.weight of shape [4]") {
            $0.tensors.remove(at: $0["layer3.1.bn2.weight"])
        }
        try expectFailure("layer1.0.conv1.weight", "has shape [1, 9]", "needs [1, 1, 3, 3]") {
            $0.tensors[$0["layer1.0.conv1.weight"]].shape = [1, 9]
        }
        try expectFailure("extra.weight of shape [0]", "none that") {
            $0.tensors.append(("extra.weight", .f32, [0], []))
        }
        try expectFailure("fc.bias", "I32") { $0.tensors[$0["fc.bias"]].dtype = .i32 }
        try expectFailure("fc.bias has nan as number 1", "finite") { parts in
            parts.tensors[parts["fc.bias"]].bytes.replaceSubrange(4..<8, with: [0, 0, 0xC0, 0x7F])
        }
        try expectFailure("bn1.running_var has -1.0", "variance") { parts in
            parts.tensors[parts["bn1.running_var"]].bytes = [0, 0, 0x80, 0xBF]
        }
        try expectFailure("fc.bias and module.fc.bias are both fc.bias") { parts in
            var copy = parts.tensors[parts["fc.bias"]]
            copy.name = "module.fc.bias"
            parts.tensors.append(copy)
        }
    }

    @Test func namesTheMetadataThatIsWrong() throws {
        try expectFailure("libsupcon 9.9.9", "format 2", "reads up to format 1") {
            ($0.metadata["supcon.format"], $0.metadata["supcon.library"]) = ("2", "9.9.9")
        }
        try expectFailure("supcon.format is \"one\"") { $0.metadata["supcon.format"] = "one" }
        try expectFailure("no supcon.width") { $0.metadata["supcon.width"] = nil }
        try expectFailure("supcon.width is \"wide\"", "an integer") {
            $0.metadata["supcon.width"] = "wide"
        }
        try expectFailure("width is 100000") { $0.metadata["supcon.width"] = "100000" }
        try expectFailure("supcon.stem is \"tall\"", "imagenet, cifar") {
            $0.metadata["supcon.stem"] = "tall"
        }
        try expectFailure("supcon.precision is \"f8\"", "f32, bf16") {
            $0.metadata["supcon.precision"] = "f8"
        }
        try expectFailure("image_height is 0") { $0.metadata["supcon.image_height"] = "0" }
        try expectFailure("JSON") { $0.metadata["supcon.mean"] = "[0.1," }
        try expectFailure("supcon.mean is", "numbers") {
            $0.metadata["supcon.mean"] = "[0.1,\"x\"]"
        }
        try expectFailure("std of channel 1 is 0") { $0.metadata["supcon.std"] = "[0.1,0]" }
        try expectFailure("mean of channel 0 is inf") { $0.metadata["supcon.mean"] = "[1e300,0]" }
        try expectFailure("names 1 classes of 2") { $0.metadata["supcon.class_names"] = "[\"a\"]" }
        try expectFailure("not an array of strings") { $0.metadata["supcon.class_names"] = "[1,2]" }
        // Sizes that the tensors do not have, and no memory for.
        try expectFailure("needs") {
            ($0.metadata["supcon.width"], $0.metadata["supcon.architecture"]) = (
                "1024", "resnet200"
            )
        }
    }

    @Test func survivesPrefixesAndFlippedBytes() throws {
        let folder = try Folder()
        try model().save(folder.file("m"))
        let whole = try Data(contentsOf: URL(fileURLWithPath: folder.file("m")))
        let header = 8 + Int(whole[0]) + Int(whole[1]) << 8
        for count in stride(from: 0, to: whole.count, by: 211) {
            _ = try folder.write(whole.prefix(count), "f")
            expectError(.format) {
                _ = try Model.load(folder.file("f"), LoadOptions(), context: context)
            }
        }
        var random = Philox(seed: 1, purpose: .test)
        for round in 0..<400 {
            var changed = whole
            for _ in 0...(round % 3) {
                changed[random.index(below: round % 4 == 0 ? whole.count : header)] = UInt8(
                    random.index(below: 256))
            }
            _ = try folder.write(changed, "f")
            do throws(SupConError) {
                _ = try Model.load(folder.file("f"), LoadOptions(), context: context)
            } catch {
                #expect([.format, .memory].contains(error.kind), "\(error.message)")
            }
        }
    }
}
