import Foundation
import SupConNetwork
import SupConTensor
import SupConVision
import TestSupport
import Testing

@testable import SupConModel

/// Tests files as timm writes them: variants d and t, whose shortcuts are a mean and a 1×1
/// convolution, and models that have another one's parameters. (test_exchange.py compares
/// embeddings with timm's own.)
@Suite struct TimmFileTests {
    let context = try! ExecutionContext(threads: 2)

    /// Writes the parameters of a model under timm's names, the kernels of its strided shortcuts as
    /// 1×1; returns the 1×1 kernels by this library's names.
    func writeAsTimm(_ model: Model, _ path: String) throws -> [String: [Float]] {
        let parameters = model.network.parameters
        var kernels: [String: [Float]] = [:]
        var memory: [AlignedBuffer] = []
        let tensors = try parameters.entries.map { entry -> Safetensors.Tensor in
            var parts = entry.name.split(separator: ".").map(String.init)
            if parts.count == 5, parts[2] == "downsample", let number = Int(parts[3]) {
                parts[3] = "\(number + 1)"
            }
            let name = parts.joined(separator: ".")
            guard parts.contains("downsample"), entry.shape.suffix(2) == [3, 3] else {
                return Safetensors.Tensor(name, shape: entry.shape, parameters.pointer(entry))
            }
            let kernel = (0..<(entry.count / 9)).map { (i: Int) -> Float in
                Float((7 * i + 3) % 31 - 15) / 16
            }
            let buffer = try AlignedBuffer(Float.self, count: kernel.count)
            for (i, value) in kernel.enumerated() { buffer.floats[i] = value }
            memory.append(buffer)
            kernels[entry.name] = kernel
            return Safetensors.Tensor(
                name, shape: Array(entry.shape.prefix(2)) + [1, 1], buffer.floats)
        }
        try Safetensors.write(RawPath(path), tensors, metadata: [])
        withExtendedLifetime((model, memory)) {}
        return kernels
    }

    @Test(arguments: [Architecture.resnet18d, .resnet26d, .resnet14t])
    func readsVariantsWithAveragedShortcuts(_ architecture: Architecture) throws {
        let folder = try Folder()
        let model = try Model.tiny {
            ($0.architecture, $0.stem, $0.head, $0.width) = (architecture, .imagenet, .none, 8)
        }
        fill(model.network)
        let kernels = try writeAsTimm(model, folder.file("timm.safetensors"))
        #expect(kernels.count == 3)
        let loaded = try Model.load(
            folder.file("timm.safetensors"), LoadOptions(), context: context)
        #expect(loaded.configuration.architecture == architecture)
        for entry in loaded.network.parameters.entries {
            let values = loaded.network.parameters.pointer(entry)
            if let kernel = kernels[entry.name] {
                // The mean over a window and a 1×1 convolution are a quarter of it at each of four
                // places; the window begins at the center of a 3×3 kernel of padding 1.
                for (i, weight) in kernel.enumerated() {
                    let places = (0..<9).map { values[9 * i + $0] }
                    let quarter = weight / 4
                    #expect(
                        places == [0, 0, 0, 0, quarter, quarter, 0, quarter, quarter],
                        "\(entry.name)[\(i)]")
                }
            } else {
                let given = model.network.parameters.pointer(entry)
                #expect((0..<entry.count).allSatisfy { values[$0] == given[$0] }, "\(entry.name)")
            }
        }
    }

    @Test func saysThatOtherSizesDiffer() throws {
        let folder = try Folder()
        let model = try Model.tiny {
            ($0.architecture, $0.stem, $0.head, $0.width) = (.resnet18d, .imagenet, .none, 8)
        }
        _ = try writeAsTimm(model, folder.file("timm.safetensors"))
        for (side, isSaid) in [(64, false), (72, true)] {
            var options = LoadOptions()
            (options.imageHeight, options.imageWidth) = (64, side)
            let said = try loggedMessages(.warning) {
                _ = try Model.load(folder.file("timm.safetensors"), options, context: context)
            }
            #expect(said.contains { $0.contains("64×72") } == isSaid)
        }
    }

    /// Checks that a configuration beside torchvision's ResNet-18 decides whether it loads.
    @Test(arguments: [
        (#"{"architecture": "resnetaa50"}"#, "anti-aliased resnetaa50"),
        (#"{"architecture": "resnetblur50d", "num_classes": 0}"#, "anti-aliased resnetblur50d"),
        (#"{"pretrained_cfg": {"architecture": "seresnextaa101d_32x8d"}}"#, "seresnextaa101d"),
        (#"{"architecture": "resnet18", "model_args": {"aa_layer": "blurpool"}}"#, "blurpool"),
        (#"{"architecture": "resnet18", "model_args": {"act_layer": "silu"}}"#, "silu"),
        (#"{"architecture": "resnet18", "model_args": {"output_stride": 8}}"#, "output_stride 8"),
    ])
    func refusesOtherLayersBetweenTheSameParameters(_ text: String, _ words: String) throws {
        let folder = try Folder()
        let path = folder.file("model.safetensors")
        try FileManager.default.copyItem(
            atPath: fixture("torchvision.safetensors"), toPath: path)
        _ = try folder.write(Data(text.utf8), "config.json")
        expectError(.format, words, "config.json", path) {
            _ = try Model.load(path, LoadOptions(), context: context)
        }
        // What this library has written says itself what it is.
        try Model.load(fixture("torchvision.safetensors"), LoadOptions(), context: context)
            .save(folder.file("ours.safetensors"))
        _ = try Model.load(folder.file("ours.safetensors"), LoadOptions(), context: context)
    }

    @Test(arguments: [
        #"{"architecture": "resnet18", "model_args": {"act_layer": "relu", "aa_layer": ""}}"#,
        #"{"architecture": "resnet18.a1_in1k", "model_args": {"output_stride": 32}}"#,
        #"{"architectures": ["ResNetForImageClassification"]}"#, #"{"architecture": 50}"#,
        "[]", "{", "",
    ])
    func otherConfigurationsSayNothing(_ text: String) throws {
        let folder = try Folder()
        let path = folder.file("model.safetensors")
        try FileManager.default.copyItem(
            atPath: fixture("torchvision.safetensors"), toPath: path)
        _ = try folder.write(Data(text.utf8), "config.json")
        _ = try Model.load(path, LoadOptions(), context: context)
    }
}
