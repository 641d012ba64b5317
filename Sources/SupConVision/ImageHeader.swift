import SupConTensor

/// An image header holds the facts that the first bytes of an image file state.
struct ImageHeader: Sendable, Equatable {
    enum Kind: Sendable, Equatable { case jpeg, png, webp }

    /// The length above which a side is treated as an attack on the memory.
    static let longestSide = 1 << 16

    var kind: Kind
    var storedHeight: Int
    var storedWidth: Int
    /// The number of color components: 1 for gray, 3 for color, 4 for CMYK; alpha does not count.
    var components: Int
    var orientation: Orientation
    /// The offset of a JPEG's first scan, or of a WebP file's end.
    var scan = 0
    /// The smallest number of bytes that the complete compressed pixels can have; 0 if unknown.
    var leastData = 0
    /// The bytes that a decoder holds besides the pixels: a progressive JPEG's coefficients.
    var extraMemory = 0
    /// The offset of the two bytes of a JPEG's height if decoding may end at any row, which a
    /// sequential image with all components in one scan and without restart markers allows; 0
    /// otherwise.
    var heightOffset = 0
    /// The number of rows in a JPEG's coding unit: 8 times the largest vertical sampling factor.
    var unitRows = 8

    var height: Int { orientation.swapsSides ? storedWidth : storedHeight }
    var width: Int { orientation.swapsSides ? storedHeight : storedWidth }

    /// Returns the kind of file that the first bytes indicate; nil if none.
    static func kind(_ bytes: UnsafeRawBufferPointer) -> Kind? {
        if bytes.byte(0) == 0xff, bytes.byte(1) == 0xd8, bytes.byte(2) == 0xff { return .jpeg }
        if bytes.bigEndian32(0) == 0x8950_4e47, bytes.bigEndian32(4) == 0x0d0a_1a0a { return .png }
        if bytes.starts(with: "RIFF"), bytes.starts(8, with: "WEBP") { return .webp }
        return nil
    }

    /// Returns n, where 1/n is the scale at which an image is decoded for a view with `fraction` of
    /// its pixels along each side. For a JPEG it is 1/4 or 1/2 if that leaves three times or two
    /// and a half times the view's pixels; otherwise it is 1. DCT scaling filters differently from
    /// resizing, but if its pixels are then shrunk by as much again, the difference is below half a
    /// level of 255 on average, for photographs. At 1/8, blocks of 8×8 pixels are averaged, and no
    /// margin suffices.
    func denominator(for fraction: Double) -> Int {
        switch kind {
        case .jpeg where 4 * 3 * fraction <= 1: 4
        case .jpeg where 2 * 2.5 * fraction <= 1: 2
        default: 1
        }
    }

    /// Returns the stored size at a scale of 1/`denominator`, rounded as by libjpeg.
    func decodedSize(_ denominator: Int) -> (height: Int, width: Int) {
        (
            (storedHeight + denominator - 1) / denominator,
            (storedWidth + denominator - 1) / denominator
        )
    }

    /// Returns the number of stored rows to decode so that those above `end` are correct: whole
    /// coding units and one more, because rows are interpolated from their neighbors and, in a
    /// scaled image, averaged.
    func rows(toDecodeFor end: Int) -> Int {
        if heightOffset == 0 { return storedHeight }
        return min((end + 2 * unitRows - 1) / unitRows * unitRows, storedHeight)
    }

    /// Returns the largest number of bytes that decoding to `height`×`width` takes: pixels with an
    /// alpha channel, a gray copy of them, and the decoder's own. Sides are at most 65,536, so this
    /// does not overflow.
    func memory(height: Int, width: Int) -> Int {
        height * width * (components == 1 ? 3 : 5) + extraMemory
    }

    /// Throws if an image's data are too short for the size that it claims. Errors: format.
    func checkData(_ bytes: Int) throws(SupConError) {
        try require(
            bytes >= leastData, .format,
            """
            claims to be \(storedHeight)×\(storedWidth) pixels large, but has \(max(bytes, 0)) \
            bytes of image data; expected \(leastData) or more
            """
        )
    }

    /// Throws unless a size is acceptable. Errors: format.
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
