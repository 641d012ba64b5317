import CKernels
import SupConTensor

/// A resampler scales a box of an image to another size, bilinearly, with antialiasing when
/// shrinking. The filter is a triangle whose support grows with the scale, applied first
/// horizontally, then vertically, as Pillow's `image.crop(box).resize(size, BILINEAR)` and
/// torchvision's `resized_crop(antialias=True)` do, but in f32 throughout.
///
/// Only pixels of the box contribute (including those that its edges cut), unless the filter
/// reaches beyond the box, as when the whole image is resized and the box is cut out of the result.
/// Memory is kept from image to image. A resampler serves one thread.
final class Resampler {
    private let memory: Scratch
    private var job = sc_resampler()
    /// Whether the kernels without hand-chosen instructions are used; for tests.
    var portable = false

    init(_ context: ExecutionContext = .default) { memory = Scratch(context) }

    /// Computes the weights for one image. Then `rows` may be called as long as the image is valid.
    /// Errors: memory.
    func prepare(
        _ image: ImageView, box: CropBox, flip: Bool, height: Int, width: Int, reaches: Bool = false
    ) throws(SupConError) {
        let y = Axis(
            low: box.top, length: box.height, size: image.height, count: height, reaches: reaches)
        let x = Axis(
            low: box.left, length: box.width, size: image.width, count: width, reaches: reaches)
        let rowPitch = roundedUp(x.size + 192)
        let sums = max(x.pitch, y.pitch)
        let ring = y.taps * image.channels * x.pitch  // sides are at most 65,536: far from overflow
        let count = x.tableCount + y.tableCount + sums + image.channels * rowPitch + ring
        var next = try memory.reserve(count * 4).assumingMemoryBound(to: Float.self)
        func take(_ count: Int) -> UnsafeMutablePointer<Float> {
            defer { next += count }
            return next
        }
        let scratch = take(sums)
        let (xWeights, yWeights) = (take(x.taps * x.pitch), take(y.taps * y.pitch))
        let xStart = UnsafeMutableRawPointer(take(x.pitch)).assumingMemoryBound(to: Int32.self)
        let yStart = UnsafeMutableRawPointer(take(y.pitch)).assumingMemoryBound(to: Int32.self)
        sc_triangle_weights(
            x.low, x.scale, Int64(x.size), flip ? 1 : 0, 1, Int64(width), Int64(x.taps),
            Int64(x.pitch), xStart, xWeights, scratch)
        sc_triangle_weights(
            y.low, y.scale, Int64(y.size), 0, image.element == .u8 ? 1 / 255 : 1, Int64(height),
            Int64(y.taps), Int64(y.pitch), yStart, yWeights, scratch)
        let first = y.first * image.rowStride + x.first * image.columnStride
        job = sc_resampler(
            data: image.data + first * image.element.byteCount,
            is_float: image.element == .f32 ? 1 : 0, row_stride: Int64(image.rowStride),
            column_stride: Int64(image.columnStride), channel_stride: Int64(image.channelStride),
            width: Int64(x.size), height: Int64(y.size),
            channels: Int64(image.channels), out_width: Int64(width), taps_x: Int64(x.taps),
            taps_y: Int64(y.taps), pitch_x: Int64(x.pitch),
            pitch_y: Int64(y.pitch), start_x: UnsafePointer(xStart), start_y: UnsafePointer(yStart),
            weights_x: UnsafePointer(xWeights),
            weights_y: UnsafePointer(yWeights), row_pitch: Int64(rowPitch),
            row: take(image.channels * rowPitch), ring: take(ring), loaded: 0,
            portable: portable ? 1 : 0)
    }

    /// Writes output rows to planes that lie `plane` floats apart. Rows are requested in order,
    /// from row 0.
    func rows(_ rows: Range<Int>, into: UnsafeMutablePointer<Float>, plane: Int) {
        sc_resample_rows(&job, Int64(rows.lowerBound), Int64(rows.upperBound), into, Int64(plane))
    }

    /// An axis holds the weights of one direction: the input pixels that contribute to each of
    /// `count` outputs.
    private struct Axis {
        var low, scale: Double  // low counts from `first`
        var first, size, taps, pitch: Int

        init(low: Double, length: Double, size whole: Int, count: Int, reaches: Bool) {
            scale = length / Double(count)
            let reach = reaches ? max(scale, 1) : 0
            first = min(max(Int((low - reach).rounded(.down)), 0), whole - 1)
            size = min(max(Int((low + length + reach).rounded(.up)), first + 1), whole) - first
            self.low = low - Double(first)
            // An output pixel that coincides with an input pixel needs no neighbor.
            taps =
                scale == 1 && self.low == self.low.rounded()
                ? 1 : Int(sc_triangle_taps(scale, Int64(size)))
            pitch = roundedUp(count)
        }
        var tableCount: Int { (taps + 1) * pitch }
    }
}

/// Rounds up to a multiple of 16 floats, a cache line.
@inline(__always)
func roundedUp(_ count: Int) -> Int { (count + 15) & ~15 }
