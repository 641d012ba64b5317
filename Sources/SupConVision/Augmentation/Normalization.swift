import SupConTensor

/// A normalization maps pixels p from 0 to 1 to (p − mean) / std, channel by channel. All images
/// are normalized by it before a network sees them: views while their planes are interleaved, and
/// images that already have the network's size.
public struct Normalization: Sendable, Equatable {
    /// What is computed is scale · p + shift.
    var scale = SIMD4<Float>(repeating: 1)
    var shift = SIMD4<Float>(repeating: 0)

    /// The normalization that leaves pixels as they are.
    public static let none = Normalization()
    private init() {}

    /// Makes a normalization of one mean and one standard deviation per channel. Errors: argument
    /// (not finite, std below 1e-6), shape.
    public init(mean: [Float], std: [Float]) throws(SupConError) {
        try require(
            (1...4).contains(mean.count) && std.count == mean.count, .shape,
            """
            there are \(mean.count) means and \(std.count) deviations; expected one each for \
            1 to 4 channels
            """
        )
        for c in 0..<mean.count {
            try require(
                mean[c].isFinite, .argument,
                "mean of channel \(c) is \(mean[c]); expected a finite number")
            try require(
                std[c] > 0 && std[c].isFinite && (1 / std[c]).isFinite, .argument,
                "std of channel \(c) is \(std[c]); expected a finite number above 0")
            scale[c] = 1 / std[c]
            shift[c] = -mean[c] / std[c]
        }
    }
}
