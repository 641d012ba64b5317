import SupCon

/// One SimCLR view of an RGB image on one thread, from pixels in memory to normalised floats: crop, flip, jitter, grey, as the peers' cases have it (no blur).
func timeAugmentation() throws {
    var random = Philox(seed: 0, purpose: .test)
    for (source, size) in [(32, 32), (400, 224)] {
        let pixels = (0..<(source * source * 3)).map { _ in UInt8(truncatingIfNeeded: random.next32()) }
        var options = AugmentationOptions.defaults(.simclr)
        options.blurProbability = 0
        let augmentation = try Augmentation(options, height: size, width: size, channels: 3)
        let normalization = try Normalization(mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2])
        let workspace = AugmentationWorkspace()
        var view = [Float](repeating: 0, count: size * size * 3)
        var sample = 0
        try pixels.withUnsafeBytes { bytes in
            guard let data = bytes.baseAddress else { return }
            let image = ImageView(dense: data, element: .u8, height: source, width: source, channels: 3)
            try view.withUnsafeMutableBufferPointer { out in
                guard let out = out.baseAddress else { return }
                try report("one view, one thread, \(source)->\(size)", "libsupcon", runs: 2000, warmUp: 50) {
                    try augmentation.apply(image, seed: 0, epoch: 0, sample: sample, view: 0, normalization, workspace: workspace, into: out)
                    sample += 1
                }
            }
        }
    }
}
