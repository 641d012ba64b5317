import CKernels
import Glibc

/// An affine operation moves pixels by an affine map: the pixel at (x, y), measured to pixel
/// centers, comes from `matrix` · (x, y, 1), rounded to the nearest pixel; pixels from outside are
/// `fill`. Nearest is the rounding of the policies' own programs and torchvision's default.
struct Affine: ImageOperation {
    /// The matrix, two rows of three.
    var matrix: (Float, Float, Float, Float, Float, Float)
    var fill: Float

    /// Makes a shear x ← x + level · y, from the top left corner (torchvision's ShearX).
    static func shearX(_ level: Float, fill: Float) -> Affine {
        Affine(matrix: (1, level, 0, 0, 1, 0), fill: fill)
    }
    /// Makes a shear y ← y + level · x.
    static func shearY(_ level: Float, fill: Float) -> Affine {
        Affine(matrix: (1, 0, 0, level, 1, 0), fill: fill)
    }
    /// Makes a translation by whole pixels to the right and down.
    static func translate(x: Int, y: Int, fill: Float) -> Affine {
        Affine(matrix: (1, 0, Float(-x), 0, 1, Float(-y)), fill: fill)
    }
    /// Makes a counterclockwise rotation about the center.
    static func rotate(degrees: Float, height: Int, width: Int, fill: Float) -> Affine {
        let angle = Double(degrees) * .pi / 180
        let (c, s) = (cos(angle), sin(angle))
        let (x, y) = (Double(width) / 2, Double(height) / 2)
        return Affine(
            matrix: (
                Float(c), Float(-s), Float(x - c * x + s * y), Float(s), Float(c),
                Float(y - s * x - c * y)
            ), fill: fill)
    }

    var needs: OperationNeeds { .neighbors }

    /// Returns the size of a 64-bit index per column, in floats.
    func scratchCount(height: Int, width: Int) -> Int { 2 * width }

    func apply(_ image: PlanarImage, into result: PlanarImage, scratch: UnsafeMutablePointer<Float>)
    {
        scratch.withMemoryRebound(to: Int64.self, capacity: image.width) { index in
            withUnsafePointer(to: matrix) { matrix in
                matrix.withMemoryRebound(to: Float.self, capacity: 6) { matrix in
                    sc_affine(
                        image.first, Int64(image.plane), Int64(image.channels), Int64(image.height),
                        Int64(image.width), matrix, fill, index, result.first)
                }
            }
        }
    }
}
