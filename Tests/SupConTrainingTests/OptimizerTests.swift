import SupConNetwork
import SupConTensor
import Testing

@testable import SupConTraining

@Suite struct OptimizerTests {
    /// Compares three steps with the update rule in double precision, for every part, with and
    /// without momentum, Nesterov and decay of norms.
    @Test(arguments: [(0.0, false, true), (0.9, false, true), (0.9, true, false)])
    func sgdFollowsItsFormula(_ momentum: Double, _ nesterov: Bool, _ decaysAll: Bool) throws {
        var configuration = NetworkConfiguration()
        (
            configuration.width, configuration.projectionDimension, configuration.classes,
            configuration.head
        ) =
            (4, 3, 2, .mlpBN)
        let network = try Network(configuration, seed: 1)
        let parameters = network.parameters
        let (rate, decay) = (0.1, 0.01)
        let sgd = try SGD(
            parameters, trained: [.encoder, .head], momentum: momentum, nesterov: nesterov,
            weightDecay: decay, decaysNormAndBias: decaysAll)
        var random = Philox(seed: 2, purpose: .test)
        let gradients = (0..<parameters.trainableCount).map { _ in random.uniform(-1, 1) }
        var w = (0..<parameters.count).map { Double(parameters.values[$0]) }
        var v = [Double](repeating: 0, count: parameters.trainableCount)
        for _ in 0..<3 {
            gradients.withUnsafeBufferPointer {
                sgd.step(gradients: $0.baseAddress!, rate: rate, threads: 2)
            }
            for entry in parameters.entries
            where entry.role.isTrainable && entry.part != .classifier {
                let isDecayed = decaysAll || entry.shape.count > 1
                for i in entry.range {
                    let d = Double(gradients[i]) + (isDecayed ? decay * w[i] : 0)
                    v[i] = momentum * v[i] + d
                    w[i] -= rate * (nesterov ? d + momentum * v[i] : v[i])
                }
            }
        }
        for i in 0..<parameters.count {
            #expect(abs(Double(parameters.values[i]) - w[i]) < 1e-5, "parameter \(i)")
        }
    }

    func rates(_ schedule: LearningRateSchedule, warmup: Int = 0) -> LearningRate {
        LearningRate(
            base: 2, schedule: schedule, warmupSteps: warmup, warmupStart: 0.1,
            minimumFraction: 0.2,
            milestones: [2, 3], gamma: 0.5, stepsPerEpoch: 5, epochs: 4)
    }

    @Test func schedulesFollowTheirFormulas() {
        #expect(rates(.constant).rate(17) == 2)
        #expect(abs(rates(.cosine).rate(0) - 2) < 1e-12)
        #expect(abs(rates(.cosine).rate(10) - 2 * (0.2 + 0.8 * 0.5)) < 1e-12)
        #expect(abs(rates(.cosine).rate(20) - 0.4) < 1e-12)
        // Milestones are epochs that are over: steps 10 and 15.
        #expect([9, 10, 14, 15, 19].map { rates(.step).rate($0) } == [2, 1, 1, 0.5, 0.5])
    }

    @Test func warmUpIsLinear() {
        let warm = rates(.constant, warmup: 4)
        for (step, share) in [(0, 0.325), (1, 0.55), (2, 0.775), (3, 1), (4, 1)] {
            #expect(abs(warm.rate(step) - 2 * share) < 1e-12, "step \(step)")
        }
    }

    /// Checks that warm-up steps take precedence over epochs, and epochs over the default, which is
    /// 10 epochs, but at most a tenth of the run.
    @Test(arguments: [
        (-1, -1.0, 4, 2), (-1, -1, 1000, 50), (-1, 0, 1000, 0), (-1, 2.5, 4, 13), (-1, 0.09, 4, 0),
        (3, 2.5, 4, 3), (0, 2.5, 4, 0), (-1, 1e6, 4, 5_000_000),
    ])
    func warmUpIsSteps(_ steps: Int, _ epochs: Double, _ runs: Int, _ expected: Int) throws {
        var options = TrainOptions()
        (options.warmupSteps, options.warmupEpochs, options.epochs) = (steps, epochs, runs)
        try options.validate()
        #expect(LearningRate(options, stepsPerEpoch: 5).warmupSteps == expected)
    }

    @Test func warmUpIsAtMostWhatCanBeCounted() {
        var options = TrainOptions()
        (options.warmupEpochs, options.epochs) = (1e6, 1)
        #expect(LearningRate(options, stepsPerEpoch: 1 << 60).warmupSteps == 1_000_000_000_000_000)
    }

    @Test(arguments: [-2, -0.5, 1e7, .nan, .infinity]) func warmUpEpochsAreChecked(_ epochs: Double)
    {
        var options = TrainOptions()
        options.warmupEpochs = epochs
        #expect { try options.validate() } throws: { error in
            (error as? SupConError).map {
                $0.kind == .argument && $0.message.contains("warmup_epochs is \(epochs)")
            } == true
        }
    }

    /// Tests a warm-up of 4 steps at 5 per epoch: the schedule begins 4 steps later, and the cosine
    /// still ends with the run.
    @Test func theScheduleMayWaitForWarmUp() {
        func rate(_ schedule: LearningRateSchedule, _ step: Int) -> Double {
            var rates = rates(schedule, warmup: 4)
            rates.followsWarmup = true
            return rates.rate(step)
        }
        for (step, share) in [(0, 0.325), (1, 0.55), (2, 0.775), (3, 1.0)] {
            for schedule in LearningRateSchedule.allCases {
                #expect(
                    abs(rate(schedule, step) - 2 * share) < 1e-12, "step \(step) of \(schedule)")
            }
        }
        #expect(
            abs(rate(.cosine, 4) - 2) < 1e-12
                && abs(rate(.cosine, 12) - 2 * (0.2 + 0.8 * 0.5)) < 1e-12
                && abs(rate(.cosine, 20) - 0.4) < 1e-12)
        #expect([13, 14, 18, 19].map { rate(.step, $0) } == [2, 1, 1, 0.5])
        // A run that is all warm-up.
        var short = rates(.cosine, warmup: 1000)
        short.followsWarmup = true
        #expect(abs(short.rate(19) - 2 * (0.1 + 0.9 * 0.02)) < 1e-12)
    }
}
