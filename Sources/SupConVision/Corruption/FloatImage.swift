import CKernels
import Glibc
import SupConTensor

/// A float image is an image as planes of f32, 0…1, that corruptions change.
struct FloatImage {
    let height, width: Int
    var planes: [[Float]]

    var channels: Int { planes.count }
    var count: Int { height * width }

    /// Copies an image. Values outside 0…1 are clamped, and NaN becomes 0.
    init(_ view: ImageView) {
        (height, width) = (view.height, view.width)
        planes = []
        for c in 0..<view.channels {
            switch view.element {
            case .u8:
                let data = view.data.assumingMemoryBound(to: UInt8.self) + c * view.channelStride
                planes.append(Self.plane(view) { Float(data[$0]) / 255 })
            case .f32:
                let data = view.data.assumingMemoryBound(to: Float.self) + c * view.channelStride
                planes.append(Self.plane(view) { max(0, min(data[$0], 1)) })
            }
        }
    }

    private static func plane(_ view: ImageView, _ value: (Int) -> Float) -> [Float] {
        [Float](unsafeUninitializedCapacity: view.height * view.width) { to, count in
            count = view.height * view.width
            var i = 0
            for y in 0..<view.height {
                for x in 0..<view.width {
                    to[i] = value(y * view.rowStride + x * view.columnStride)
                    i += 1
                }
            }
        }
    }

    /// Replaces each value by clamp(f(value)).
    mutating func map(_ f: (Float) -> Float) {
        for c in 0..<channels {
            planes[c].withUnsafeMutableBufferPointer { p in
                for i in 0..<p.count { p[i] = max(0, min(f(p[i]), 1)) }
            }
        }
    }

    /// Returns the gray value of each pixel: 0.299 R + 0.587 G + 0.114 B; without three channels,
    /// their mean.
    func gray() -> [Float] {
        let weights: [Float] =
            channels == 3
            ? [0.299, 0.587, 0.114] : [Float](repeating: 1 / Float(channels), count: channels)
        var sum = [Float](repeating: 0, count: count)
        for c in 0..<channels { for i in 0..<count { sum[i] += weights[c] * planes[c][i] } }
        return sum
    }

    /// Writes bytes, dense [height, width, channels], truncated like those of the benchmark's
    /// files; a thousandth of a step is allowed for rounding.
    func write(_ to: UnsafeMutablePointer<UInt8>) {
        for c in 0..<channels {
            planes[c].withUnsafeBufferPointer { p in
                for i in 0..<p.count {
                    to[i * channels + c] = UInt8(max(0, min(p[i], 1)) * 255 + 0.001)
                }
            }
        }
    }

    func bytes() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count * channels) { to, written in
            if let first = to.baseAddress { write(first) }
            written = count * channels
        }
    }
}

/// Filters of a single plane.
extension FloatImage {
    /// Returns the plane filtered by a Gaussian, cut off after `truncate` deviations (scipy's
    /// gaussian_filter).
    static func gaussian(
        _ plane: [Float], _ height: Int, _ width: Int, sigma: Double, truncate: Double, border: Int
    ) -> [Float] {
        let radius = Int(truncate * sigma + 0.5)
        if radius == 0 { return plane }
        return separable(plane, height, width, bell(radius: radius, sigma: sigma), border: border)
    }

    /// Returns exp(−½ (k/σ)²), k = −radius…radius, normalized.
    static func bell(radius: Int, sigma: Double) -> [Float] {
        let values = (-radius...radius).map { exp(-0.5 * Double($0 * $0) / (sigma * sigma)) }
        let sum = values.reduce(0, +)
        return values.map { Float($0 / sum) }
    }

    static func separable(
        _ plane: [Float], _ height: Int, _ width: Int, _ weights: [Float], border: Int
    ) -> [Float] {
        var scratch = [Float](repeating: 0, count: height * width + width + weights.count)
        return filled(plane.count) {
            sc_separable(
                plane, Int64(height), Int64(width), weights, Int64(weights.count / 2),
                Int32(border), &scratch, $0)
        }
    }

