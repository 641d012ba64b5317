import Foundation
import SupConNetwork
import SupConTensor
import SupConVision
import Testing

@testable import SupConModel

/// Tests ResNeXts, wide ResNets, ResNet-26 and the heads: names and shapes are torchvision's and
/// timm's (from Fixtures/make_architecture_shapes.py), and files without this library's metadata
/// are recognized.
@Suite struct ArchitectureTests {
    static let shapes: [String: [String: [Int]]] = {
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/architecture_shapes.json")
        return try! JSONDecoder().decode(
            [String: [String: [Int]]].self, from: Data(contentsOf: url))
    }()

    @Test(arguments: [
        "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2",
        "wide_resnet101_2", "resnet26",
    ])
    func parametersAreTheirs(_ name: String) throws {
        var configuration = NetworkConfiguration()
        configuration.architecture = try Architecture(named: name)
        (configuration.stem, configuration.head, configuration.classes) = (.imagenet, .none, 1000)
        let ours = Dictionary(
            uniqueKeysWithValues: try Network.parameterShapes(of: configuration).map {
                ($0.name, $0.shape)
            })
        #expect(ours == Self.shapes[name])
    }

    static let cases: [(Architecture, Int, HeadKind)] = [
        (.resnet50, 8, .mlp), (.resnext50_32x4d, 16, .mlp3), (.wide_resnet50_2, 8, .mlp3BN),
        (.resnet101, 4, .linear), (.resnext101_32x8d, 8, .none),
        (.resnext101_64x4d, 16, .mlpBN), (.wide_resnet101_2, 4, .mlp), (.resnet26, 8, .mlp),
        (.resnet10t, 8, .mlp), (.resnet26d, 4, .linear), (.resnet26t, 16, .none),
    ]

    @Test(arguments: cases.indices) func filesWithoutMetadataAreRecognized(_ index: Int) throws {
        let (architecture, width, head) = Self.cases[index]
        var options = ModelOptions()
        (
            options.architecture, options.width, options.head, options.headHidden,
            options.projectionDimension
        ) = (architecture, width, head, 12, 5)
        // Without their stem, "d" and "t" are the same network.
        if architecture.isDeep { options.stem = .imagenet }
        options.precision = .f32
        let model = try Model(options, context: .default)
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(
            "supcon-test-\(UUID().uuidString).safetensors"
        ).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let parameters = model.network.parameters
        try Safetensors.write(
            RawPath(path),
            parameters.entries.map {
                Safetensors.Tensor($0.name, shape: $0.shape, parameters.pointer($0))
            }, metadata: [])
        let loaded = try Model.load(path, LoadOptions(), context: .default)
        #expect(loaded.configuration.architecture == architecture)
        #expect(loaded.configuration.width == width)
        #expect(loaded.configuration.head == head)
        if head != .none { #expect(loaded.configuration.projectionDimension == 5) }
        if head != .none && head != .linear { #expect(loaded.configuration.hiddenWidth == 12) }
        #expect(loaded.network.parameters.count == parameters.count)
    }

    @Test func filesOfOursKeepTheWholeConfiguration() throws {
        var options = ModelOptions()
        (
            options.architecture, options.width, options.head, options.normalizesFeatures,
            options.classes
        ) = (.resnext50_32x4d, 16, .mlp3, true, 3)
        options.precision = .f32
        let model = try Model(options, context: .default)
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(
            "supcon-test-\(UUID().uuidString).safetensors"
        ).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try model.save(path)
        #expect(
            try Model.load(path, LoadOptions(), context: .default).configuration
                == model.configuration)
    }

    @Test func tooNarrowForTheGroupsIsRefused() {
        var options = ModelOptions()
        (options.architecture, options.width) = (.resnext50_32x4d, 8)
        #expect { try options.validate() } throws: {
            ($0 as? SupConError)?.kind == .argument && "\($0)".contains("16 or more")
        }
    }
}
