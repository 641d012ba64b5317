import SupConTensor
import TestSupport
import Testing

@testable import SupConNetwork

/// Tests plans that train a part of the encoder: gradients against differences of the loss, frozen
/// stages against an inference plan, and parameters that must not change.
@Suite struct FrozenStagesTests {
    static let (height, width) = (40, 32)
    static let context = try! ExecutionContext(threads: 2)

    struct Case: CustomTestStringConvertible {
        var architecture = Architecture.resnet18
        var stem = Stem.cifar
        var stages: Int
        var normStatistics = false
        var engine = Engine.standard
        var images = 6
        var testDescription: String {
            """
            \(architecture.rawValue), \(stem.rawValue), \(stages) stages\
            \(normStatistics ? ", norm statistics" : ""), \(images) images, \(engine.rawValue)
            """
        }
    }

    static let cases =
        [0, 1, 2, 3, 4].flatMap { stages in
            [
                Case(stages: stages, normStatistics: true),
                Case(architecture: .resnet50, stem: .imagenet, stages: stages),
            ]
        } + Engine.tested.map { Case(stages: 2, engine: $0, images: 7) }
        + [Case(stages: 2, images: 1), Case(stages: 4, images: 5)]

    /// Makes a network whose running statistics and γ differ from those of a new one.
    static func network(_ test: Case) throws -> Network {
        var configuration = NetworkConfiguration()
        (configuration.architecture, configuration.stem, configuration.width) = (
            test.architecture, test.stem, 8
        )
        (configuration.projectionDimension, configuration.head) = (6, .mlpBN)
        configuration.classes = 3
        let network = try Network(configuration, seed: 5)
        var random = Philox(seed: 6, purpose: .test)
        for entry in network.parameters.entries {
            let values = network.parameters.pointer(entry)
            for i in 0..<entry.count {
                switch entry.role {
                case .runningMean: values[i] = random.uniform(-0.2, 0.2)
                case .runningVariance: values[i] = random.uniform(0.5, 1.5)
                case .normWeight: values[i] = random.uniform(0.6, 1.2)
                case .normBias: values[i] = random.uniform(-0.2, 0.2)
                default: break
                }
            }
        }
        return network
    }

    static func plan(
        _ test: Case, _ network: Network, precision: Precision = .f32,
        quantization: Quantization? = nil
    ) throws -> TrainingPlan {
        let plan = try TrainingPlan(
            network, images: test.images, height: height, width: width, precision: precision,
            trained: [.encoder, .head, .classifier],
            frozen: .init(
                stages: test.stages, normStatistics: test.normStatistics,
                quantization: quantization), classifierGradientReachesEncoder: true,
            context: context, engine: test.engine)
        fill(plan.input, images: test.images)
        return plan
    }

    static func fill(_ input: UnsafeMutablePointer<Float>, images: Int) {
        var random = Philox(seed: 7, purpose: .test)
        for i in 0..<(images * height * width * 3) { input[i] = random.uniform(-1, 1) }
    }

    /// Returns a sum of z and logits, with a random factor for each element.
    static func loss(_ plan: TrainingPlan, images: Int, writesGradient: Bool) -> Double {
        guard let z = plan.projection, let dz = plan.projectionGradient, let logits = plan.logits,
            let dlogits = plan.logitsGradient
        else { return .nan }
        var random = Philox(seed: 8, purpose: .test)
        var sum = 0.0
        for (values, gradient, count) in [(z, dz, images * 6), (logits, dlogits, images * 3)] {
            for i in 0..<count {
                let factor = random.normal()
                if writesGradient { gradient[i] = factor }
                sum += Double(values[i]) * Double(factor)
            }
        }
        return sum
    }

    func isTrained(_ entry: ParameterStore.Entry, _ stages: Int) -> Bool {
        entry.role.isTrainable && (stages == 0 || entry.depth > stages)
    }

