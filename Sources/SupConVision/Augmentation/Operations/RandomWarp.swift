import CKernels
import Glibc
import SupConTensor

/// A random warp bends the image: 2×2 control points at the thirds are moved, and a thin-plate
/// spline moves the pixels between them; sampling is bilinear, and the border is extended
/// (google-research/supcon's warp: tfa's sparse_image_warp of order 2).
struct RandomWarp: ImageOperation {
    var spline: sc_spline

    /// Draws a warp. Each coordinate of each point moves by a normal variate times a length uniform
    /// in 0…`strength` · the smaller side. Returns nil if points coincide.
    init?(strength: Float, height: Int, width: Int, _ random: inout Philox) {
        let length = Double(random.uniform()) * Double(strength) * Double(min(height, width))
        var moved: [Point] = []
        for i in 0..<4 {
            let flow = Point(
                y: length * Double(random.normal()), x: length * Double(random.normal()))
            moved.append(
                Point(
                    y: Double((i / 2 + 1) * height) / 3 + flow.y,
                    x: Double((i % 2 + 1) * width) / 3 + flow.x, flowY: flow.y, flowX: flow.x))
        }
        self.init(points: moved)
    }

    struct Point {
        var y, x: Double
        var flowY = 0.0
        var flowX = 0.0
    }

    /// Makes the spline that moves `points` by their flows, which are those at the destination.
    /// Weights w and affine part v solve [Φ B; Bᵀ 0] [w; v] = [flow; 0], Φ = r² ln r, B = (1, y,
    /// x).
    init?(points: [Point]) {
        var rows = [[Double]](repeating: [Double](repeating: 0, count: 9), count: 7)
        for (i, p) in points.enumerated() {
            for (j, q) in points.enumerated() {
                let d = (p.y - q.y) * (p.y - q.y) + (p.x - q.x) * (p.x - q.x)
                rows[i][j] = 0.5 * d * log(max(d, 1e-10))
            }
            for (k, b) in [1, p.y, p.x].enumerated() { (rows[i][4 + k], rows[4 + k][i]) = (b, b) }
            (rows[i][7], rows[i][8]) = (p.flowY, p.flowX)
        }
        guard let solved = Self.solve(rows) else { return nil }
        func four(_ value: (Int) -> Double) -> (Float, Float, Float, Float) {
            (Float(value(0)), Float(value(1)), Float(value(2)), Float(value(3)))
        }
        func three(_ value: (Int) -> Double) -> (Float, Float, Float) {
            (Float(value(0)), Float(value(1)), Float(value(2)))
        }
        spline = sc_spline(
            y: four { points[$0].y }, x: four { points[$0].x }, weight_y: four { solved[$0][0] },
            weight_x: four { solved[$0][1] },
            affine_y: three { solved[4 + $0][0] }, affine_x: three { solved[4 + $0][1] })
    }

    /// Solves a system by Gauss-Jordan elimination with pivoting; the last two columns are the
    /// right-hand sides.
    private static func solve(_ system: [[Double]]) -> [[Double]]? {
        var a = system
        for column in 0..<a.count {
            let pivot = (column..<a.count).max { abs(a[$0][column]) < abs(a[$1][column]) } ?? column
            a.swapAt(column, pivot)
            if !(abs(a[column][column]) > 1e-9) { return nil }
            for row in 0..<a.count where row != column && a[row][column] != 0 {
                let factor = a[row][column] / a[column][column]
                for k in column..<9 { a[row][k] -= factor * a[column][k] }
            }
        }
        return a.enumerated().map { i, row in [row[7] / row[i], row[8] / row[i]] }
    }

    var needs: OperationNeeds { .neighbors }

    func scratchCount(height: Int, width: Int) -> Int { 2 * width }

    func apply(_ image: PlanarImage, into result: PlanarImage, scratch: UnsafeMutablePointer<Float>)
    {
        withUnsafePointer(to: spline) {
            sc_warp(
                image.first, Int64(image.plane), Int64(image.channels), Int64(image.height),
                Int64(image.width), $0, scratch, result.first)
        }
    }
}
