import Foundation
import SupConNetwork
import SupConTensor
import Testing

@testable import SupConTraining

/// Compares LARS and RMSProp with their formulas in double precision, AdamW and SGD with PyTorch's
/// (from Fixtures/make_optimizer_reference.py).
@Suite struct OptimizerFormulaTests {
    static func network() throws -> Network {
        var configuration = NetworkConfiguration()
        (
            configuration.width, configuration.projectionDimension, configuration.classes,
            configuration.head
        ) =
            (4, 3, 2, .mlpBN)
        configuration.zeroInitLastGamma = true
        return try Network(configuration, seed: 1)
    }

    /// Compares `optimizer` with the update that `body` computes in double precision, entry by
    /// entry, for the parameters of encoder and head, with new gradients in each step.
    func compare(
        _ network: Network, _ optimizer: any Optimizer, steps: Int = 4, rate: Double,
        tolerance: Double = 2e-6,
        _ body: (ParameterStore.Entry, _ w: inout [Double], _ g: [Double], _ step: Int) -> Void
    ) {
        let parameters = network.parameters
        var random = Philox(seed: 2, purpose: .test)
        var w = (0..<parameters.count).map { Double(parameters.values[$0]) }
        for step in 0..<steps {
            let gradients = (0..<parameters.trainableCount).map { _ in random.uniform(-1, 1) }
            gradients.withUnsafeBufferPointer {
                optimizer.step(gradients: $0.baseAddress!, rate: rate, threads: 2)
            }
            for entry in parameters.entries
            where entry.role.isTrainable && entry.part != .classifier {
                var part = Array(w[entry.range])
                body(entry, &part, entry.range.map { Double(gradients[$0]) }, step)
                w.replaceSubrange(entry.range, with: part)
            }
        }
        let worst =
            (0..<parameters.count).map {
                abs(Double(parameters.values[$0]) - w[$0]) / max(1, abs(w[$0]))
            }.max() ?? 1
        #expect(worst < tolerance, "off by \(worst)")
    }

    @Test(arguments: [false, true]) func larsFollowsItsFormula(_ nesterov: Bool) throws {
        let network = try Self.network()
        // A weight of zeros has no trust ratio: it moves by the plain rate.
        let zero = try #require(network.parameters.entry(named: "head.3.weight"))
        network.parameters.pointer(zero).update(repeating: 0, count: zero.count)
        let (momentum, decay, trust, rate) = (0.9, 0.05, 0.02, 0.3)
        let lars = try LARS(
            network.parameters, trained: [.encoder, .head], momentum: momentum, nesterov: nesterov,
            weightDecay: decay, trust: trust)
        var velocity: [String: [Double]] = [:]
        compare(network, lars, rate: rate) { entry, w, g, _ in
            let isWeight = entry.shape.count > 1
            let d = zip(g, w).map { $0 + (isWeight ? decay * $1 : 0) }
            let (wLength, dLength) = (
                w.reduce(0) { $0 + $1 * $1 }.squareRoot(), d.reduce(0) { $0 + $1 * $1 }.squareRoot()
            )
            let scaled =
                rate * (isWeight && wLength > 0 && dLength > 0 ? trust * wLength / dLength : 1)
            var v = velocity[entry.name] ?? w.map { _ in 0 }
            for i in w.indices {
                v[i] = momentum * v[i] + scaled * d[i]
                w[i] -= nesterov ? momentum * v[i] + scaled * d[i] : v[i]
            }
            velocity[entry.name] = v
        }
    }

    @Test(arguments: [(true, 1.0), (false, 1e-3)]) func rmspropFollowsTensorFlowsFormula(
        _ decaysAll: Bool, _ epsilon: Double
    ) throws {
        let network = try Self.network()
        let (rho, momentum, decay, rate) = (0.7, 0.8, 0.02, 0.01)
        let rmsprop = try RMSProp(
            network.parameters, trained: [.encoder, .head], decay: rho, momentum: momentum,
            epsilon: epsilon, weightDecay: decay, decaysNormAndBias: decaysAll)
        var state: [String: [(s: Double, v: Double)]] = [:]
        compare(network, rmsprop, rate: rate) { entry, w, g, _ in
            var now = state[entry.name] ?? w.map { _ in (1, 0) }
            for i in w.indices {
                let d = g[i] + (decaysAll || entry.shape.count > 1 ? decay * w[i] : 0)
                now[i].s = rho * now[i].s + (1 - rho) * d * d
                now[i].v = momentum * now[i].v + rate * d / (now[i].s + epsilon).squareRoot()
                w[i] -= now[i].v
            }
            state[entry.name] = now
        }
    }

