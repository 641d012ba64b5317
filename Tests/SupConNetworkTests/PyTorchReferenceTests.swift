import Foundation
import SupConTensor
import Testing

@testable import SupConNetwork

/// Compares ResNets with torchvision's in double precision, from Fixtures/make_resnet_reference.py.
@Suite struct PyTorchReferenceTests {
    struct Reference: Decodable, Sendable, CustomTestStringConvertible {
        struct Gradient: Decodable { var length: Double, first: [Double] }
        var name, architecture, stem, head: String
        var width, channels, images, height, width_pixels, projection, classes: Int
        var rate: Float
        var hidden: Int?
        var normalize: Bool?
        var losses, features, z, logits, evaluated, evaluated_logits: [Double]
        var gradients: [String: Gradient]
        var running: [String: [Double]]
        var testDescription: String { name }

        static let all: [Reference] = {
            let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("Fixtures/resnet_reference.json")
            return try! JSONDecoder().decode([Reference].self, from: Data(contentsOf: url))
        }()
    }

    static let combinations = Reference.all.flatMap { reference in
        Engine.tested.map { (reference, $0) }
    }

    func network(_ reference: Reference) throws -> Network {
        var configuration = NetworkConfiguration()
        configuration.architecture = try Architecture(named: reference.architecture)
        configuration.stem = try #require(Stem(rawValue: reference.stem))
        configuration.head = try #require(HeadKind(rawValue: reference.head))
        (configuration.width, configuration.channels) = (reference.width, reference.channels)
        (configuration.projectionDimension, configuration.classes) = (
            reference.projection, reference.classes
        )
        (configuration.headHidden, configuration.normalizesFeatures) = (
            reference.hidden ?? 0, reference.normalize ?? false
        )
        let network = try Network(configuration, seed: 0)
        let trained = network.parameters.entries.filter(\.role.isTrainable).sorted {
            $0.name < $1.name
        }
        for (p, entry) in trained.enumerated() {
            let amplitude =
                entry.shape.count > 1
                ? (1 / Double(entry.count / entry.shape[0])).squareRoot()
                : entry.role == .normWeight ? 0.2 : 0.1
            let base =
                entry.role != .normWeight ? 0.0 : entry.name.hasSuffix("bn3.weight") ? 0.1 : 1.0
            for i in 0..<entry.count {
                network.parameters.pointer(entry)[i] = Float(base + amplitude * wave(i, Double(p)))
            }
        }
        return network
    }

    /// The tolerance of gradients. A ReLU of ResNet-50's first block has an input within f32's
    /// rounding of 0, whose sign depends on the instruction set and on the last bit of an image;
    /// gradients of earlier layers then differ by up to 2.7e-3 of their lengths.
    private static let gradientTolerance = 4e-3

    @Test(arguments: combinations)
    func agreesWithTorchvision(_ reference: Reference, _ engine: Engine) throws {
        let network = try network(reference)
        let plan = try TrainingPlan(
            network, images: reference.images, height: reference.height,
            width: reference.width_pixels, precision: .f32,
            trained: [.encoder, .head, .classifier],
            classifierGradientReachesEncoder: true, context: ExecutionContext(threads: 2),
            engine: engine)
        let parameters = network.parameters
        let perImage = reference.height * reference.width_pixels * reference.channels
        var velocity = [Float](repeating: 0, count: parameters.trainableCount)
        let z = try #require(plan.projection), logits = try #require(plan.logits)
        let dz = try #require(plan.projectionGradient), dlogits = try #require(plan.logitsGradient)
        for step in 0..<3 {
            for i in 0..<(reference.images * perImage) {
                plan.input[i] = Float(wave(i, 0.5) * (1 + 0.3 * Double(i / perImage)))
            }
            plan.forward()
            var loss = 0.0
            for i in 0..<reference.z.count {
                dz[i] = z[i] - Float(wave(i, 1.5))
                loss += 0.5 * Double(dz[i] * dz[i])
            }
            for i in 0..<reference.logits.count {
                dlogits[i] = logits[i] - Float(wave(i, 2.5))
                loss += 0.5 * Double(dlogits[i] * dlogits[i])
            }
            #expect(
                abs(loss - reference.losses[step]) < 2e-4 * reference.losses[step],
                "loss of step \(step)")
            if step == 0 {
                expectClose(plan.features, reference.features, 2e-4, "features")
                expectClose(z, reference.z, 2e-4, "z")
                expectClose(logits, reference.logits, 2e-4, "logits")
            }
            plan.backward()
            if step == 0 {
                for (name, expected) in reference.gradients {
                    let entry = try #require(parameters.entry(named: name), "\(name)")
                    let gradient = plan.gradients + entry.offset
                    let length = (0..<entry.count).reduce(0.0) {
                        $0 + Double(gradient[$1]) * Double(gradient[$1])
                    }.squareRoot()
                    // Some gradients vanish in exact arithmetic: a bias in front of a batch norm.
                    #expect(
                        abs(length - expected.length) < Self.gradientTolerance * expected.length
                            + 1e-5,
                        "length of the gradient of \(name)")
                    for (i, value) in expected.first.enumerated() {
                        #expect(
                            abs(Double(gradient[i]) - value) < Self.gradientTolerance
                                * expected.length + 1e-5,
                            "gradient of \(name)[\(i)]")
                    }
                }
            }
            for i in 0..<parameters.trainableCount {
                velocity[i] = 0.9 * velocity[i] + plan.gradients[i] + 1e-3 * parameters.values[i]
                parameters.values[i] -= reference.rate * velocity[i]
            }
        }
        for (name, expected) in reference.running {
            expectClose(
                parameters.pointer(try #require(parameters.entry(named: name))), expected, 1e-3,
                name)
        }
        let inference = try InferencePlan(
            network, images: reference.images, height: reference.height,
            width: reference.width_pixels, precision: .f32, context: ExecutionContext(threads: 2),
            engine: engine)
        inference.input.update(from: plan.input, count: reference.images * perImage)
        inference.run()
        expectClose(inference.features, reference.evaluated, 1e-3, "features in evaluation")
        expectClose(
            try #require(inference.logits), reference.evaluated_logits, 1e-3, "logits in evaluation"
        )
    }

    func wave(_ i: Int, _ phase: Double) -> Double {
        sin(0.7 * Double(i) + 0.013 * Double(i) * Double(i) + phase)
    }

    /// Checks that values agree within `tolerance` of the largest.
    func expectClose(
        _ values: UnsafePointer<Float>, _ expected: [Double], _ tolerance: Double, _ what: String
    ) {
        let largest = expected.map(abs).max() ?? 0
        let worst = expected.indices.map { abs(Double(values[$0]) - expected[$0]) }.max() ?? 0
        #expect(worst <= tolerance * largest, "\(what): off by \(worst) of \(largest)")
    }
}

extension Engine {
    /// The engines that this build has.
    static var tested: [Engine] { standard == .oneDNN ? [.oneDNN, .openBLAS] : [.openBLAS] }
}
