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

    init(_ type: ElementType) { self = type == .bf16 ? .bf16 : .f32 }
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

@inline(__always) func u8(_ pointer: UnsafeRawPointer) -> UnsafePointer<UInt8> {
    pointer.assumingMemoryBound(to: UInt8.self)
}
@inline(__always) func u8(_ pointer: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt8> {
    pointer.assumingMemoryBound(to: UInt8.self)
}
