import Glibc
import SupCon

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
