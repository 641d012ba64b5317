import CKernels
import SupConTensor

/// A max pool of 3×3 with stride 2 and padding 1 computes y [images, ⌈height/2⌉, ⌈width/2⌉,
/// channels] from x [images, height, width, channels].
struct MaxPool {
    var images: Int
    var input: ComputeGraph.Shape
    var output: ComputeGraph.Shape
    var threads: Int

    /// The bytes of `argmax`, which records for the backward pass which of the nine inputs was the
    /// largest.
    var argmaxByteCount: Int { images * yCount }

    private var xCount: Int { input.area * input.channels }
    private var yCount: Int { output.area * output.channels }

    /// Computes y for inference. Threads share the work by rows, so that one image employs all of
    /// them, and the kernel compares the nine inputs at once, since no argmax is needed. Bytes are
    /// unsigned.
    func forward(x: UnsafeRawPointer, y: UnsafeMutableRawPointer, stored: StoredType) {
        let (height, width, channels) = (
            Int64(input.height), Int64(input.width), Int64(input.channels)
        )
        Parallel.ranges(images * output.height, grain: 8, threads: threads) { range in
            var row = range.lowerBound
            while row < range.upperBound {
                let (image, first) = row.quotientAndRemainder(dividingBy: output.height)
                let end = min(first + range.upperBound - row, output.height)
                let (from, to) = (
                    x + image * xCount * stored.byteCount, y + image * yCount * stored.byteCount
                )
                switch stored {
                case .f32:
                    sc_max_pool_rows_f32(
                        f32(from), height, width, channels, Int64(first), Int64(end), f32(to))
                case .bf16:
                    sc_max_pool_rows_bf16(
                        bf16(from), height, width, channels, Int64(first), Int64(end), bf16(to))
                case .byte:
                    sc_max_pool_rows_u8(
                        u8(from), height, width, channels, Int64(first), Int64(end), u8(to))
                }
                row += end - first
            }
        }
    }

    /// Computes y for training, and `argmax`.
    func forward(
        x: UnsafeRawPointer, y: UnsafeMutableRawPointer, argmax: UnsafeMutableRawPointer,
        type: ElementType
    ) {
        eachImage { image, height, width, channels in
            let (x, y) = (
                x + image * xCount * type.byteCount, y + image * yCount * type.byteCount
            )
            let which = u8(argmax + image * yCount)
            switch type {
            case .f32: sc_max_pool_f32(f32(x), height, width, channels, f32(y), which)
            case .bf16: sc_max_pool_bf16(bf16(x), height, width, channels, bf16(y), which)
            }
        }
    }

    /// Computes dx from dy (+ dy2).
    func backward(
        dy: UnsafeRawPointer, dy2: UnsafeRawPointer?, argmax: UnsafeRawPointer,
        dx: UnsafeMutableRawPointer, type: ElementType
    ) {
        eachImage { image, height, width, channels in
            let (at, dx) = (image * yCount * type.byteCount, dx + image * xCount * type.byteCount)
            let (dy, dy2, which) = (
                dy + at, dy2.map { $0 + at }, u8(argmax + image * yCount)
            )
            switch type {
            case .f32:
                sc_max_pool_gradient_f32(
                    f32(dy), dy2.map { f32($0) }, which, height, width, channels, f32(dx))
            case .bf16:
                sc_max_pool_gradient_bf16(
                    bf16(dy), dy2.map { bf16($0) }, which, height, width, channels, bf16(dx))
            }
        }
    }

    private func eachImage(
        _ body: (_ image: Int, _ height: Int64, _ width: Int64, _ channels: Int64) -> Void
    ) {
        Parallel.chunks(images, threads: threads) { image in
            body(image, Int64(input.height), Int64(input.width), Int64(input.channels))
        }
    }
}

/// An average pool computes the mean over the area: r [images, channels] f32 from x [images, area,
/// channels].
struct AveragePool {
    var images: Int
    var area: Int
    var channels: Int
    var threads: Int

    /// Computes r, here y. Bytes are unsigned, in units of `step`.
    func forward(
        x: UnsafeRawPointer, y: UnsafeMutablePointer<Float>, stored: StoredType, step: Float = 1
    ) {
        Parallel.ranges(images, grain: 1, threads: threads) { range in
            for image in range {
                let from = x + image * area * channels * stored.byteCount
                let (to, area, channels) = (y + image * channels, Int64(area), Int64(channels))
                switch stored {
                case .f32: sc_average_pool_f32(f32(from), area, channels, to)
                case .bf16: sc_average_pool_bf16(bf16(from), area, channels, to)
                case .byte: sc_average_pool_u8(u8(from), area, channels, step / Float(area), to)
                }
            }
        }
    }

    /// Computes dx from dy [images, channels].
    func backward(dy: UnsafePointer<Float>, dx: UnsafeMutableRawPointer, type: ElementType) {
        Parallel.ranges(images, grain: 1, threads: threads) { range in
            for image in range {
                let to = dx + image * area * channels * type.byteCount
                let (from, area, channels) = (dy + image * channels, Int64(area), Int64(channels))
                switch type {
                case .f32: sc_average_pool_gradient_f32(from, area, channels, f32(to))
                case .bf16: sc_average_pool_gradient_bf16(from, area, channels, bf16(to))
                }
            }
        }
    }
}