    static func convolved(
        _ plane: [Float], _ height: Int, _ width: Int, _ kernel: [Float], side: Int, border: Int
    ) -> [Float] {
        var row = [Float](repeating: 0, count: width + side)
        return filled(plane.count) {
            sc_convolve(
                plane, Int64(height), Int64(width), kernel, Int64(side), Int32(border), &row, $0)
        }
    }

    static func remapped(
        _ plane: [Float], _ height: Int, _ width: Int, y: [Float], x: [Float], border: Int
    ) -> [Float] {
        filled(plane.count) {
            sc_remap(plane, Int64(height), Int64(width), y, x, Int32(border), $0)
        }
    }

    /// Smears along a line from each pixel, by half a Gaussian of 2 radius + 1 steps; 0° is to the
    /// right (imagecorruptions' _motion_blur). Steps that leave the image altogether are omitted,
    /// and the rest is normalized to a sum of 1.
    static func motion(
        _ plane: [Float], _ height: Int, _ width: Int, _ motion: CorruptionTables.Motion,
        degrees: Double
    ) -> [Float] {
        let angle = degrees * .pi / 180
        var steps: [(dy: Int, dx: Int, weight: Double)] = []
        for i in 0...(2 * motion.radius) {
            let dy = -Int((Double(i) * sin(angle) - 0.5).rounded(.up)),
                dx = -Int((Double(i) * cos(angle) - 0.5).rounded(.up))
            if abs(dy) >= height || abs(dx) >= width { break }
            steps.append((dy, dx, exp(-Double(i * i) / (2 * motion.sigma * motion.sigma))))
        }
        let sum = steps.reduce(0) { $0 + $1.weight }
        return filled(plane.count) { out in
            for step in steps {
                sc_add_shifted(
                    plane, Int64(height), Int64(width), Int64(step.dy), Int64(step.dx),
                    Float(step.weight / sum), out)
            }
        }
    }

    /// Returns the center, enlarged to the plane's size by linear interpolation between the
    /// outermost pixels (the benchmark's clipped_zoom).
    static func zoomed(_ plane: [Float], _ height: Int, _ width: Int, factor: Double) -> [Float] {
        let (ys, xs) = (zoomAxis(height, factor), zoomAxis(width, factor))
        var across = [Float](repeating: 0, count: height * width)
        plane.withUnsafeBufferPointer { p in
            for y in 0..<height {
                for x in 0..<width {
                    across[y * width + x] =
                        p[y * width + xs[x].low] + xs[x].fraction
                        * (p[y * width + xs[x].high] - p[y * width + xs[x].low])
                }
            }
        }
        var out = across
        across.withUnsafeBufferPointer { p in
            for y in 0..<height {
                for x in 0..<width {
                    out[y * width + x] =
                        p[ys[y].low * width + x] + ys[y].fraction
                        * (p[ys[y].high * width + x] - p[ys[y].low * width + x])
                }
            }
        }
        return out
    }

    private static func zoomAxis(_ size: Int, _ factor: Double) -> [(
        low: Int, high: Int, fraction: Float
    )] {
        let part = Int((Double(size) / factor).rounded(.up))
        let first = (size - part) / 2
        let large = max(Int((Double(part) * factor).rounded(.toNearestOrEven)), size)
        let trim = (large - size) / 2
        let scale = large > 1 ? Double(part - 1) / Double(large - 1) : 0
        return (0..<size).map { i in
            let position = Double(i + trim) * scale
            let low = min(Int(position), part - 1)
            return (first + low, first + min(low + 1, part - 1), Float(position - Double(low)))
        }
    }

    private static func filled(_ count: Int, _ fill: (UnsafeMutablePointer<Float>) -> Void)
        -> [Float]
    {
        var out = [Float](repeating: 0, count: count)
        fill(&out)
        return out
    }
}
