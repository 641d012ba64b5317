import SupConTensor

/// What the first bytes of an image file say.
struct ImageHeader: Sendable, Equatable {
    enum Kind: Sendable, Equatable { case jpeg, png, webp }

    /// A longer side is taken for an attack on the memory.
    static let longestSide = 1 << 16

    var kind: Kind
    var storedHeight: Int
    var storedWidth: Int
    /// 1: gray, 3: color, 4: CMYK; alpha does not count.
    var components: Int
    var orientation: Orientation
    /// The offset where a JPEG's first scan begins, or where a WebP file ends.
    var scan = 0
    /// Bytes that the compressed pixels have at least, if they are all there; 0: not known.
    var leastData = 0
    /// Bytes that a decoder holds besides the pixels: a progressive JPEG's coefficients.
    var extraMemory = 0

    var height: Int { orientation.swapsSides ? storedWidth : storedHeight }
    var width: Int { orientation.swapsSides ? storedHeight : storedWidth }

    /// Tells the kind by the first bytes; nil: none of them.
    static func kind(_ bytes: UnsafeRawBufferPointer) -> Kind? {
        if bytes.byte(0) == 0xff, bytes.byte(1) == 0xd8, bytes.byte(2) == 0xff { return .jpeg }
        if bytes.bigEndian32(0) == 0x8950_4e47, bytes.bigEndian32(4) == 0x0d0a_1a0a { return .png }
        if bytes.starts(with: "RIFF"), bytes.starts(8, with: "WEBP") { return .webp }
        return nil
    }

    /// The scale 1/n that an image is decoded at for a view with `fraction` of its pixels along
    /// each side: of a JPEG 1/4 or 1/2 if that leaves a margin, three times or two and a half times
    /// the view's pixels; of anything else 1. DCT scaling filters otherwise than resizing does, but
    /// when its pixels are shrunk by as much again, that is below half a level of 255 on average,
    /// for photographs. Scaled by 1/8, blocks of 8×8 pixels are averaged, and no margin is enough.
    func denominator(for fraction: Double) -> Int {
        switch kind {
        case .jpeg where 4 * 3 * fraction <= 1: 4
        case .jpeg where 2 * 2.5 * fraction <= 1: 2
        default: 1
        }
    }

    /// The stored size at a scale of 1/`denominator`, as libjpeg rounds.
    func decodedSize(_ denominator: Int) -> (height: Int, width: Int) {
        (
            (storedHeight + denominator - 1) / denominator,
            (storedWidth + denominator - 1) / denominator
        )
    }

    /// Bytes that decoding to `height`×`width` takes at most: pixels with an alpha channel, a gray
    /// copy of them, and what the decoder holds. Sides are at most 65,536: no overflow.
    func memory(height: Int, width: Int) -> Int {
        height * width * (components == 1 ? 3 : 5) + extraMemory
    }

    /// Refuses an image whose data are too short for the size that it claims. Errors: format.
    func checkData(_ bytes: Int) throws(SupConError) {
        try require(
            bytes >= leastData, .format,
            """
            claims to be \(storedHeight)×\(storedWidth) pixels large, but has \(max(bytes, 0)) \
            bytes of image data; expected \(leastData) or more
            """
        )
    }

    /// Errors: format.
    static func checkSize(height: Int, width: Int, most mostPixels: Int) throws(SupConError) {
        try require(height > 0 && width > 0, .format, "is \(height)×\(width) pixels large")
        try require(
            height <= longestSide && width <= longestSide && height * width <= mostPixels, .format,
            """
            is \(height)×\(width) pixels large; expected at most \(longestSide) a side and \
            \(mostPixels) altogether (max_pixels)
            """
        )
    }
}
