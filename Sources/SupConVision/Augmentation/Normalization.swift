import CKernels
import SupConTensor

/// A normalization maps pixels p from 0 to 1 to (p − mean) / std, channel by channel. All images
/// are normalized by it before a network sees them: views while their planes are interleaved, and
/// images that already have the network's size.
public struct Normalization: Sendable, Equatable {
    /// The factor of p; the result is scale · p + shift. Bytes, from 0 to 255, have their own.
    private var scale = SIMD4<Float>(repeating: 1)
    private var byteScale = SIMD4<Float>(repeating: 1 / 255)
    private var shift = SIMD4<Float>(repeating: 0)

    /// The normalization that leaves pixels as they are.
    public static let none = Normalization()
    private init() {}

    /// Makes a normalization of one mean and one standard deviation per channel. Errors: argument
    /// (not finite, std below 1e-6), shape.
    public init(mean: [Float], std: [Float]) throws(SupConError) {
        try require(
            (1...4).contains(mean.count) && std.count == mean.count, .shape,
            """
            there are \(mean.count) means and \(std.count) deviations; expected one each for \
            1 to 4 channels
            """
        )
        try Self.check(mean: mean, std: std, channels: mean.count)
        for (c, (mean, std)) in zip(mean, std).enumerated() {
            scale[c] = Float(1 / Double(std))
            byteScale[c] = Float(1 / (255 * Double(std)))
            shift[c] = Float(-Double(mean) / Double(std))
        }
    }

    /// Throws unless the first `channels` means and deviations keep every pixel finite. Errors:
    /// argument.
    package static func check(mean: [Float], std: [Float], channels: Int) throws(SupConError) {
        for (name, values) in [("mean", mean), ("std", std)] {
            try require(
                values.count >= channels, .argument,
                "\(name) has \(values.count) values; expected one for each of \(channels) channels")
        }
        for channel in 0..<channels {
            try require(
                mean[channel].isFinite, .argument,
                "mean of channel \(channel) is \(mean[channel]); expected a finite number")
            try require(
                std[channel] >= 1e-6 && std[channel].isFinite, .argument,
                "std of channel \(channel) is \(std[channel]); expected a number of at least 1e-6")
        }
    }

    /// Writes planes of pixels to interleaved rows [pixels, channels].
    func write(_ planes: PlanarPixels, to floats: UnsafeMutablePointer<Float>) {
        withFactors(of: .f32) { scale, shift in
            sc_interleave(
                planes.first, Int64(planes.plane), Int64(planes.channels), Int64(planes.count),
                scale, shift, floats)
        }
        if self == .none { Self.cutRounding(floats, planes.channels * planes.count) }
    }

    /// Cuts the last bits by which resampling, whose weights sum to 1 only within f32's rounding,
    /// leaves 0 to 1.
    private static func cutRounding(_ floats: UnsafeMutablePointer<Float>, _ count: Int) {
        for i in 0..<count {
            let value = floats[i]
            floats[i] = value > 1 && value < 1 + 1e-6 ? 1 : value < 0 && value > -1e-6 ? 0 : value
        }
    }

    /// Writes an image to dense floats [height, width, channels].
    package func write(_ image: ImageView, to floats: UnsafeMutablePointer<Float>) {
        let (width, channels) = (image.width, image.channels)
        let isDense =
            image.channelStride == 1 && image.columnStride == channels
            && image.rowStride == width * channels
        let (rows, columns) = isDense ? (1, image.height * width) : (image.height, width)
        withFactors(of: image.element) { scale, shift in
            for row in 0..<rows {
                let from = image.data + row * image.rowStride * image.element.byteCount
                let to = floats + row * columns * channels
                switch image.element {
                case .u8:
                    sc_normalize_row_u8(
                        from.assumingMemoryBound(to: UInt8.self), Int64(columns), Int64(channels),
                        Int64(image.columnStride), Int64(image.channelStride), scale, shift, to)
                case .f32:
                    sc_normalize_row_f32(
                        from.assumingMemoryBound(to: Float.self), Int64(columns), Int64(channels),
                        Int64(image.columnStride), Int64(image.channelStride), scale, shift, to)
                }
            }
        }
    }

    /// Calls `body` with the scale and the shift of pixels of a type, four elements each.
    @inline(__always)
    private func withFactors(
        of element: ImageView.Element,
        _ body: (_ scale: UnsafePointer<Float>, _ shift: UnsafePointer<Float>) -> Void
    ) {
        let factors = (element == .u8 ? byteScale : scale, shift)
        withUnsafePointer(to: factors) { pointer in
            let scale = UnsafeRawPointer(pointer).assumingMemoryBound(to: Float.self)
            body(scale, scale + 4)
        }
    }
}
