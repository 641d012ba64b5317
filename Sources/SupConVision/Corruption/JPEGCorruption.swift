import CTurboJPEG
import SupConTensor

extension FloatImage {
    /// Compresses and decompresses the image as a JPEG of the given quality: three channels as
    /// color, 4:2:0 as Pillow writes it, otherwise each channel as a gray image.
    mutating func compress(quality: Int) throws(SupConError) {
        try require(
            height <= 65535 && width <= 65535, .argument,
            "the image is \(height)×\(width) pixels large; a JPEG has at most 65535 a side")
        let jpeg = try JPEGRoundTrip()
        if channels == 3 {
            try jpeg.run(&planes, height, width, quality)
        } else {
            for c in 0..<channels {
                var plane = [planes[c]]
                try jpeg.run(&plane, height, width, quality)
                planes[c] = plane[0]
            }
        }
    }
}

/// A JPEG round trip compresses and decompresses by TurboJPEG. It serves one thread.
private final class JPEGRoundTrip {
    private let (compressor, decompressor): (tjhandle, tjhandle)

    /// Creates the compressor and the decompressor. Errors: memory.
    init() throws(SupConError) {
        guard let compressor = tjInitCompress() else {
            throw SupConError(.memory, "cannot make a JPEG encoder")
        }
        guard let decompressor = tjInitDecompress() else {
            tjDestroy(compressor)
            throw SupConError(.memory, "cannot make a JPEG decoder")
        }
        (self.compressor, self.decompressor) = (compressor, decompressor)
    }

    deinit {
        tjDestroy(compressor)
        tjDestroy(decompressor)
    }

    /// Compresses and decompresses one plane or three. Errors: memory, format.
    func run(_ planes: inout [[Float]], _ height: Int, _ width: Int, _ quality: Int)
        throws(SupConError)
    {
        let channels = planes.count
        var pixels = [UInt8](repeating: 0, count: height * width * channels)
        for c in 0..<channels {
            for i in 0..<(height * width) {
                pixels[i * channels + c] = UInt8(max(0, min(planes[c][i], 1)) * 255 + 0.001)
            }
        }
        let format = Int32((channels == 3 ? TJPF_RGB : TJPF_GRAY).rawValue),
            sampling = Int32((channels == 3 ? TJSAMP_420 : TJSAMP_GRAY).rawValue)
        var file: UnsafeMutablePointer<UInt8>?
        var size: UInt = 0
        defer { tjFree(file) }
        try check(
            tjCompress2(
                compressor, pixels, Int32(width), Int32(width * channels), Int32(height), format,
                &file, &size, sampling, Int32(quality), TJFLAG_ACCURATEDCT),
            compressor)
        try check(
            tjDecompress2(
                decompressor, file, size, &pixels, Int32(width), Int32(width * channels),
                Int32(height), format, TJFLAG_ACCURATEDCT), decompressor)
        for c in 0..<channels {
            for i in 0..<(height * width) { planes[c][i] = Float(pixels[i * channels + c]) / 255 }
        }
    }

    private func check(_ status: Int32, _ handle: tjhandle) throws(SupConError) {
        if status == 0 { return }
        let message = tjGetErrorStr2(handle).map { String(cString: $0) } ?? "unknown error"
        throw SupConError(
            message.contains("nsufficient memory") ? .memory : .format,
            "cannot be compressed as a JPEG: \(message)")
    }
}
