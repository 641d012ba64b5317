import CKernels
import Glibc
import SupConTensor

extension FloatImage {
    /// Increases the value of HSV: all three channels grow by one factor, and black becomes gray.
    /// Images without three channels are brightened by addition.
    mutating func brighten(_ amount: Double) {
        let amount = Float(amount)
        if channels != 3 { return map { $0 + amount } }
        for i in 0..<count {
            let value = max(planes[0][i], planes[1][i], planes[2][i])
            let target = min(value + amount, 1)
            for c in 0..<3 { planes[c][i] = value > 0 ? planes[c][i] * (target / value) : target }
        }
    }

    /// Maps p to (p − mean) · factor + mean, channel by channel.
    mutating func lowerContrast(_ factor: Double) {
        for c in 0..<channels {
            let mean = Float(planes[c].reduce(0.0) { $0 + Double($1) } / Double(count))
            planes[c] = planes[c].map { ($0 - mean) * Float(factor) + mean }
        }
    }

    /// Displaces pixels, first by an affine map that moves three points at random, then by a random
    /// field that a Gaussian has smoothed.
    mutating func bend(_ elastic: CorruptionTables.Elastic, _ random: inout Philox) {
        let (cx, cy, s) = (Double(width / 2), Double(height / 2), Double(min(height, width) / 3))
        let from = [(cx + s, cy + s), (cx + s, cy - s), (cx - s, cy - s)]
        let jitter = Float(elastic.affine)
        let to = from.map {
            (
                $0.0 + Double(random.uniform(-jitter, jitter)),
                $0.1 + Double(random.uniform(-jitter, jitter))
            )
        }
        if let map = Self.affine(from: to, to: from) {
            var (ys, xs) = (
                [Float](repeating: 0, count: count), [Float](repeating: 0, count: count)
            )
            for y in 0..<height {
                for x in 0..<width {
                    xs[y * width + x] = Float(map[0] * Double(x) + map[1] * Double(y) + map[2])
                    ys[y * width + x] = Float(map[3] * Double(x) + map[4] * Double(y) + map[5])
                }
            }
            for c in 0..<channels {
                planes[c] = Self.remapped(
                    planes[c], height, width, y: ys, x: xs, border: SC_BORDER_REFLECT)
            }
        }
        func field() -> [Float] {
            var noise = [Float](repeating: 0, count: count)
            for i in 0..<count { noise[i] = random.uniform(-1, 1) }
            return Self.gaussian(
                noise, height, width, sigma: elastic.sigma, truncate: 3, border: SC_BORDER_SYMMETRIC
            )
        }
        var (xs, ys) = (field(), field())
        for y in 0..<height {
            for x in 0..<width {
                xs[y * width + x] = Float(x) + Float(elastic.alpha) * xs[y * width + x]
                ys[y * width + x] = Float(y) + Float(elastic.alpha) * ys[y * width + x]
            }
        }
        for c in 0..<channels {
            planes[c] = Self.remapped(
                planes[c], height, width, y: ys, x: xs, border: SC_BORDER_SYMMETRIC)
        }
    }

    /// Returns the map (two rows of three) that takes three points to three others; nil if the
    /// points are collinear.
    private static func affine(from p: [(Double, Double)], to q: [(Double, Double)]) -> [Double]? {
        let (ux, uy, vx, vy) = (p[1].0 - p[0].0, p[1].1 - p[0].1, p[2].0 - p[0].0, p[2].1 - p[0].1)
        let determinant = ux * vy - uy * vx
        if abs(determinant) < 1e-6 { return nil }
        func row(_ a: Double, _ b: Double, _ c: Double) -> [Double] {
            let (du, dv) = (b - a, c - a)
            let mx = (du * vy - dv * uy) / determinant, my = (dv * ux - du * vx) / determinant
            return [mx, my, a - mx * p[0].0 - my * p[0].1]
        }
        return row(q[0].0, q[1].0, q[2].0) + row(q[0].1, q[1].1, q[2].1)
    }

    /// Shrinks the image, each pixel being the mean of those whose centers it covers, rounded to
    /// bytes after each direction (Pillow's BOX), and enlarges it again.
    mutating func pixelate(_ fraction: Double) {
        let (rows, columns) = (
            max(Int(Double(height) * fraction), 1), max(Int(Double(width) * fraction), 1)
        )
        let (ys, xs) = (Self.boxes(height, rows), Self.boxes(width, columns))
        for c in 0..<channels {
            var narrow = [Float](repeating: 0, count: height * columns)
            for y in 0..<height {
                for x in 0..<columns {
                    var sum: Float = 0
                    for sx in xs[x] { sum += planes[c][y * width + sx] }
                    narrow[y * columns + x] = (sum * (255 / Float(xs[x].count))).rounded()
                }
            }
            var small = [Float](repeating: 0, count: rows * columns)
            for y in 0..<rows {
                for x in 0..<columns {
                    var sum: Float = 0
                    for sy in ys[y] { sum += narrow[sy * columns + x] }
                    small[y * columns + x] = (sum / Float(ys[y].count)).rounded() / 255
                }
            }
            for y in 0..<height {
                let row = min(Int((Double(y) + 0.5) * Double(rows) / Double(height)), rows - 1)
                for x in 0..<width {
                    planes[c][y * width + x] =
                        small[
                            row * columns
                                + min(
                                    Int((Double(x) + 0.5) * Double(columns) / Double(width)),
                                    columns - 1)]
                }
            }
        }
    }

    private static func boxes(_ size: Int, _ count: Int) -> [Range<Int>] {
        let scale = Double(size) / Double(count)
        return (0..<count).map { i in
            let middle = (Double(i) + 0.5) * scale
            let low = max(Int(middle - scale / 2 + 0.5), 0)
            return low..<min(max(Int(middle + scale / 2 + 0.5), low + 1), size)
        }
    }
}
