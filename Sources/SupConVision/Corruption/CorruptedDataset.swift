import SupConTensor

extension Dataset {
    /// Returns the data set with each image corrupted when it is used, seeded by its index here. If
    /// a `size` is given, images are first resized to it (bilinearly, with antialiasing). Errors:
    /// argument.
    public func corrupted(
        _ corruption: Corruption, severity: Int, seed: UInt64,
        size: (height: Int, width: Int)? = nil
    ) throws(SupConError) -> Dataset {
        try checkSeverity(severity)
        if let size { try checkSize("corrupted images", size.height, size.width, channels) }
        let source = CorruptedSource(
            dataset: self, size: size.map { .init(height: $0.height, width: $0.width) },
            corruption: corruption, severity: severity, seed: seed)
        return Dataset(
            source: .corrupted(source), labels: labels, targets: targets, weights: weights,
            classTable: classTable, channels: channels)
    }
}

/// A corrupted reader reads one image of a corrupted data set at a time. It serves one thread.
final class CorruptedReader {
    private let source: CorruptedSource
    private let reader: ImageReader
    private let context: ExecutionContext
    private let workspace: AugmentationWorkspace
    private let resized, bytes: Scratch

    init(_ source: CorruptedSource, _ gate: DecodeGate) {
        (self.source, context) = (source, gate.context)
        workspace = AugmentationWorkspace(context)
        (resized, bytes) = (Scratch(context), Scratch(context))
        reader = ImageReader(source.dataset, gate)
    }

    /// Opens an image. Errors: those of the image.
    func open(_ index: Int) throws(SupConError) { _ = try reader.open(index) }

    func close() { reader.close() }

    /// Returns the opened image, of index `index`, corrupted; valid until the next call. Errors:
    /// those of the image, memory.
    func pixels(_ index: Int) throws(SupConError) -> ImageView {
        var image = try reader.pixels(atLeast: 1)
        if let size = source.size, size.height != image.height || size.width != image.width {
            let memory = try resized.reserve(size.height * size.width * image.channels * 4)
            try resize(
                image, into: memory.assumingMemoryBound(to: Float.self), height: size.height,
                width: size.width, workspace: workspace)
            image = ImageView(
                dense: memory, element: .f32, height: size.height, width: size.width,
                channels: image.channels)
        }
        let memory = try bytes.reserve(image.height * image.width * image.channels)
        try image.corrupted(
            source.corruption, severity: source.severity, seed: source.seed, sample: index,
            context
        ).write(memory.assumingMemoryBound(to: UInt8.self))
        return ImageView(
            dense: memory, element: .u8, height: image.height, width: image.width,
            channels: image.channels)
    }
}
