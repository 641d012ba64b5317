import CTurboJPEG
import Glibc
import SupCon

/// Writes a photograph-like picture (smooth shapes, edges and some grain) to `file` as a JPEG of
/// quality 90 with 4:2:0 color.
func writeJPEG(_ arguments: Arguments) throws {
    let (width, height) = (arguments.number("width", 500), arguments.number("height", 375))
    var random = Philox(seed: 3, purpose: .test)
    var pixels = [UInt8](repeating: 0, count: width * height * 3)
    for y in 0..<height {
        for x in 0..<width {
            let (u, v) = (Double(x) / Double(width) * 8, Double(y) / Double(height) * 8)
            let edge = Int(u + v) % 2 == 0 ? 30.0 : -30
            for c in 0..<3 {
                let value =
                    128 + 60 * sin(u * Double(c + 1) + v) + edge + 8 * Double(random.normal())
                pixels[(y * width + x) * 3 + c] = UInt8(min(max(value, 0), 255))
            }
        }
    }
    var (jpeg, size): (UnsafeMutablePointer<UInt8>?, UInt) = (nil, 0)
    let handle = tjInitCompress()
    defer {
        tjDestroy(handle)
        tjFree(jpeg)
    }
    let status = tjCompress2(
        handle, pixels, Int32(width), 0, Int32(height), Int32(TJPF_RGB.rawValue), &jpeg, &size,
        Int32(TJSAMP_420.rawValue), 90, 0)
    let path = arguments.text("file", "benchmark.jpg")
    let file = fopen(path, "wb")
    try require(status == 0 && jpeg != nil && file != nil, .io, "cannot write \(path)")
    let written = fwrite(jpeg, 1, Int(size), file)
    try require(fclose(file) == 0 && written == Int(size), .io, "cannot write \(path)")
}
