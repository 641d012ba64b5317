import Foundation

@testable import SupConVision

/// The policy reference holds results of torchvision and scipy, every seventh value, from
/// Fixtures/make_policy_reference.py.
struct PolicyReference: Decodable {
    struct Operation: Decodable, Sendable {
        var name: String; var seed, height, width, channels, magnitude: Int; var negative: Bool;
        var result: [Double]
    }
    struct Warp: Decodable, Sendable {
        var seed, height, width: Int; var points, flows: [[Double]]; var result: [Double]
    }
    /// A step is [name, probability, magnitude].
    struct Step: Decodable, Sendable {
        var name: String, probability: Float, magnitude: Float
        init(from decoder: any Decoder) throws {
            var row = try decoder.unkeyedContainer()
            (name, probability, magnitude) = (
                try row.decode(String.self), try row.decode(Float.self), try row.decode(Float.self)
            )
        }
    }
    var policies: [String: [[Step]]], space: [String], operations: [Operation], warps: [Warp]

    static let shared = read(PolicyReference.self, "policy_reference.json")
}

/// The corruption reference holds results of the published programs, every 31st value of exact
/// ones, from Fixtures/make_corruption_reference.py.
struct CorruptionReference: Decodable {
    struct Exact: Decodable, Sendable {
        var size, name: String; var severity: Int; var result: [Double]
    }
    struct Chance: Decodable, Sendable {
        var name: String; var severity: Int; var distance, deviation, mean, spread: Double
    }
    var exact: [Exact], chance: [Chance]

    static let shared = read(CorruptionReference.self, "corruption_reference.json")
}

private func read<T: Decodable>(_: T.Type, _ name: String) -> T {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "Fixtures/" + name)
    return try! JSONDecoder().decode(T.self, from: Data(contentsOf: url))
}

extension PolicyOperation {
    /// Finds a corruption or operation by torchvision's name.
    init?(torchvision name: String) {
        let named: [String: PolicyOperation] = [
            "Identity": .identity, "ShearX": .shearX, "ShearY": .shearY, "TranslateX": .translateX,
            "TranslateY": .translateY, "Rotate": .rotate,
            "Brightness": .brightness, "Color": .color, "Contrast": .contrast,
            "Sharpness": .sharpness, "Posterize": .posterize, "Solarize": .solarize,
            "AutoContrast": .autoContrast, "Equalize": .equalize, "Invert": .invert,
        ]
        guard let found = named[name] else { return nil }
        self = found
    }
}
