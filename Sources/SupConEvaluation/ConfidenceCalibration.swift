import Glibc
import SupConTensor

/// The calibration of a classifier measures how far its confidence is from its accuracy: Guo et
/// al., "On Calibration of Modern Neural Networks" (arXiv:1706.04599, §2).
public struct ConfidenceCalibration: Sendable {
    /// A bin holds the rows whose largest probability, their confidence, lies in (index / bins,
    /// (index + 1) / bins].
    public struct Bin: Sendable, Equatable {
        /// The number of rows in the bin.
        public var count = 0
        /// The mean of the largest probabilities of the bin's rows; 0 without rows.
        public var confidence = 0.0
        /// The fraction of the bin's rows that are predicted correctly; 0 without rows.
        public var accuracy = 0.0
    }

    /// The expected calibration error: Σ over bins of count/n · |accuracy − confidence|.
    public let expectedCalibrationError: Double
    /// The maximum calibration error: the largest |accuracy − confidence| of a bin that has rows.
    public let maximumCalibrationError: Double
    /// The fraction of all rows that are predicted correctly.
    public let accuracy: Double
    /// The mean of the largest probabilities, over all rows.
    public let confidence: Double
    /// The mean of −log of the label's probability (f32's smallest normal number where it is 0).
    public let negativeLogLikelihood: Double
    /// The mean of Σ over classes of (probability − [class is the label])².
    public let brierScore: Double
    /// The bins, in ascending order of confidence.
    public let bins: [Bin]
}

/// Computes the calibration of probabilities [labels.count, classes], whose rows sum to 1. Among
/// equal probabilities the lowest class is predicted. Errors: argument (elements that are not
/// probabilities, labels out of range, bins), shape.
package func calibration(
    probabilities: UnsafePointer<Float>, labels: UnsafeBufferPointer<Int64>, classes: Int,
    bins: Int = CalibrationOptions().bins
) throws(SupConError) -> ConfidenceCalibration {
    try require(
        labels.count >= 1, .shape,
        "there are \(labels.count) rows of probabilities; expected 1 or more")
    try require(
        (1...mostClasses).contains(classes), .shape,
        "there are \(classes) classes; expected 1 to \(mostClasses)")
    let elements = labels.count.multipliedReportingOverflow(by: classes)
    try require(
        !elements.overflow && elements.partialValue < 1 << 44, .shape,
        "\(labels.count) rows of \(classes) classes are larger than memory")
    var options = CalibrationOptions()
    options.bins = bins
    try options.validateRanges()
    try checkLabels(labels, count: labels.count, below: classes, name: "row")
    var found = [ConfidenceCalibration.Bin](repeating: .init(), count: bins)
    var (right, confidence, likelihood, brier) = (0, 0.0, 0.0, 0.0)
    for (row, label) in labels.enumerated() {
        let p = probabilities + row * classes
        var (best, sum, squares) = (0, 0.0, 0.0)
        for c in 0..<classes {
            // NaN fails too.
            try require(
                p[c] >= 0 && p[c] <= 1.001, .argument,
                "row \(row) has \(p[c]) for class \(c); expected a probability, 0 to 1")
            if p[c] > p[best] { best = c }
            sum += Double(p[c])
            squares += Double(p[c]) * Double(p[c])
        }
        try require(
            abs(sum - 1) < 0.01, .argument,
            "row \(row) has probabilities of sum \(Float(sum)); expected 1")
        let own = Double(p[Int(label)]), most = Double(p[best]), isRight = best == Int(label)
        let bin = min(max(Int((most * Double(bins)).rounded(.up)) - 1, 0), bins - 1)
        found[bin].count += 1
        found[bin].confidence += most
        found[bin].accuracy += isRight ? 1 : 0
        right += isRight ? 1 : 0
        confidence += most
        likelihood -= log(max(own, Double(Float.leastNormalMagnitude)))
        brier += squares - own * own + (1 - own) * (1 - own)
    }
    let n = Double(labels.count)
    var (expected, maximum) = (0.0, 0.0)
    for b in found.indices where found[b].count > 0 {
        let count = Double(found[b].count)
        found[b].confidence /= count
        found[b].accuracy /= count
        let gap = abs(found[b].accuracy - found[b].confidence)
        expected += count / n * gap
        maximum = max(maximum, gap)
    }
    return ConfidenceCalibration(
        expectedCalibrationError: expected, maximumCalibrationError: maximum,
        accuracy: Double(right) / n,
        confidence: confidence / n, negativeLogLikelihood: likelihood / n,
        brierScore: brier / n, bins: found)
}
