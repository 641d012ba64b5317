import Glibc

extension Philox {
    /// Draws a variate of the distribution Beta(α, α), α > 0, as X/(X + Y) of two gamma variates,
    /// in logarithms, so that any α works, however small.
    package mutating func beta(_ alpha: Double) -> Double {
        let (x, y) = (logGamma(alpha), logGamma(alpha))
        return 1 / (1 + exp(y - x))
    }

    /// Draws the logarithm of a variate of the distribution Gamma(α): Marsaglia and Tsang, "A
    /// simple method for generating gamma variables" (ACM TOMS 26, 2000), and for α < 1 their §6:
    /// Gamma(α + 1) · U^(1/α).
    private mutating func logGamma(_ alpha: Double) -> Double {
        if alpha < 1 { return logGamma(alpha + 1) + log(1 - Double(uniform())) / alpha }
        let d = alpha - 1.0 / 3
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = Double(normal())
            let v = (1 + c * x) * (1 + c * x) * (1 + c * x)
            guard v > 0 else { continue }
            if log(1 - Double(uniform())) < 0.5 * x * x + d - d * v + d * log(v) {
                return log(d * v)
            }
        }
    }
}
