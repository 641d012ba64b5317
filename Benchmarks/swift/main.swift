import SupCon

// Times the library's own work and prints one JSON line per case, named as the peers' cases are. Arguments: the cases to run (all if none).

let clock = ContinuousClock()

func report(_ name: String, _ subject: String, runs: Int, warmUp: Int, _ more: [(String, String)] = [], _ body: () throws -> Void) rethrows {
    for _ in 0..<warmUp { try body() }
    var seconds: [Double] = []
    for _ in 0..<runs { seconds.append(try clock.measure(body) / .seconds(1)) }
    seconds.sort()
    func number(_ x: Double) -> String { "\((x * 1e8).rounded() / 1e8)" }
    let extra = more.map { ", \"\($0.0)\": \($0.1)" }.joined()
    print("{\"case\": \"\(name)\", \"median_s\": \(number(seconds[runs / 2])), \"min_s\": \(number(seconds[0])), \"runs\": \(runs), \"subject\": \"\(subject)\"\(extra)}")
}

func trainStep(_ name: String, _ architecture: Architecture, _ stem: Stem, width: Int, channels: Int, side: Int, views: Int, _ precision: Precision) throws {
    var configuration = NetworkConfiguration()
    (configuration.architecture, configuration.stem, configuration.width, configuration.channels) = (architecture, stem, width, channels)
    let network = try Network(configuration, seed: 0)
    let context = try ExecutionContext(threads: 2)
    let plan = try TrainingPlan(
        network, images: views, height: side, width: side, precision: precision, trained: [.encoder, .head], classifierGradientReachesEncoder: false, context: context)
    var random = Philox(seed: 1, purpose: .test)
    for i in 0..<(views * side * side * channels) { plan.input[i] = random.normal() }
    var velocity = [Float](repeating: 0, count: network.parameters.trainableCount)
    report("train-step \(name)", "libsupcon \(precision.rawValue)", runs: 7, warmUp: 2, [("plan_bytes", "\(plan.memoryByteCount)")]) {
        plan.forward()
        plan.backward()
        velocity[0] += 1
    }
}

let wanted = CommandLine.arguments.dropFirst()
if wanted.isEmpty || wanted.contains("augment") { try timeAugmentation() }
if wanted.isEmpty || wanted.contains("train-step") {
    for precision in [Precision.f32, .bf16] {
        try trainStep("resnet18-cifar 32x32 128 views", .resnet18, .cifar, width: 64, channels: 3, side: 32, views: 128, precision)
        try trainStep("resnet18-cifar width 16 28x28x1 512 views", .resnet18, .cifar, width: 16, channels: 1, side: 28, views: 512, precision)
        try trainStep("resnet50 224x224 16 views", .resnet50, .imagenet, width: 64, channels: 3, side: 224, views: 16, precision)
    }
}
