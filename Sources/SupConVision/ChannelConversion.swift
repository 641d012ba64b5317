import Glibc
import SupConTensor

/// Returns ITU-R 601 luma in 16-bit fixed point, as Pillow's convert("L") computes it.
@inline(__always)
func luma(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
    UInt8(
        truncatingIfNeeded: (UInt32(red) * 19595 + UInt32(green) * 38470 + UInt32(blue) * 7471
            + 0x8000) >> 16)
}

extension ImageView {
    /// Returns this image with `wanted` channels (1 or 3, or its own number), without a copy if
    /// strides can express it, otherwise in `scratch`.
    ///
    /// Conversion to gray: luma = 0.299 R + 0.587 G + 0.114 B. Conversion to RGB: the gray channel
    /// three times, with a channel stride of 0. The second of two channels and the fourth of four
    /// are alpha, and are dropped.
    func converted(to wanted: Int, scratch: Scratch) throws(SupConError) -> ImageView {
        var view = self
        if wanted == channels { return view }
        view.channels = wanted
        if channels <= 2 {
            if wanted > 1 { view.channelStride = 0 }
            return view
        }
        if wanted == 3 { return view }
        // An image of this size is in memory, so this does not overflow.
        let memory = try scratch.reserve(height * width * element.byteCount)
        switch element {
        case .u8: writeLuma(memory.assumingMemoryBound(to: UInt8.self)) { luma($0, $1, $2) }
        case .f32:
            writeLuma(memory.assumingMemoryBound(to: Float.self)) {
                0.299 * $0 + 0.587 * $1 + 0.114 * $2
            }
        }
        return ImageView(dense: memory, element: element, height: height, width: width, channels: 1)
    }

    @inline(__always)
    private func writeLuma<T>(_ to: UnsafeMutablePointer<T>, _ luma: (T, T, T) -> T) {
        let from = data.assumingMemoryBound(to: T.self)
        let (green, blue) = (channelStride, 2 * channelStride)
        for y in 0..<height {
            var pixel = from + y * rowStride
            let row = to + y * width
            for x in 0..<width {
                row[x] = luma(pixel[0], pixel[green], pixel[blue])
                pixel += columnStride
            }
        }
    }

    /// Writes the image, dense [height, width, channels], without changing the element type.
    func copyDense(to: UnsafeMutableRawPointer) {
        switch element {
        case .u8: copyDense(to.assumingMemoryBound(to: UInt8.self))
        case .f32: copyDense(to.assumingMemoryBound(to: Float.self))
        }
    }

    private func copyDense<T>(_ to: UnsafeMutablePointer<T>) {
        let from = data.assumingMemoryBound(to: T.self)
        let wide = width * channels
        let contiguous = columnStride == channels && (channelStride == 1 || channels == 1)
        for y in 0..<height {
            let row = to + y * wide
            if contiguous {
                memcpy(row, from + y * rowStride, wide * MemoryLayout<T>.stride)
                continue
            }
            for c in 0..<channels {
                var pixel = from + y * rowStride + c * channelStride
                var x = c
                while x < wide {
                    row[x] = pixel[0]
                    pixel += columnStride
                    x += channels
                }
            }
        }
    }
}

/// A scratch is a reusable buffer that grows on demand; its contents do not survive the next
/// `reserve`.
final class Scratch {
    private var buffer: AlignedBuffer?
    private let context: ExecutionContext

    init(_ context: ExecutionContext = .default) { self.context = context }

    /// Frees the memory.
    func release() { buffer = nil }

    /// Returns a buffer of at least `bytes` bytes. Errors: memory.
    func reserve(_ bytes: Int) throws(SupConError) -> UnsafeMutableRawPointer {
        if let buffer, buffer.byteCount >= bytes { return buffer.pointer }
        buffer = nil
        try context.checkOften(bytes, for: "an image")
        // A little more than needed, so that images of similar sizes share it.
        let new = try AlignedBuffer(byteCount: bytes + (bytes > 64 << 20 ? 0 : bytes / 4))
        buffer = new
        return new.pointer
    }
}
