import SupConTensor
import Synchronization

/// Corrupts images, where image i is sample i. `into` is dense [count, height, width, channels],
/// bytes. The random numbers come from Philox(seed, corruption, sample), so that the severities of
/// one image differ in strength only. Errors: argument, shape, memory, canceled.
public func corrupt(
    _ images: ImageBatch, _ corruption: Corruption, severity: Int, seed: UInt64,
    into: UnsafeMutablePointer<UInt8>, context: ExecutionContext
) throws(SupConError) {
    try images.validate()
    try images.checkValues(warns: false)
    try checkSeverity(severity)
    try require(
        images.count <= 1 << 32, .argument, "there are \(images.count) images; expected at most 2³²"
    )
    let failure = Mutex<SupConError?>(nil)
    let watch = context.watch()
    nonisolated(unsafe) let output = into
    let perImage = images.height * images.width * images.channels
    Parallel.ranges(images.count, grain: max(1, 16384 / perImage), threads: context.threads) {
        range in
        do throws(SupConError) {
            for i in range {
                try watch.check()
                try images[i].corrupted(
                    corruption, severity: severity, seed: seed, sample: i, context
                ).write(output + i * perImage)
            }
        } catch {
            failure.withLock { if $0 == nil { $0 = error } }
        }
    }
    if let error = failure.withLock({ $0 }) { throw error }
}

func checkSeverity(_ severity: Int) throws(SupConError) {
    try require((1...5).contains(severity), .argument, "severity is \(severity); expected 1 to 5")
}

extension ImageView {
    /// Returns a corrupted image. Errors: memory, argument (too large for a JPEG).
    func corrupted(
        _ corruption: Corruption, severity: Int, seed: UInt64, sample: Int,
        _ context: ExecutionContext
    ) throws(SupConError) -> FloatImage {
        try checkMemory(context)
        var image = FloatImage(self)
        let (tables, s) = (CorruptionTables.of(height: height, width: width), severity - 1)
        var random = Philox(
            seed: seed, purpose: .corruption, epoch: Int(corruption.rawValue), sample: sample)
        switch corruption {
        case .gaussianNoise: image.addGaussianNoise(tables.gaussianNoise[s], &random)
        case .shotNoise: image.addShotNoise(tables.shotNoise[s], &random)
        case .impulseNoise: image.addImpulseNoise(tables.impulseNoise[s], &random)
        case .defocusBlur: image.blurDefocus(tables.defocusBlur[s])
        case .glassBlur: image.blurGlass(tables.glassBlur[s], &random)
        case .motionBlur: image.blurMotion(tables.motionBlur[s], &random)
        case .zoomBlur: image.blurZoom(tables.zoomBlur[s])
        case .snow: image.addSnow(tables.snow[s], &random)
        case .frost: image.addFrost(tables.frost[s], &random)
        case .fog: image.addFog(tables.fog[s], &random)
        case .brightness: image.brighten(tables.brightness[s])
        case .contrast: image.lowerContrast(tables.contrast[s])
        case .elasticTransform: image.bend(tables.elasticTransform[s], &random)
        case .pixelate: image.pixelate(tables.pixelate[s])
        case .jpegCompression: try image.compress(quality: tables.jpegCompression[s])
        }
        return image
    }

    /// Checks memory for the image's planes, for a copy of them, and for the fields that displace
    /// pixels. Errors: memory.
    private func checkMemory(_ context: ExecutionContext) throws(SupConError) {
        let bytes = height * width * 4 * (2 * channels + 6)  // sides of at most 65,536: no overflow
        try context.checkOften(bytes, for: "the corruption of an image of \(height)×\(width)")
    }
}
