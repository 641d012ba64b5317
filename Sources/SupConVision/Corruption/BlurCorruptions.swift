import CKernels
import Glibc
import SupConTensor

extension FloatImage {
    /// Blurs as a lens out of focus does: the mean over a disk whose edge is smoothed by a small
    /// Gaussian.
    mutating func blurDefocus(_ blur: CorruptionTables.Blur) {
        let reach = blur.radius <= 8 ? 8 : Int(blur.radius)
        let side = 2 * reach + 1
        var disk = [Float](repeating: 0, count: side * side)
        for y in -reach...reach {
            for x in -reach...reach where Double(y * y + x * x) <= blur.radius * blur.radius {
                disk[(y + reach) * side + x + reach] = 1
            }
        }
        let sum = disk.reduce(0, +)
        let edge = Self.bell(radius: blur.radius <= 8 ? 1 : 2, sigma: blur.alias)
        let kernel = Self.separable(
            disk.map { $0 / sum }, side, side, edge, border: SC_BORDER_REFLECT)
        for c in 0..<channels {
            planes[c] = Self.convolved(
                planes[c], height, width, kernel, side: side, border: SC_BORDER_REFLECT)
        }
    }

    /// Blurs as frosted glass does: blurs, replaces each pixel by one near it, and blurs again. The
    /// benchmark's program intends to swap the two pixels, but its numpy views make it copy; this
    /// follows it.
    mutating func blurGlass(_ glass: CorruptionTables.Glass, _ random: inout Philox) {
        for c in 0..<channels {
            planes[c] = Self.gaussian(
                planes[c], height, width, sigma: glass.sigma, truncate: 4, border: SC_BORDER_NEAREST
            )
            for i in 0..<count { planes[c][i] = (planes[c][i] * 255 + 0.001).rounded(.down) / 255 }
        }
        let (rows, columns) = (height - glass.reach, width - glass.reach)
        for _ in 0..<glass.rounds {
            for y in stride(from: rows, to: glass.reach, by: -1) {
                for x in stride(from: columns, to: glass.reach, by: -1) {
                    let dx = random.index(below: 2 * glass.reach) - glass.reach,
                        dy = random.index(below: 2 * glass.reach) - glass.reach
                    for c in 0..<channels {
                        planes[c][y * width + x] = planes[c][(y + dy) * width + x + dx]
                    }
                }
            }
        }
        for c in 0..<channels {
            planes[c] = Self.gaussian(
                planes[c], height, width, sigma: glass.sigma, truncate: 4, border: SC_BORDER_NEAREST
            )
        }
    }

    /// Blurs as a moving camera does, in a direction within 45° of horizontal.
    mutating func blurMotion(_ motion: CorruptionTables.Motion, _ random: inout Philox) {
        let degrees = Double(random.uniform(-45, 45))
        for c in 0..<channels {
            planes[c] = Self.motion(planes[c], height, width, motion, degrees: degrees)
        }
    }

    /// Blurs as an approaching camera does: the mean of the image and of its enlargements.
    mutating func blurZoom(_ zoom: CorruptionTables.Zoom) {
        let weight = 1 / Float(zoom.count + 1)
        // Computed as np.arange does, since the last bit of a factor can decide a pixel.
        let step = (1 + zoom.step) - 1
        for c in 0..<channels {
            var sum = planes[c]
            for i in 0..<zoom.count {
                let layer = Self.zoomed(planes[c], height, width, factor: 1 + step * Double(i))
                for k in 0..<count { sum[k] += layer[k] }
            }
            planes[c] = sum.map { $0 * weight }
        }
    }
}
