import SupCon

/// Times SupCon's loss and gradient of n embeddings of dimension d: two views each, 16 embeddings
/// to a class. The memory that it takes beside the features and their gradient is "extra_bytes".
func timeLoss(_ arguments: Arguments) throws {
    let (n, dimension) = (arguments.number("n", 512), arguments.number("d", 128))
    var random = Philox(seed: 1, purpose: .test)
    var features = (0..<n * dimension).map { _ in random.normal() }
    for row in 0..<n {
        let length = features[row * dimension..<(row + 1) * dimension].reduce(0) { $0 + $1 * $1 }
            .squareRoot()
        for i in row * dimension..<(row + 1) * dimension { features[i] /= length }
    }
    let labels = (0..<n / 2).map { _ in Int64(random.index(below: max(n / 16, 1))) }
    var gradient = [Float](repeating: 0, count: n * dimension)
    let before = peakMemory(reset: true)
    let loss = try ContrastiveLoss(
        ContrastiveOptions(), samples: n / 2, views: 2, dimension: dimension,
        context: arguments.context())
    let all = try labels.withUnsafeBufferPointer { labels in
        guard let labels = labels.baseAddress else { return [0.0] }
        return try times(
            runs: arguments.number("runs", n > 10_000 ? 1 : n > 4000 ? 7 : 21),
            warmUp: n > 10_000 ? 0 : 2
        ) {
            _ = try loss.evaluate(
                features: features, positives: .labels(labels), perAnchor: nil, gradient: &gradient)
        }
    }
    report(
        all,
        [
            ("extra_bytes", .number(Double(peakMemory() - before))),
            ("workspace_bytes", .number(Double(loss.memoryByteCount))),
        ])
}
