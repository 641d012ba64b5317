import Glibc

extension Philox {
    /// A normal variate of mean 0 and deviation 1, by Box and Muller (1958).
    public mutating func normal() -> Float {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return radius * cos(2 * Float.pi * uniform())
    }

    /// A random order of `0..<count`, by Fisher and Yates (Durstenfeld's form).
    public mutating func permutation(_ count: Int) -> [Int] {
        var order = Array(0..<count)
        for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, index(below: i + 1)) }
        return order
    }
}
