import SupCon
import SupConTraining

/// One training step on two threads: forward, loss, backward, SGD with momentum and weight decay; the views lie ready.
func trainStep(_ name: String, _ architecture: Architecture, _ stem: Stem, width: Int, channels: Int, side: Int, views: Int, _ precision: Precision) throws {
    var configuration = NetworkConfiguration()
    (configuration.architecture, configuration.stem, configuration.width, configuration.channels) = (architecture, stem, width, channels)
    let network = try Network(configuration, seed: 0)
    let context = try ExecutionContext(threads: 2)
    let plan = try TrainingPlan(
        network, images: views, height: side, width: side, precision: precision, trained: [.encoder, .head], classifierGradientReachesEncoder: false, context: context)
    let loss = try ContrastiveLoss(ContrastiveOptions(), samples: views / 2, views: 2, dimension: configuration.headOutput, context: context)
    let sgd = try SGD(network.parameters, parts: [.encoder, .head], momentum: 0.9, nesterov: false, weightDecay: 1e-4, decaysNormAndBias: true)
    var random = Philox(seed: 1, purpose: .test)
    for i in 0..<(views * side * side * channels) { plan.input[i] = random.normal() }
    let labels = (0..<(views / 2)).map { _ in Int64(random.index(below: 10)) }
    guard let z = plan.projection, let dz = plan.projectionGradient else { return }
    try report("train-step \(name)", "libsupcon \(precision.rawValue)", runs: 7, warmUp: 2, [("plan_bytes", "\(plan.memoryByteCount)")]) {
        plan.forward()
        _ = try labels.withUnsafeBufferPointer { labels in
            try labels.baseAddress.map { try loss.evaluate(features: z, positives: .labels($0), perAnchor: nil, gradient: dz) }
        }
        plan.backward()
        sgd.step(gradients: plan.gradients, rate: 0.05, threads: context.threads)
    }
}
