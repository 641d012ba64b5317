import CTurboJPEG
import Glibc
import SupConTensor
import Synchronization

/// A JPEG decoder uses libjpeg-turbo's TurboJPEG interface, which contains its longjmp. It serves
/// one thread.
///
/// TurboJPEG decodes an image in one call, which cannot be stopped. That of a large image is made
/// on another thread: if the call of the library is canceled meanwhile, it leaves the decoder, with
/// what it reads and writes, to that thread, and ends.
final class JPEGDecoder: @unchecked Sendable {
    /// The pixels from which an image is large: it takes some tenths of a second.
    private static let largeCount = 1 << 24

    private let handle: tjhandle

    /// Creates the decompressor. Errors: memory.
    init() throws(SupConError) {
        guard let handle = tjInitDecompress() else {
            throw SupConError(.memory, "cannot make a JPEG decoder")
        }
        self.handle = handle
    }

    deinit { tjDestroy(handle) }

    /// Decodes to u8 with 1 or 3 channels, as stored (without orientation), at a scale of
    /// 1/`denominator`. A damaged file that still yields an image is logged as a warning.
    ///
    /// The stored rows above `end` are decoded. Rows further down are not if the format allows it:
    /// the view's pixels there are undefined, and damage there is not noticed. TurboJPEG cannot
    /// stop early, so the header in `bytes` is given a smaller height meanwhile; TurboJPEG then
    /// skips the data of the rows below as superfluous bytes.
    ///
    /// Errors: format (without the file's name), memory, canceled, after which the decoder, the
    /// file and the scratch are not to be used again.
    func decode(
        _ file: ImageFile, _ header: ImageHeader, channels: Int, denominator: Int, end: Int,
        scratch: Scratch, watch: CancelWatch, path: @autoclosure () -> String
    ) throws(SupConError) -> ImageView {
        let (height, width) = header.decodedSize(denominator)
        let storedRows = header.rows(toDecodeFor: end)
        let (isCut, rows) = (
            storedRows < header.storedHeight, (storedRows + denominator - 1) / denominator
        )
        // Gray becomes RGB by strides; CMYK is decoded as stored.
        let (format, stored): (TJPF, Int) =
            switch (header.components, channels) {
            case (4, _): (TJPF_CMYK, 4)
            case (3, 3): (TJPF_RGB, 3)
            default: (TJPF_GRAY, 1)
            }
        let pixels = try scratch.reserve(height * width * stored)  // at most 2³⁰
        nonisolated(unsafe) let (input, output, owner) = (file, pixels, scratch)
        let decompress: @Sendable () -> Int32 = { [self] in
            let bytes = input.bytes
            func setHeight(_ rows: Int) {
                bytes[header.heightOffset] = UInt8(rows >> 8)
                bytes[header.heightOffset + 1] = UInt8(rows & 0xff)
            }
            if isCut { setHeight(storedRows) }
            defer { if isCut { setHeight(header.storedHeight) } }
            return withExtendedLifetime(owner) {
                tjDecompress2(
                    handle, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                    UInt(bytes.count), output.assumingMemoryBound(to: UInt8.self), Int32(width),
                    Int32(width * stored), Int32(rows), Int32(format.rawValue), TJFLAG_LIMITSCANS)
            }
        }
        let isLarge = header.storedHeight * header.storedWidth >= Self.largeCount
        let status = isLarge ? try Self.elsewhere(watch, decompress) : decompress()
        if status != 0 {
            let message = tjGetErrorStr2(handle).map { String(cString: $0) } ?? "unknown error"
            if tjGetErrorCode(handle) != Int32(TJERR_WARNING.rawValue) {
                throw SupConError(
                    message.contains("nsufficient memory") ? .memory : .format,
                    "cannot be decoded: \(message)")
            }
            // The message is that of the first warning, so the decoded rows have caused none.
            if !isCut || !message.contains("extraneous bytes before marker 0xd9") {
                Log.write(
                    .warning,
                    "\(path()): is damaged, and was decoded as far as possible: \(message)")
            }
        }
        if stored == 4 {
            Self.cmykToRGB(pixels.assumingMemoryBound(to: UInt8.self), count: rows * width)
        }
        var view = ImageView(
            dense: pixels, element: .u8, height: height, width: width, channels: stored)
        view.channels = min(stored, 3)
        return view
    }

    /// Runs `work` on another thread, or on this one if there is none to be had. Errors: canceled,
    /// while the other thread goes on.
    private static func elsewhere(_ watch: CancelWatch, _ work: @escaping @Sendable () -> Int32)
        throws(SupConError) -> Int32
    {
        final class Outcome: Sendable {
            let status = Atomic<Int32>(0)
            let isKnown = Atomic(false)
        }
        let outcome = Outcome()
        let thread = try? BackgroundThread("decoder") {
            outcome.status.store(work(), ordering: .relaxed)
            outcome.isKnown.store(true, ordering: .releasing)
        }
        guard let thread else { return work() }
        while !outcome.isKnown.load(ordering: .acquiring) {
            usleep(2000)
            if watch.isCanceled {
                thread.detach()
                try watch.check()
            }
        }
        thread.join()
        return outcome.status.load(ordering: .relaxed)
    }

    /// Converts pixels of four bytes in place, by Pillow's formula: white minus black, minus the
    /// ink's fraction of that. Values are inverted, 255 without ink, as Adobe writes them and
    /// everybody assumes.
    private static func cmykToRGB(_ pixels: UnsafeMutablePointer<UInt8>, count: Int) {
        for i in 0..<count {
            let pixel = pixels + 4 * i
            let light = Int32(pixel[3])
            for c in 0..<3 {
                let product = (255 - Int32(pixel[c])) * light + 128
                pixel[c] = UInt8(clamping: light - (product >> 8 + product) >> 8)
            }
        }
    }
}