    @Test(arguments: cases) func gradientsAgreeWithDifferences(_ test: Case) throws {
        // Batch statistics of one image's last stage are those of few numbers.
        let network = try Self.network(test)
        let (plan, parameters) = (try Self.plan(test, network), network.parameters)
        let before = Array(UnsafeBufferPointer(start: parameters.values, count: parameters.count))
        plan.forward()
        _ = Self.loss(plan, images: test.images, writesGradient: true)
        plan.backward()
        let gradient = Array(
            UnsafeBufferPointer(start: plan.gradients, count: parameters.trainableCount))
        for entry in parameters.entries {
            let same = entry.range.allSatisfy {
                parameters.values[$0].bitPattern == before[$0].bitPattern
            }
            let statistics = !entry.role.isTrainable
            let mayMove =
                statistics && (test.stages == 0 || entry.depth > test.stages)
                && !(test.normStatistics && entry.part == .encoder)
            #expect(same == !mayMove, "\(entry.name) \(same ? "stayed" : "moved")")
            if !statistics && !isTrained(entry, test.stages) {
                #expect(gradient[entry.range].allSatisfy { $0 == 0 }, "gradient of \(entry.name)")
            }
        }
        // Stage by stage: an error of one is not lost in the gradient of another.
        plan.movesStatistics = false
        for depth in 0...ParameterStore.headDepth where test.stages == 0 || depth > test.stages {
            let indices = parameters.entries.filter {
                $0.role.isTrainable && $0.depth == depth
            }.flatMap { Array($0.range) }
            let length = indices.reduce(0.0) { $0 + Double(gradient[$1]) * Double(gradient[$1]) }
                .squareRoot()
            func loss(_ t: Double) -> Double {
                for i in indices {
                    parameters.values[i] = before[i] + Float(t * Double(gradient[i]) / length)
                }
                plan.forward()
                return Self.loss(plan, images: test.images, writesGradient: false)
            }
            // So far that the loss changes by more than rounding, and by less than the curvature.
            let t = min(0.02 / length, 2e-3)
            let slope = (loss(t) - loss(-t)) / (2 * t)
            _ = loss(0)
            #expect(
                length > 1e-3 && abs(slope - length) < 0.02 * length + 1e-3,
                "depth \(depth): \(slope) by differences, \(length) by backward")
        }
    }

    /// Checks that training's forward equals inference if every batch norm uses its running
    /// statistics.
    @Test(arguments: Array(0...4)) func forwardIsInference(_ stages: Int) throws {
        let test = Case(stages: stages, normStatistics: true)
        let network = try Self.network(test)
        for precision in Precision.allCases where (try? Engine.standard.check(precision)) != nil {
            let plan = try Self.plan(test, network, precision: precision)
            let inference = try InferencePlan(
                network, images: test.images, height: Self.height, width: Self.width,
                precision: precision, context: Self.context)
            Self.fill(inference.input, images: test.images)
            inference.run()
            plan.forward()
            expectClose(
                plan.features, inference.features,
                test.images * network.configuration.embeddingDimension,
                precision == .f32 ? 1e-5 : 0.03, "\(precision)")
        }
    }

    @Test(.enabled(if: Int8Tests.canInt8), arguments: [1, 3, 4]) func computesInInt8(_ stages: Int)
        throws
    {
        let test = Case(stages: stages, normStatistics: true)
        let network = try Self.network(test)
        let calibration = try RangeCalibration(
            network, images: test.images, height: Self.height, width: Self.width,
            context: Self.context)
        Self.fill(calibration.input, images: test.images)
        calibration.addImages()
        let quantization = try calibration.quantization()
        for precision in Precision.allCases where (try? Engine.standard.check(precision)) != nil {
            let (exact, rounded) = (
                try Self.plan(test, network, precision: precision),
                try Self.plan(test, network, precision: precision, quantization: quantization)
            )
            exact.forward()
            rounded.forward()
            let count = test.images * network.configuration.embeddingDimension
            expectClose(rounded.features, exact.features, count, 0.1, "\(precision)")
            #expect((0..<count).contains { rounded.features[$0] != exact.features[$0] })
        }
    }

    /// Checks that new parameters take effect once they are reloaded.
    @Test func reloads() throws {
        let test = Case(stages: 3)
        let (network, other) = (try Self.network(test), try Self.network(Case(stages: 3)))
        for i in 0..<other.parameters.trainableCount { other.parameters.values[i] *= 1.1 }
        let plan = try Self.plan(test, network)
        network.parameters.copyValues(from: other.parameters)
        plan.reloadFrozenStages()
        plan.forward()
        let fresh = try Self.plan(test, other)
        fresh.forward()
        for i in 0..<(test.images * network.configuration.embeddingDimension) {
            #expect(plan.features[i] == fresh.features[i])
        }
    }

    @Test func takesLessMemoryTheMoreIsFrozen() throws {
        var bytes: [Int] = []
        for stages in 0...4 {
            let test = Case(architecture: .resnet50, stem: .imagenet, stages: stages, images: 16)
            bytes.append(try Self.plan(test, try Self.network(test)).memoryByteCount)
        }
        #expect(bytes == bytes.sorted(by: >), "\(bytes)")
    }

    @Test func refusesWhatCannotBe() throws {
        for stages in [-1, 5] {
            expectError(.argument, "freeze_stages is \(stages)") {
                _ = try Self.plan(Case(stages: stages), try Self.network(Case(stages: 0)))
            }
        }
        var configuration = NetworkConfiguration()
        (configuration.width, configuration.head) = (8, .none)
        let network = try Network(configuration, seed: 1)
        expectError(.argument, "nothing is left to train") {
            _ = try TrainingPlan(
                network, images: 2, height: 16, width: 16, precision: .f32,
                trained: [.encoder, .head], frozen: .init(stages: 4),
                classifierGradientReachesEncoder: false, context: Self.context)
        }
    }

    func expectClose(
        _ found: UnsafePointer<Float>, _ expected: UnsafePointer<Float>, _ count: Int,
        _ tolerance: Double, _ what: String
    ) {
        let (difference, length) = (0..<count).reduce(into: (0.0, 0.0)) { sums, i in
            sums.0 += Double(found[i] - expected[i]) * Double(found[i] - expected[i])
            sums.1 += Double(expected[i]) * Double(expected[i])
        }
        #expect(
            length > 0 && difference.squareRoot() <= tolerance * length.squareRoot(),
            "\(what): \((difference / length).squareRoot())")
    }
}
