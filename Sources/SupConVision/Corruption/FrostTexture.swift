import Glibc
import SupConTensor

extension FloatImage {
    /// Returns a texture like frost on a window pane: a cloudy background, on which needles of ice
    /// grow from seeds, each with branches at 60° on both sides that shorten towards the tip.
    /// Values are in 0…1; mean, deviation and the difference of neighboring pixels are about those
    /// of the benchmark's photographs (0.55, 0.12 and 0.04).
    static func ice(_ height: Int, _ width: Int, _ random: inout Philox) -> [Float] {
        let (ground, side) = plasma(atLeast: max(height, width), decay: 1.9, &random)
        var ice = [Float](repeating: 0, count: height * width)
        for y in 0..<height {
            for x in 0..<width {
                ice[y * width + x] =
                    0.26 + 0.46 * ground[(y % side) * side + x % side] + random.uniform(-0.04, 0.04)
            }
        }
        let reach = Double(min(height, width))
        let seeds = 3 + min(height * width / 400, 20000)
        // Frost grows roughly along one direction.
        let wind = 2 * Double.pi * Double(random.uniform())
        for _ in 0..<seeds {
            let (y, x) = (
                Double(random.uniform()) * Double(height), Double(random.uniform()) * Double(width)
            )
            let direction = wind + 0.9 * Double(random.normal())
            let length = max(min(reach * (0.1 + 0.2 * Double(random.uniform())), 120), 3)
            draw(&ice, height, width, y, x, direction, length, 0.42)
            let spacing = max(length / 12, 2)
            var along = spacing
            while along < length {
                let branch = 0.45 * (length - along) * (0.5 + Double(random.uniform()))
                for turn in [-Double.pi / 3, Double.pi / 3] {
                    draw(
                        &ice, height, width, y + along * sin(direction), x + along * cos(direction),
                        direction + turn, branch, 0.3)
                }
                along += spacing
            }
        }
        return ice.map { min($0, 1) }
    }

    /// Brightens a line that fades towards its end, spread over the four pixels around each point.
    private static func draw(
        _ ice: inout [Float], _ height: Int, _ width: Int, _ y: Double, _ x: Double,
        _ direction: Double, _ length: Double, _ light: Float
    ) {
        let (dy, dx) = (sin(direction), cos(direction))
        var t = 0.0
        while t < length {
            let (py, px) = (y + t * dy, x + t * dx)
            let (top, left) = (Int(py.rounded(.down)), Int(px.rounded(.down)))
            let (v, h, strength) = (
                Float(py) - Float(top), Float(px) - Float(left), light * Float(1 - t / length)
            )
            for (row, weight) in [(top, 1 - v), (top + 1, v)] where row >= 0 && row < height {
                for (column, part) in [(left, 1 - h), (left + 1, h)]
                where column >= 0 && column < width {
                    let old = ice[row * width + column]
                    ice[row * width + column] = old + (1 - old) * strength * weight * part
                }
            }
            t += 1
        }
    }
}
