import Foundation
import SupConNetwork
import SupConTensor
import TestSupport
import Testing

@testable import SupConModel

/// Tests files with other projects' parameter names, from Fixtures/make_fixtures.py, where each
/// element is a formula of its index in the sorted list of this library's names.
@Suite struct ForeignFileTests {
    let context = try! ExecutionContext(threads: 2)

    func expectFormula(_ model: Model) {
        let parameters = model.network.parameters
        for (p, entry) in parameters.entries.sorted(by: { $0.name < $1.name }).enumerated() {
            let values = parameters.pointer(entry)
            let wrong = (0..<entry.count).first {
                values[$0] != Float((7 * $0 + 13 * p) % 61 - 30) / 64
                    + (entry.name.hasSuffix("running_var") ? 1 : 0)
            }
            #expect(wrong == nil, "\(entry.name)")
        }
    }

    @Test func readsTorchvisions() throws {
        let model = try Model.load(
            fixture("torchvision.safetensors"), LoadOptions(), context: context)
        expectFormula(model)
        var expected = NetworkConfiguration()
        (expected.stem, expected.width, expected.head, expected.classes) = (.imagenet, 2, .none, 5)
        #expect(model.configuration == expected)
        #expect(
            model.imageHeight == 224 && model.imageWidth == 224
                && model.mean == [0.485, 0.456, 0.406] && model.std == [0.229, 0.224, 0.225])
        #expect(model.precision == Engine.fastestPrecision && model.classNames == [])
    }

    @Test func readsTimmsInAllFloatTypes() throws {
        let model = try Model.load(fixture("timm.safetensors"), LoadOptions(), context: context)
        expectFormula(model)
        #expect(
            model.configuration.architecture == .resnet50 && model.configuration.width == 1
                && model.channels == 1 && model.configuration.classes == 3)
        #expect(model.mean == [0.5] && model.std == [0.25])
        #expect(
            Set(try SafetensorsFile(fixture("timm.safetensors")).entries.map(\.dtype)) == [
                .f32, .f16, .bf16, .f64, .i64,
            ])
    }

    @Test func readsSupContrasts() throws {
        let model = try Model.load(
            fixture("supcontrast.safetensors"), LoadOptions(), context: context)
        expectFormula(model)
        var expected = NetworkConfiguration()
        (expected.stem, expected.width, expected.head, expected.projectionDimension) = (
            .cifar, 2, .mlp, 6
        )
        #expect(model.configuration == expected)
        #expect(model.imageHeight == 32 && model.imageWidth == 32)
    }

    /// Checks that parameters under other names give equal embeddings.
    @Test func embedsLikeTheSameParametersUnderOurNames() throws {
        let folder = try Folder(), images = Images(3, height: 32, width: 32)
        let foreign = try Model.load(
            fixture("supcontrast.safetensors"), LoadOptions(), context: context)
        try foreign.save(folder.file("m"))
        #expect(
            try SafetensorsFile(folder.file("m")).entries.contains {
                $0.name == "layer2.0.downsample.1.running_var"
            })
        let ours = try Model.load(folder.file("m"), LoadOptions(), context: context)
        for output in [EmbedOutput.encoder, .projection] {
            let rows = try ours.rows(images, EmbedOptions(output: output))
            #expect(try foreign.rows(images, EmbedOptions(output: output)) == rows)
            #expect(difference([rows[0]], [rows[1]]) > 1e-5)
        }
    }

    @Test func optionsSayWhatTheFileDoesNot() throws {
        var options = LoadOptions()
        (options.imageHeight, options.imageWidth, options.meanStd, options.precision) = (
            40, 30, ([0.1, 0.2, 0.3, 9], [1, 2, 3, 9]), .f32
        )
        (options.stem, options.architecture) = (.imagenet, .resnet18)
        let model = try Model.load(fixture("torchvision.safetensors"), options, context: context)
        #expect(
            model.imageHeight == 40 && model.imageWidth == 30 && model.mean == [0.1, 0.2, 0.3]
                && model.std == [1, 2, 3] && model.precision == .f32)
        options.stem = .cifar
        expectError(.argument, "stem is cifar", "imagenet") {
            _ = try Model.load(fixture("torchvision.safetensors"), options, context: context)
        }
        options.stem = nil
        options.architecture = .resnet50
        expectError(.argument, "architecture is resnet50", "resnet18") {
            _ = try Model.load(fixture("torchvision.safetensors"), options, context: context)
        }
        options.architecture = nil
        options.imageWidth = 70000
        expectError(.argument, "image_width is 70000") {
            _ = try Model.load(fixture("torchvision.safetensors"), options, context: context)
        }
    }

    @Test(arguments: [
        ("module.encoder.layer1.0.shortcut.0.weight", "layer1.0.downsample.0.weight"),
        ("encoder.module.conv1.weight", "conv1.weight"), ("model.backbone.fc.bias", "fc.bias"),
        ("_orig_mod.linear.weight", "fc.weight"), ("head.0.weight", "head.0.weight"),
        ("encoder.", ""), ("", ""), ("layer1.0.shortcut", "layer1.0.shortcut"),
        ("linear", "linear"),
    ])
    func translatesNames(_ theirs: String, _ ours: String) {
        #expect(ParameterNames.translated(theirs) == ours)
    }

    @Test func saysWhatItDoesNotKnow() throws {
        let folder = try Folder()
        func load(_ tensors: [(String, [Int])]) throws {
            var (header, offset): ([String], Int) = ([], 0)
            for (name, shape) in tensors {
                let size = shape.reduce(4, *)
                header.append(
                    """
                    \"\(name)\":{\"dtype\":\"F32\",\"shape\":\(shape),\
                    \"data_offsets\":[\(offset),\(offset + size)]}
                    """
                )
                offset += size
            }
            let path = try folder.write(
                safetensors(
                    "{\(header.joined(separator: ","))}", data: [UInt8](repeating: 0, count: offset)
                ))
            _ = try Model.load(path, LoadOptions(), context: context)
        }
        expectError(.format, "no tensor conv1.weight", "a, b, c, …") {
            try load([("a", [1]), ("b", [1]), ("c", [1]), ("d", [1])])
        }
        expectError(.format, "no tensor conv1.weight") { try load([]) }
        expectError(.format, "conv1.weight has shape [4]", "4 sides") {
            try load([("conv1.weight", [4])])
        }
        expectError(.format, "conv1.weight has shape [0, 3, 3, 3]") {
            try load([("conv1.weight", [0, 3, 3, 3])])
        }
        expectError(.format, "conv1.weight has shape [2, 3, 5, 5]", "3×3", "7×7") {
            try load([("conv1.weight", [2, 3, 5, 5])])
        }
        expectError(.format, "[1, 0, 0, 0] basic blocks", "resnet18") {
            try load([("conv1.weight", [1, 3, 3, 3]), ("layer1.0.conv1.weight", [1])])
        }
        expectError(.format, "[0, 0, 0, 0]") {
            try load([
                ("conv1.weight", [1, 3, 3, 3]), ("layer9.0.x", [1]),
                ("layer1.99999999999999999999.x", [1]), ("layer1.-1.x", [1]),
            ])
        }
        let blocks = (1...4).map { ("layer\($0).1.x", [1]) }
        expectError(.format, "channels is 7") {
            try load([("conv1.weight", [1, 7, 3, 3])] + blocks)
        }
        expectError(.format, "no tensor bn1.weight of shape [1]") {
            try load([("conv1.weight", [1, 3, 3, 3])] + blocks)
        }
        expectError(.format, "head.weight has shape [0, 8]") {
            try load([("conv1.weight", [1, 3, 3, 3]), ("head.weight", [0, 8])] + blocks)
        }
    }
}
