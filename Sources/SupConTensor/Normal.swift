import CKernels
import Glibc

extension Philox {
    /// Draws a normal variate of mean 0 and deviation 1, by Box and Muller (1958).
    package mutating func normal() -> Float {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return radius * cos(2 * Float.pi * uniform())
    }

    /// Fills a buffer with `count` normal variates of the given deviation, many at a time, from the
    /// stream's beginning, whatever has been drawn before. They differ from those of `normal()`.
    /// The stream is unchanged.
    package func fill(_ values: UnsafeMutablePointer<Float>, count: Int, deviation: Float) {
        sc_normals(
            UInt64(key[0]) | UInt64(key[1]) << 32, UInt64(counter[1]) | UInt64(counter[2]) << 32,
            counter[3], deviation, values, Int64(count))
    }

    /// Returns a random permutation of `0..<count`, by Fisher and Yates (in Durstenfeld's form).
    package mutating func permutation(_ count: Int) -> [Int] {
        var order = Array(0..<count)
        for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, index(below: i + 1)) }
        return order
    }
}
