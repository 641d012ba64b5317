import SupConTensor

extension Dataset {
    /// Makes a data set of images in memory. If `options.copies` is false, the pixels are borrowed,
    /// and must stay valid and unchanged while the data set, or one derived from it, lives.
    ///
    /// Bytes are expected in 0 to 255, floats in 0 to 1. Floats are checked once, here: a value
    /// that is not finite is an error, and one far out of range is logged as a warning (the usual
    /// slip is 0 to 255). Errors: argument, shape, memory.
    public static func images(
        _ batch: ImageBatch, labels: [Int]? = nil, options: DatasetOptions = DatasetOptions()
    ) throws(SupConError) -> Dataset {
        try options.validate()
        try batch.validate()
        let table = try ClassTable(labels, images: batch.count)
        try batch.checkValues(warns: true)
        let borrowed = Dataset(
            source: .batch(batch, owner: nil), labels: labels, classTable: table,
            channels: options.channels(stored: batch.channels))
        if options.copies {
            try checkListMemory(batch.count, for: "copying \(batch.count) images")
        }
        return options.copies ? try borrowed.materialize(Array(0..<batch.count)) : borrowed
    }
}

extension ImageBatch {
    /// Warns in the log if no pixel of u8 images exceeds 16, so that they may be of another scale.
    /// The search ends at the first bright pixel.
    private func warnOfDarkness() {
        var largest: UInt8 = 0
        for i in 0..<count {
            largest = max(largest, self[i].largestByte(until: 16))
            if largest > 16 { return }
        }
        guard largest > 0 else { return }
        Log.write(
            .warning,
            """
            u8 pixels reach \(largest) only; expected 0 to 255: if \(largest) is white, multiply \
            by \
            \(255 / Int(largest)), or give f32 pixels divided by \(largest)
            """
        )
    }

    /// Checks every pixel of f32 images; u8 images pass. If `warns` is true, values far outside 0
    /// to 1 are logged as a warning. Errors: argument (a pixel that is not finite).
    package func checkValues(warns: Bool) throws(SupConError) {
        guard element == .f32 else {
            if warns { warnOfDarkness() }
            return
        }
        let grain = max(1, 1 << 16 / max(height * width, 1))
        let threads = ExecutionContext.default.threads
        let pieces = Parallel.rangeCount(count, grain: grain, threads: threads)
        /// The result for each range: the largest magnitude, as bits, and the first image with a
        /// value that is not finite.
        let found = Collected<(largest: UInt32, bad: Int?)>(count: pieces, (0, nil))
        Parallel.chunks(pieces, threads: threads) { piece in
            var largest: UInt32 = 0
            for i in Parallel.range(piece, of: pieces, count: count) {
                let magnitude = self[i].largestMagnitude()
                if magnitude >= Float.infinity.bitPattern {
                    found[piece] = (largest, i)
                    return
                }
                largest = max(largest, magnitude)
            }
            found[piece] = (largest, nil)
        }
        var largest: UInt32 = 0
        for piece in 0..<pieces {
            if let bad = found[piece].bad {
                throw SupConError(
                    .argument,
                    "image \(bad) has a pixel that is not a finite number; expected 0 to 1")
            }
            largest = max(largest, found[piece].largest)
        }
        if warns, Float(bitPattern: largest) > 2 {
            Log.write(
                .warning,
                """
                f32 pixels reach \(Float(bitPattern: largest)) in magnitude; expected 0 to 1 \
                (0 to 255 are for u8)
                """
            )
        }
    }
}

/// Collected values come from the chunks of a parallel loop, each of which writes the one of its
/// index.
final class Collected<T>: @unchecked Sendable {
    private let values: UnsafeMutablePointer<T>
    let count: Int

    init(count: Int, _ value: T) {
        self.count = count
        values = .allocate(capacity: max(count, 1))
        values.initialize(repeating: value, count: count)
    }
    deinit {
        values.deinitialize(count: count)
        values.deallocate()
    }

    subscript(index: Int) -> T {
        get { values[index] }
        set { values[index] = newValue }
    }
}

extension ImageView {
    /// Returns the largest of a u8 image's pixels, or the first that exceeds `enough`.
    fileprivate func largestByte(until enough: UInt8) -> UInt8 {
        let bytes = data.assumingMemoryBound(to: UInt8.self)
        var largest: UInt8 = 0
        for y in 0..<height {
            for x in 0..<width {
                let pixel = bytes + y * rowStride + x * columnStride
                for c in 0..<channels { largest = max(largest, pixel[c * channelStride]) }
                if largest > enough { return largest }
            }
        }
        return largest
    }

    /// Returns the largest |value| of an f32 image, as bits: these are ordered like magnitudes,
    /// with infinity and NaN above all, and their maximum is vectorized.
    fileprivate func largestMagnitude() -> UInt32 {
        let bits = data.assumingMemoryBound(to: UInt32.self)
        // Follows contiguous memory where there is some: pixels with their channels, or the pixels
        // of one channel.
        let together = channelStride == 1 && columnStride == channels
        let (run, stride, runs, step) =
            together ? (width * channels, 1, 1, 0) : (width, columnStride, channels, channelStride)
        var largest: UInt32 = 0
        for y in 0..<height {
            for k in 0..<runs {
                let start = bits + y * rowStride + k * step
                if stride == 1 {
                    for x in 0..<run { largest = max(largest, start[x] & 0x7fff_ffff) }
                } else {
                    for x in 0..<run { largest = max(largest, start[x * stride] & 0x7fff_ffff) }
                }
            }
        }
        return largest
    }
}
