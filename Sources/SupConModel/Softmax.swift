import Glibc

extension OutputRows {
    /// Computes p = exp(x − max x) / Σ exp(x − max x).
    func softmax(_ x: UnsafePointer<Float>, _ p: UnsafeMutablePointer<Float>) {
        var largest = -Float.infinity
        for i in 0..<dimension { largest = max(largest, x[i]) }
        var sum = 0.0
        for i in 0..<dimension {
            p[i] = exp(x[i] - largest)
            sum += Double(p[i])
        }
        let factor = Float(1 / sum)
        for i in 0..<dimension { p[i] *= factor }
    }
}
