import SupConTensor

extension Dataset {
    /// Makes a data set of images that the caller produces on demand. `fill` receives indices and
    /// writes their images, u8, dense [indices, height, width, channels]; if it returns false, the
    /// current operation stops with a canceled error. It is called only on the thread that called
    /// the library. Errors: argument, shape.
    public static func callback(
        count: Int, height: Int, width: Int, channels: Int, labels: [Int]? = nil,
        _ fill: @escaping (_ indices: [Int], _ pixels: UnsafeMutablePointer<UInt8>) -> Bool
    ) throws(SupConError) -> Dataset {
        try checkCount(count)
        try require(
            height > 0 && width > 0 && height <= 65536 && width <= 65536, .argument,
            "images are \(height)×\(width); expected 1 to 65536 pixels a side")
        try require(
            (1...4).contains(channels), .argument,
            "images have \(channels) channels; expected 1 to 4")
        let table = try ClassTable(labels, images: count)
        let source = CallbackSource(
            count: count, height: height, width: width, channels: channels, fill: fill)
        return Dataset(
            source: .callback(source), labels: labels, classTable: table, channels: channels)
    }
}
