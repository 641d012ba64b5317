import Glibc
import SupConTensor

/// Positive masks are masks [n, n] for `Positives.mask`: mask[i][j] is the weight of j as a
/// positive of i. The entry [i][i], which concerns the other views of i, is 1.
package enum PositiveMasks {
    /// The rule by which two sets of labels make a pair positive. The raw values are those of the C
    /// header.
    package enum Rule: Int32, Sendable, CaseIterable {
        /// The weight is 1 if they share a label.
        case any = 0
        /// The weight is 1 if they are equal.
        case all
        /// The weight is their Jaccard index |A ∩ B| / |A ∪ B|.
        case jaccard
    }

    /// Fills a mask from `labels` [samples, count], each 0 or 1. A sample without a label has no
    /// positives but its own views. Errors: shape, argument (other values than 0 and 1), memory.
    package static func fill(
        _ mask: UnsafeMutablePointer<Float>, multilabel labels: UnsafePointer<UInt8>, samples: Int,
        count: Int, rule: Rule, context: ExecutionContext
    ) throws(SupConError) {
        try checkSizes(samples, count, "labels")
        if let index = (0..<samples * count).first(where: { labels[$0] > 1 }) {
            throw SupConError(
                .argument,
                """
                label \(index % count) of sample \(index / count) is \(labels[index]); \
                expected 0 or 1
                """
            )
        }
        let words = words(count)
        try context.checkMemory(samples * words * 8, for: "the label sets of \(samples) samples")
        let sets = try AlignedBuffer(UInt64.self, count: samples * words)
        let bits = sets.values(of: UInt64.self)
        bits.update(repeating: 0, count: samples * words)
        for sample in 0..<samples {
            for label in 0..<count where labels[sample * count + label] == 1 {
                bits[sample * words + label / 64] |= 1 << UInt64(label % 64)
            }
        }
        fill(mask, sets: bits, samples: samples, words: words, rule: rule, context: context)
    }

    /// Returns the number of 64-bit words of a set of `count` labels; the first label is the lowest
    /// bit of the first word.
    package static func words(_ count: Int) -> Int { (count + 63) / 64 }

    /// Fills a mask from sets given as bits, [samples, words].
    package static func fill(
        _ mask: UnsafeMutablePointer<Float>, sets bits: UnsafePointer<UInt64>, samples: Int,
        words: Int, rule: Rule, context: ExecutionContext
    ) {
        Parallel.ranges(samples, grain: max(65536 / (samples * words), 1), threads: context.threads)
        { range in
            for i in range {
                let (own, row) = (bits + i * words, mask + i * samples)
                for j in 0..<samples {
                    let other = bits + j * words
                    var (shared, either) = (0, 0)
                    for word in 0..<words {
                        shared += (own[word] & other[word]).nonzeroBitCount
                        either += (own[word] | other[word]).nonzeroBitCount
                    }
                    row[j] =
                        switch rule {
                        case _ where i == j: 1
                        case .any: shared > 0 ? 1 : 0
                        case .all: shared > 0 && shared == either ? 1 : 0
                        case .jaccard: either > 0 ? Float(Double(shared) / Double(either)) : 0
                        }
                }
            }
        }
    }

    /// Fills a mask by a Gaussian kernel on real-valued labels, for regression: exp(−|y_i − y_j|² /
    /// 2σ²) (as in y-aware InfoNCE, Dufumier et al., arXiv:2106.08808); beyond 13 σ it is 0, and
    /// the pair is negative. `values` is [samples, count]; `bandwidth` is σ > 0. Errors: shape,
    /// argument (not finite).
    package static func fill(
        _ mask: UnsafeMutablePointer<Float>, values: UnsafePointer<Double>, samples: Int,
        count: Int, bandwidth: Double, context: ExecutionContext
    ) throws(SupConError) {
        try checkSizes(samples, count, "values")
        try checkBandwidth(bandwidth)
        if let index = (0..<samples * count).first(where: { !values[$0].isFinite }) {
            throw SupConError(
                .argument,
                """
                value \(index % count) of sample \(index / count) is \(values[index]); \
                expected finite numbers
                """
            )
        }
        Parallel.ranges(samples, grain: max(65536 / (samples * count), 1), threads: context.threads)
        { range in
            for i in range {
                for j in 0..<samples {
                    var squares = 0.0
                    for k in 0..<count {
                        let d = (values[i * count + k] - values[j * count + k]) / bandwidth
                        squares += d * d
                    }
                    mask[i * samples + j] = i == j ? 1 : kernel(squares)
                }
            }
        }
    }

    /// Throws unless a bandwidth is valid. Errors: argument.
    package static func checkBandwidth(_ bandwidth: Double) throws(SupConError) {
        try require(
            bandwidth > 0 && bandwidth.isFinite, .argument,
            "bandwidth is \(bandwidth); expected a finite number above 0")
    }

    private static func kernel(_ squares: Double) -> Float {
        squares <= 169 ? Float(exp(-0.5 * squares)) : 0
    }

    private static func checkSizes(_ samples: Int, _ count: Int, _ name: String) throws(SupConError)
    {
        try require(
            samples >= 1 && count >= 1, .shape,
            "\(name) are [\(samples), \(count)]; expected at least one sample and one of them")
        let (elements, overflow) = samples.multipliedReportingOverflow(by: max(samples, count))
        try require(
            !overflow && elements <= Int.max / 64, .shape,
            "\(name) are [\(samples), \(count)]: more than can be addressed")
    }
}
