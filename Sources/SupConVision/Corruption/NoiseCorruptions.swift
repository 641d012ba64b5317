import Glibc
import SupConTensor

/// Noise that is independent in each value.
extension FloatImage {
    /// Replaces p by p + N(0, σ²).
    mutating func addGaussianNoise(_ deviation: Double, _ random: inout Philox) {
        map { $0 + Float(deviation) * random.normal() }
    }

    /// Replaces p by Poisson(c p) / c, as light counted in photons.
    mutating func addShotNoise(_ photons: Double, _ random: inout Philox) {
        map { Float(Double(random.poisson(Double($0) * photons)) / photons) }
    }

    /// Replaces a fraction of the values by 0 or 1.
    mutating func addImpulseNoise(_ fraction: Double, _ random: inout Philox) {
        map { value in
            let (hit, salt) = (Double(random.uniform()) < fraction, random.uniform() < 0.5)
            return hit ? (salt ? 1 : 0) : value
        }
    }
}

extension Philox {
    /// Draws a Poisson variate: below a mean of 10 by counting arrivals (Knuth), otherwise by
    /// transformed rejection, Hörmann, "The transformed rejection method for generating Poisson
    /// random variables" (1993), algorithm PTRS.
    mutating func poisson(_ mean: Double) -> Int {
        if !(mean > 0) { return 0 }
        if mean < 10 {
            let limit = exp(-mean)
            var (count, product) = (0, uniform53())
            while product > limit {
                count += 1
                product *= uniform53()
            }
            return count
        }
        let b = 0.931 + 2.53 * mean.squareRoot(), a = -0.059 + 0.02483 * b
        let inverse = 1.1239 + 1.1328 / (b - 3.4), limit = 0.9277 - 3.6224 / (b - 2)
        while true {
            let u = uniform53() - 0.5, v = uniform53(), distance = 0.5 - abs(u)
            let k = ((2 * a / distance + b) * u + mean + 0.43).rounded(.down)
            if distance >= 0.07 && v <= limit { return Int(k) }
            if k < 0 || (distance < 0.013 && v > distance) { continue }
            if log(v) + log(inverse) - log(a / (distance * distance) + b) <= -mean + k * log(mean)
                - lgamma(k + 1)
            {
                return Int(k)
            }
        }
    }

    /// Draws a number uniform in (0, 1).
    private mutating func uniform53() -> Double { (Double(next() >> 11) + 0.5) * 0x1p-53 }
}
