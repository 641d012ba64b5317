import SupConTensor

/// What the first bytes of an image file say.
struct ImageHeader: Sendable, Equatable {
    enum Kind: Sendable, Equatable { case jpeg, png }

    /// More pixels than these are taken for an attack on the memory: a side, and altogether.
    static let longestSide = 1 << 16
    static let mostPixels = 1 << 28

    var kind: Kind
    var storedHeight: Int
    var storedWidth: Int
    /// 1: gray, 3: color, 4: CMYK; alpha does not count.
    var components: Int
    var orientation: Orientation
    /// Of a JPEG: where the first scan begins.
    var scan = 0

    var height: Int { orientation.swapsSides ? storedWidth : storedHeight }
    var width: Int { orientation.swapsSides ? storedHeight : storedWidth }

    /// By the first bytes; nil: neither.
    static func kind(_ bytes: UnsafeRawBufferPointer) -> Kind? {
        if bytes.byte(0) == 0xff, bytes.byte(1) == 0xd8, bytes.byte(2) == 0xff { return .jpeg }
        if bytes.bigEndian32(0) == 0x8950_4e47, bytes.bigEndian32(4) == 0x0d0a_1a0a { return .png }
        return nil
    }

    /// Errors: format.
    static func checkSize(height: Int, width: Int) throws(SupConError) {
        try require(height > 0 && width > 0, .format, "is \(height)×\(width) pixels large")
        try require(
            height <= longestSide && width <= longestSide && height * width <= mostPixels, .format,
            """
            is \(height)×\(width) pixels large; expected at most \(longestSide) a side and \
            \(mostPixels) altogether
            """
        )
    }
}
