import SupCon
import SupConTraining

/// What a training step works on: SupCon, SGD with momentum and weight decay, and random views that
/// lie ready.
final class Step {
    let plan: TrainingPlan
    private let loss: ContrastiveLoss
    private let sgd: SGD
    private let labels: [Int64]
    private let threads: Int

    init(_ arguments: Arguments) throws {
        let (configuration, side, views, context) = (
            try arguments.network(), arguments.number("side", 32), arguments.number("views", 128),
            try arguments.context()
        )
        threads = context.threads
        let network = try Network(configuration, seed: 0)
        plan = try TrainingPlan(
            network, images: views, height: side, width: side, precision: arguments.precision(),
            trained: [.encoder, .head], classifierGradientReachesEncoder: false,
            context: context)
        loss = try ContrastiveLoss(
            ContrastiveOptions(), samples: views / 2, views: 2,
            dimension: configuration.projectionDimension,
            context: context)
        sgd = try SGD(
            network.parameters, trained: [.encoder, .head], momentum: 0.9, nesterov: false,
            weightDecay: 1e-4, decaysNormAndBias: true)
        var random = Philox(seed: 1, purpose: .test)
        for i in 0..<(views * side * side * configuration.channels) {
            plan.input[i] = random.normal()
        }
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

    func run() throws {
        plan.forward()
        try lossAndGradient()
        plan.backward()
        optimize()
    }
}

/// One training step: forward, loss, backward, optimizer.
func trainStep(_ arguments: Arguments) throws {
    let step = try Step(arguments)
    let all = try times(runs: arguments.number("runs", 7), warmUp: 2) { try step.run() }
    report(all, [("plan_bytes", .number(Double(step.plan.memoryByteCount)))])
}
