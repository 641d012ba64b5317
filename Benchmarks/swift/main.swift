import Glibc
import SupCon

// Times the library's own work and prints one JSON line per case, named as the peers' cases are. Arguments: the groups to run, of "train-step" and "loss" (all if none).

let clock = ContinuousClock()

func report(_ name: String, _ subject: String, runs: Int, warmUp: Int, _ more: [(String, String)] = [], _ body: () throws -> Void) rethrows {
    for _ in 0..<warmUp { try body() }
    var seconds: [Double] = []
    for _ in 0..<runs { seconds.append(try clock.measure(body) / .seconds(1)) }
    seconds.sort()
    func number(_ x: Double) -> String { "\((x * 1e6).rounded() / 1e6)" }
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

/// This process's peak of resident memory in bytes, "VmHWM" of /proc/self/status; written to /proc/self/clear_refs, 5 sets it back to what is resident now.
func peakMemory(reset: Bool = false) -> Int {
    if reset {
        let file = open("/proc/self/clear_refs", O_WRONLY)
        if file >= 0 {
            _ = write(file, "5", 1)
            close(file)
        }
    }
    let file = open("/proc/self/status", O_RDONLY)
    guard file >= 0 else { return 0 }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 8192)
    let text = String(decoding: bytes[..<max(read(file, &bytes, bytes.count), 0)], as: UTF8.self)
    return (text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0) * 1024
}

/// SupCon's loss and gradient of `views` embeddings of two views each and 100 labels (a tenth of the samples at most), on two threads.
func loss(_ views: Int, dimension: Int, runs: Int) throws {
    var random = Philox(seed: 1, purpose: .test)
    var features = (0..<views * dimension).map { _ in random.normal() }
    for row in 0..<views {
        let length = features[row * dimension..<(row + 1) * dimension].reduce(0) { $0 + $1 * $1 }.squareRoot()
        for i in row * dimension..<(row + 1) * dimension { features[i] /= length }
    }
    let labels = UnsafeMutablePointer<Int64>.allocate(capacity: views / 2)
    defer { labels.deallocate() }
    for sample in 0..<views / 2 { labels[sample] = Int64(random.index(below: min(100, views / 20))) }
    var gradient = [Float](repeating: 0, count: views * dimension)
    let before = peakMemory(reset: true)
    let loss = try ContrastiveLoss(ContrastiveOptions(), samples: views / 2, views: 2, dimension: dimension, context: ExecutionContext(threads: 2))
    _ = try loss.evaluate(features: features, positives: .labels(labels), perAnchor: nil, gradient: &gradient)
    let memory = peakMemory() - before
    try report("loss+gradient n=\(views) d=\(dimension)", "libsupcon", runs: runs, warmUp: views > 10_000 ? 0 : 2, [("extra_bytes", "\(memory)"), ("workspace_bytes", "\(loss.memoryByteCount)")]) {
        _ = try loss.evaluate(features: features, positives: .labels(labels), perAnchor: nil, gradient: &gradient)
    }
}

let groups = CommandLine.arguments.dropFirst()
func wanted(_ group: String) -> Bool { groups.isEmpty || groups.contains(group) }

if wanted("loss") {
    for (views, runs) in [(512, 51), (2048, 21), (8192, 11), (65536, 1)] { try loss(views, dimension: 128, runs: runs) }
}
if wanted("train-step") {
    for precision in [Precision.f32, .bf16] {
        try trainStep("resnet18-cifar 32x32 128 views", .resnet18, .cifar, width: 64, channels: 3, side: 32, views: 128, precision)
        try trainStep("resnet18-cifar width 16 28x28x1 512 views", .resnet18, .cifar, width: 16, channels: 1, side: 28, views: 512, precision)
        try trainStep("resnet50 224x224 16 views", .resnet50, .imagenet, width: 64, channels: 3, side: 224, views: 16, precision)
    }
}
