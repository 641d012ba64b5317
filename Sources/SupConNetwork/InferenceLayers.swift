import CKernels
import SupConTensor

/// The type in which inference stores the values inside its encoder.
enum StoredType {
    case f32, bf16
    /// Bytes, quantized, signed or unsigned.
    case byte

    var byteCount: Int { self == .f32 ? 4 : self == .bf16 ? 2 : 1 }
    /// The type that an engine is asked for; it is ignored for bytes.
    var floatType: ElementType { self == .bf16 ? .bf16 : .f32 }
}

/// An input conversion turns the f32 image into the type that the encoder takes.
struct InputConversion {
    var from: UnsafeMutablePointer<Float>
    var to: UnsafeMutableRawPointer
    var count: Int
    var stored: StoredType
    /// The quantization step of bytes.
    var step: Float
    var threads: Int

    func run() {
        if stored == .f32 { return }
        Parallel.ranges(count, grain: 1 << 15, threads: threads) { range in
            let (first, n) = (range.lowerBound, Int64(range.count))
            if stored == .bf16 {
                sc_f32_to_bf16(from + first, bf16(to) + first, n)
            } else {
                sc_f32_to_s8(
                    from + first, 1 / step, to.assumingMemoryBound(to: Int8.self) + first, n)
            }
        }
    }
}

/// 3×3 max pooling of stride 2 and padding 1, as `MaxPool`, shared out by rows so that one image
/// employs all threads. Of bytes: without signs.
struct MaxPoolRows {
    var images: Int
    var input: ComputeGraph.Shape
    var output: ComputeGraph.Shape
    var stored: StoredType
    var threads: Int

    func run(x: UnsafeRawPointer, y: UnsafeMutableRawPointer) {
        let (height, width, channels) = (
            Int64(input.height), Int64(input.width), Int64(input.channels)
        )
        let (xCount, yCount) = (input.area * input.channels, output.area * output.channels)
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
}

/// The mean over the area: x [images, area, channels] → r [images, channels] f32. Of bytes: without
/// signs.
struct AveragePoolRows {
    var images: Int
    var area: Int
    var channels: Int
    var stored: StoredType
    /// Of bytes.
    var step: Float
    var threads: Int

    func run(x: UnsafeRawPointer, y: UnsafeMutablePointer<Float>) {
        let (area, channels) = (Int64(area), Int64(channels))
        Parallel.ranges(images, grain: 1, threads: threads) { range in
            for image in range {
                let (from, to) = (
                    x + image * self.area * self.channels * stored.byteCount,
                    y + image * self.channels
                )
                switch stored {
                case .f32: sc_average_pool_f32(f32(from), area, channels, to)
                case .bf16: sc_average_pool_bf16(bf16(from), area, channels, to)
                case .byte: sc_average_pool_u8(u8(from), area, channels, step / Float(area), to)
                }
            }
        }
    }
}

@inline(__always) func u8(_ pointer: UnsafeRawPointer) -> UnsafePointer<UInt8> {
    pointer.assumingMemoryBound(to: UInt8.self)
}
@inline(__always) private func u8(_ pointer: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt8>
{ pointer.assumingMemoryBound(to: UInt8.self) }
