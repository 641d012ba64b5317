import Glibc
import SupConTensor

extension FloatImage {
    /// Adds moving snowflakes in two layers, the second rotated by 180°, in front of a whitened
    /// image.
    mutating func addSnow(_ snow: CorruptionTables.Snow, _ random: inout Philox) {
        var layer = [Float](repeating: 0, count: count)
        for i in 0..<count { layer[i] = Float(snow.mean) + Float(snow.deviation) * random.normal() }
        layer = Self.zoomed(layer, height, width, factor: snow.zoom).map {
            $0 < Float(snow.threshold) ? 0 : min($0, 1)
        }
        layer = Self.motion(
            layer, height, width, snow.motion, degrees: Double(random.uniform(-135, -45))
        ).map { ($0 * 255).rounded() / 255 }
        let (gray, fraction) = (gray(), Float(snow.fraction))
        for c in 0..<channels {
            for i in 0..<count {
                let whitened =
                    fraction * planes[c][i] + (1 - fraction)
                    * max(planes[c][i], gray[i] * 1.5 + 0.5)
                planes[c][i] = min(whitened + layer[i] + layer[count - 1 - i], 1)
            }
        }
    }

    /// Adds ice on the lens: image · a + ice · b. The ice is computed (`ice`), not photographed as
    /// in the benchmark.
    mutating func addFrost(_ mix: CorruptionTables.Mix, _ random: inout Philox) {
        let ice = Self.ice(height, width, &random)
        // Photographs of ice are bluish; these are about the ratios of their channels' means.
        let tint: [Float] =
            channels == 3 ? [0.88, 1.02, 1.1] : [Float](repeating: 1, count: channels)
        for c in 0..<channels {
            for i in 0..<count {
                planes[c][i] = min(
                    Float(mix.image) * planes[c][i] + Float(mix.frost) * min(ice[i] * tint[c], 1), 1
                )
            }
        }
    }

    /// Adds fractal fog, and keeps the brightest value.
    mutating func addFog(_ fog: CorruptionTables.Fog, _ random: inout Philox) {
        let largest = planes.reduce(Float(0)) { max($0, $1.max() ?? 0) }
        let (mist, side) = Self.plasma(atLeast: max(height, width), decay: fog.decay, &random)
        let (amount, scale) = (Float(fog.amount), largest / (largest + Float(fog.amount)))
        for y in 0..<height {
            for x in 0..<width {
                let add = amount * mist[(y % side) * side + x % side]
                for c in 0..<channels {
                    planes[c][y * width + x] = (planes[c][y * width + x] + add) * scale
                }
            }
        }
    }

    /// Returns a height map, 0…1, by the diamond-square algorithm on a torus (the benchmark's
    /// plasma_fractal). Its side is a power of two, at most 2048, beyond which it repeats
    /// seamlessly. Each halving of the step divides the deviations by `decay`, squared.
    static func plasma(atLeast size: Int, decay: Double, _ random: inout Philox) -> (
        map: [Float], side: Int
    ) {
        var side = 1
        while side < min(size, 2048) { side *= 2 }
        var map = [Float](repeating: 0, count: side * side)
        var (step, wibble) = (side, 100.0)
        while step >= 2 {
            let (half, spread) = (step / 2, Float(wibble * wibble))
            func at(_ y: Int, _ x: Int) -> Float { map[(y & (side - 1)) * side + x & (side - 1)] }
            func set(_ y: Int, _ x: Int, _ sum: Float) {
                map[y * side + x] = sum / 4 + random.uniform(-spread, spread)
            }
            for y in stride(from: 0, to: side, by: step) {
                for x in stride(from: 0, to: side, by: step) {
                    set(
                        y + half, x + half,
                        at(y, x) + at(y + step, x) + at(y, x + step) + at(y + step, x + step))
                }
            }
            for (dy, dx) in [(0, half), (half, 0)] {
                for y in stride(from: dy, to: side, by: step) {
                    for x in stride(from: dx, to: side, by: step) {
                        set(
                            y, x,
                            at(y - half, x) + at(y + half, x) + at(y, x - half) + at(y, x + half))
                    }
                }
            }
            step = half
            wibble /= decay
        }
        let (low, high) = (map.min() ?? 0, map.max() ?? 0)
        return (high > low ? map.map { ($0 - low) / (high - low) } : map.map { _ in 0 }, side)
    }
}
