import SupCon

/// Returns SimCLR's augmentation as in the peers' cases: crop, flip, jitter, gray, no blur.
private func viewsWithoutBlur() -> AugmentationOptions {
    var options = AugmentationOptions.defaults(.simclr)
    options.blurProbability = 0
    return options
}

/// Makes one view of an RGB image on one thread, from pixels in memory to normalized floats.
func timeAugmentation(_ arguments: Arguments) throws {
    let (source, side) = (arguments.number("source", 32), arguments.number("side", 32))
    var random = Philox(seed: 0, purpose: .test)
    let pixels = (0..<(source * source * 3)).map { _ in UInt8(truncatingIfNeeded: random.next32()) }
    let augmentation = try Augmentation(viewsWithoutBlur(), height: side, width: side, channels: 3)
    let normalization = try Normalization(mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2])
    let workspace = AugmentationWorkspace()
    var view = [Float](repeating: 0, count: side * side * 3)
    var sample = 0
    try pixels.withUnsafeBytes { bytes in
        guard let data = bytes.baseAddress else { return }
        let image = ImageView(dense: data, element: .u8, height: source, width: source, channels: 3)
        try view.withUnsafeMutableBufferPointer { out in
            guard let out = out.baseAddress else { return }
            let all = try times(runs: arguments.number("runs", 2000), warmUp: 50) {
                try augmentation.apply(
                    image, seed: 0, epoch: 0, sample: sample, view: 0, normalization,
                    workspace: workspace, into: out)
                sample += 1
            }
            report(all)
        }
    }
}

/// Makes one normalized view from a JPEG file, on one thread, as the loader does: reads it, decodes
/// it as small as the crop allows, and augments it.
func timeJPEG(_ arguments: Arguments) throws {
    let (side, perBatch, aheadAtMost) = (arguments.number("side", 224), 16, 4)
    let batches = (0..<arguments.number("runs", 20) + aheadAtMost).map { _ in Array(0..<perBatch) }
    let files = try Dataset.files(Array(repeating: arguments.text("file", ""), count: perBatch))
    let loader = try Loader(
        files, viewsWithoutBlur(), views: 1, height: side, width: side, mean: [0.5, 0.5, 0.5],
        std: [0.2, 0.2, 0.2], seed: 0, threads: 1, batchSize: perBatch)
    try loader.begin(epoch: 0, batches: batches)
    // It works ahead in a few batches of memory; who only waits for the next one waits as long as
    // that takes to make.
    report(
        try times(runs: batches.count - aheadAtMost, warmUp: aheadAtMost) { _ = try loader.next() }
            .map { $0 / Double(perBatch) })
}
