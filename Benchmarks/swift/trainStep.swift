import SupCon
import SupConTraining

/// The set-up of a training step: SupCon, SGD with momentum and weight decay, and prepared random
/// views. "freeze" is the number of stages that are not trained, in int8 with "int8" 1; with
/// "cached" 1 their output is prepared too.
final class Step {
    let plan: TrainingPlan
    private let loss: ContrastiveLoss
    private let sgd: SGD
    private let labels: [Int64]
    private let threads: Int
    /// The cached output of the frozen stages for each view; nil: they run in each step.
    private let outputs: AlignedBuffer?

    init(_ arguments: Arguments) throws {
        let (configuration, side, views, context) = (
            try arguments.network(), arguments.number("side", 32), arguments.number("views", 128),
            try arguments.context()
        )
        threads = context.threads
        let network = try Network(configuration, seed: 0)
        let stages = arguments.number("freeze", 0)
        var frozen = TrainingPlan.Frozen(stages: stages)
        if arguments.number("int8", 0) == 1 {
            let calibration = try RangeCalibration(
                network, images: 2, height: side, width: side, context: context)
            var random = Philox(seed: 1, purpose: .test)
            for i in 0..<(2 * side * side * configuration.channels) {
                calibration.input[i] = random.normal()
            }
            calibration.addImages()
            frozen.quantization = try calibration.quantization()
        }
        let plan = try TrainingPlan(
            network, images: views, height: side, width: side, precision: arguments.precision(),
            trained: [.encoder, .head], frozen: frozen, classifierGradientReachesEncoder: false,
            context: context)
        self.plan = plan
        loss = try ContrastiveLoss(
            ContrastiveOptions(), samples: views / 2, views: 2,
            dimension: configuration.projectionDimension,
            context: context)
        var trained: TrainedParameters = [.encoder, .head]
        trained.frozenStages = stages
        sgd = try SGD(
            network.parameters, trained: trained, momentum: 0.9, nesterov: false,
            weightDecay: 1e-4, decaysNormAndBias: true)
        var random = Philox(seed: 1, purpose: .test)
        for i in 0..<(views * side * side * configuration.channels) {
            plan.input[i] = random.normal()
        }
        var outputs: AlignedBuffer?
        if arguments.number("cached", 0) == 1 {
            let bytes = plan.frozenOutputByteCount
            let memory = try AlignedBuffer(byteCount: views * bytes)
            plan.runFrozenStages(plan.input, images: views) { first, count, output in
                (memory.pointer + first * bytes).copyMemory(from: output, byteCount: count * bytes)
            }
            outputs = memory
        }
        self.outputs = outputs
        labels = (0..<(views / 2)).map { _ in Int64(random.index(below: 10)) }
    }

    func lossAndGradient() throws {
        guard let z = plan.projection, let dz = plan.projectionGradient else { return }
        _ = try labels.withUnsafeBufferPointer { labels in
            try labels.baseAddress.map {
                try loss.evaluate(features: z, positives: .labels($0), perAnchor: nil, gradient: dz)
            }
        }
    }

    func optimize() { sgd.step(gradients: plan.gradients, rate: 0.05, threads: threads) }

    private func forward() {
        guard let outputs else { return plan.forward() }
        for image in 0..<plan.images {
            plan.takeFrozenOutput(
                outputs.pointer + image * plan.frozenOutputByteCount, image: image)
        }
        plan.forwardFromFrozenOutput()
    }

    func run() throws {
        forward()
        try lossAndGradient()
        plan.backward()
        optimize()
    }
}

/// Runs one training step: forward, loss, backward, optimizer.
func trainStep(_ arguments: Arguments) throws {
    let step = try Step(arguments)
    let all = try times(runs: arguments.number("runs", 7), warmUp: 2) { try step.run() }
    report(all, [("plan_bytes", .number(Double(step.plan.memoryByteCount)))])
}