    @Test func adamWSparesNormsAndBiasesOnRequest() throws {
        let network = try Self.network()
        let (beta1, beta2, epsilon, decay, rate) = (0.9, 0.999, 1e-8, 0.1, 0.01)
        let adamW = try AdamW(
            network.parameters, trained: [.encoder, .head], beta1: beta1, beta2: beta2,
            epsilon: epsilon, weightDecay: decay, decaysNormAndBias: false)
        var state: [String: [(m: Double, s: Double)]] = [:]
        compare(network, adamW, rate: rate) { entry, w, g, step in
            var now = state[entry.name] ?? w.map { _ in (0, 0) }
            for i in w.indices {
                now[i].m = beta1 * now[i].m + (1 - beta1) * g[i]
                now[i].s = beta2 * now[i].s + (1 - beta2) * g[i] * g[i]
                let (m, s) = (
                    now[i].m / (1 - pow(beta1, Double(step + 1))),
                    now[i].s / (1 - pow(beta2, Double(step + 1)))
                )
                w[i] =
                    w[i] * (entry.shape.count > 1 ? 1 - rate * decay : 1) - rate * m
                    / (s.squareRoot() + epsilon)
            }
            state[entry.name] = now
        }
    }

    struct Reference: Decodable {
        var steps: Int
        var cases: [String: [Double]]
    }

    @Test(arguments: ["adamw", "adamw_usual", "sgd", "nesterov"]) func agreesWithPyTorch(
        _ name: String
    ) throws {
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/optimizer_reference.json")
        let reference = try JSONDecoder().decode(Reference.self, from: Data(contentsOf: url))
        let expected = try #require(reference.cases[name])
        let network = try Self.network()
        let parameters = network.parameters
        func wave(_ i: Int, _ phase: Double) -> Float {
            Float(sin(0.7 * Double(i) + 0.013 * Double(i) * Double(i) + phase))
        }
        for i in expected.indices { parameters.values[i] = wave(i, 1) }
        var options = TrainOptions()
        var rate = 0.05
        (options.momentum, options.weightDecay, options.nesterov) = (
            name == "nesterov" ? 0.8 : 0.9, 0.01, name == "nesterov"
        )
        if name.hasPrefix("adamw") { (options.optimizer, rate) = (.adamw, 0.001) }
        if name == "adamw" {
            (options.beta1, options.beta2, options.epsilon, options.weightDecay, rate) = (
                0.8, 0.95, 1e-3, 0.1, 0.01
            )
        }
        let made = try optimizer(options, parameters, trained: [.encoder, .head])
        for step in 0..<reference.steps {
            let gradients = (0..<parameters.trainableCount).map { wave($0, 2 + Double(step)) }
            gradients.withUnsafeBufferPointer {
                made.step(gradients: $0.baseAddress!, rate: rate, threads: 2)
            }
        }
        for (i, value) in expected.enumerated() {
            #expect(abs(Double(parameters.values[i]) - value) < 2e-6, "parameter \(i)")
        }
    }

    /// Checks that sums of squares are computed in equal pieces whatever the number of threads.
    @Test(arguments: OptimizerKind.allCases) func threadsDoNotMatter(_ kind: OptimizerKind) throws {
        var results: [[Float]] = []
        for threads in [1, 3] {
            var configuration = NetworkConfiguration()
            (configuration.width, configuration.projectionDimension) = (32, 16)
            let network = try Network(configuration, seed: 1)
            var options = TrainOptions()
            options.optimizer = kind
            let made = try optimizer(options, network.parameters, trained: [.encoder, .head])
            var random = Philox(seed: 2, purpose: .test)
            let gradients = (0..<network.parameters.trainableCount).map { _ in random.uniform(-1, 1)
            }
            for _ in 0..<2 {
                gradients.withUnsafeBufferPointer {
                    made.step(gradients: $0.baseAddress!, rate: 0.01, threads: threads)
                }
            }
            results.append((0..<network.parameters.count).map { network.parameters.values[$0] })
        }
        #expect(results[0] == results[1])
    }

    @Test func exponentialIsAStaircase() {
        var rates = LearningRate(
            base: 2, schedule: .exponential, warmupSteps: 0, warmupStart: 0.1, minimumFraction: 0,
            milestones: [], gamma: 0.5, stepsPerEpoch: 10, epochs: 4)
        (rates.exponentialFactor, rates.exponentialEpochs) = (0.97, 0.5)
        for (step, power) in [(0, 0), (4, 0), (5, 1), (9, 1), (10, 2), (39, 7)] {
            #expect(abs(rates.rate(step) - 2 * pow(0.97, Double(power))) < 1e-12, "step \(step)")
        }
        rates.exponentialEpochs = 2.4
        for (step, power) in [(23, 0), (24, 1), (39, 1)] {
            #expect(abs(rates.rate(step) - 2 * pow(0.97, Double(power))) < 1e-12, "step \(step)")
        }
    }
}
