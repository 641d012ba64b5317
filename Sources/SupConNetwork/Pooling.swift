import CKernels
import SupConTensor

/// A max pool of 3×3 with stride 2 and padding 1 computes y [images, ⌈height/2⌉, ⌈width/2⌉,
/// channels] from x [images, height, width, channels].
struct MaxPool {
    var images: Int
    var input: ComputeGraph.Shape
    var output: ComputeGraph.Shape
    var type: ElementType
    var threads: Int

    /// Bytes of `argmax`, which remembers for backward which of the nine was the largest.
    var argmaxByteCount: Int { images * output.area * output.channels }

    func forward(x: UnsafeRawPointer, y: UnsafeMutableRawPointer, argmax: UnsafeMutableRawPointer) {
        let (height, width, channels) = (
            Int64(input.height), Int64(input.width), Int64(input.channels)
        )
        let (xCount, yCount) = (input.area * input.channels, output.area * output.channels)
        Parallel.chunks(images, threads: threads) { image in
            let which = (argmax + image * yCount).assumingMemoryBound(to: UInt8.self)
            switch type {
            case .f32:
                sc_max_pool_f32(
                    f32(x) + image * xCount, height, width, channels, f32(y) + image * yCount, which
                )
            case .bf16:
                sc_max_pool_bf16(
                    bf16(x) + image * xCount, height, width, channels, bf16(y) + image * yCount,
                    which)
            }
        }
    }

    /// dx from dy (+ dy2).
    func backward(
        dy: UnsafeRawPointer, dy2: UnsafeRawPointer?, argmax: UnsafeRawPointer,
        dx: UnsafeMutableRawPointer
    ) {
        let (height, width, channels) = (
            Int64(input.height), Int64(input.width), Int64(input.channels)
        )
        let (xCount, yCount) = (input.area * input.channels, output.area * output.channels)
        Parallel.chunks(images, threads: threads) { image in
            let which = (argmax + image * yCount).assumingMemoryBound(to: UInt8.self)
            let at = image * yCount
            switch type {
            case .f32:
                sc_max_pool_gradient_f32(
                    f32(dy) + at, dy2.map { f32($0) + at }, which, height, width, channels,
                    f32(dx) + image * xCount)
            case .bf16:
                sc_max_pool_gradient_bf16(
                    bf16(dy) + at, dy2.map { bf16($0) + at }, which, height, width, channels,
                    bf16(dx) + image * xCount)
            }
        }
    }
}

/// An average pool computes the mean over the area: r [images, channels] f32 from x [images, area,
/// channels].
struct AveragePool {
    var images: Int
    var area: Int
    var channels: Int
    var type: ElementType
    var threads: Int

    func forward(x: UnsafeRawPointer, y: UnsafeMutablePointer<Float>) {
        Parallel.ranges(images, grain: 1, threads: threads) { range in
            for image in range {
                let at = image * area * channels
                switch type {
                case .f32:
                    sc_average_pool_f32(
                        f32(x) + at, Int64(area), Int64(channels), y + image * channels)
                case .bf16:
                    sc_average_pool_bf16(
                        bf16(x) + at, Int64(area), Int64(channels), y + image * channels)
                }
            }
        }
    }

    func backward(dy: UnsafePointer<Float>, dx: UnsafeMutableRawPointer) {
        Parallel.ranges(images, grain: 1, threads: threads) { range in
            for image in range {
                let at = image * area * channels
                switch type {
                case .f32:
                    sc_average_pool_gradient_f32(
                        dy + image * channels, Int64(area), Int64(channels), f32(dx) + at)
                case .bf16:
                    sc_average_pool_gradient_bf16(
                        dy + image * channels, Int64(area), Int64(channels), bf16(dx) + at)
                }
            }
        }
    }
}
