import SupConTensor

/// Which views are made of an image; the fields are those of `supcon_augmentation_options`. Fields that a kind does not use are checked and otherwise ignored.
public struct AugmentationOptions: Sendable, Equatable {
    public enum Kind: Int32, Sendable, CaseIterable {
        /// The whole image, resized.
        case none = 0
        /// Random resized crop, horizontal flip.
        case cropFlip = 1
        /// Crop, flip, colour jitter, grey, and from 128 pixels on Gaussian blur: Chen et al., "A simple framework for contrastive learning"
        /// (arXiv:2002.05709), appendix A.
        case simclr = 2
    }

    public var kind: Kind
    /// Share of the image's area.
    public var cropScaleMin: Float = 0.2
    public var cropScaleMax: Float = 1
    /// Width / height.
    public var cropRatioMin: Float = 3.0 / 4
    public var cropRatioMax: Float = 4.0 / 3
    public var flipProbability: Float = 0.5
    public var jitterProbability: Float = 0.8
    /// Factors within 1 ± this, not below 0.
    public var brightness: Float = 0.4
    public var contrast: Float = 0.4
    public var saturation: Float = 0.4
    /// Shift within ± this, in turns.
    public var hue: Float = 0.1
    public var greyProbability: Float = 0.2
    /// -1: 0.5 if the view's smaller side is 128 pixels or more, else 0.
    public var blurProbability: Float = -1
    /// Pixels.
    public var blurSigmaMin: Float = 0.1
    public var blurSigmaMax: Float = 2

    private init(_ kind: Kind) { self.kind = kind }

    public static func defaults(_ kind: Kind = .simclr) -> AugmentationOptions { AugmentationOptions(kind) }

    /// Errors: argument.
    public func validate() throws(SupConError) {
        try range("crop scale", cropScaleMin, cropScaleMax, atMost: 1)
        try range("crop ratio", cropRatioMin, cropRatioMax, atMost: .greatestFiniteMagnitude)
        try range("blur sigma", blurSigmaMin, blurSigmaMax, atMost: .greatestFiniteMagnitude)
        for (name, p) in [("flip", flipProbability), ("jitter", jitterProbability), ("grey", greyProbability)] {
            try require(p >= 0 && p <= 1, .argument, "\(name) probability is \(p); expected 0 to 1")
        }
        try require(
            blurProbability == -1 || blurProbability >= 0 && blurProbability <= 1, .argument,
            "blur probability is \(blurProbability); expected 0 to 1, or -1 for 0.5 from 128 pixels on")
        for (name, x) in [("brightness", brightness), ("contrast", contrast), ("saturation", saturation)] {
            try require(x >= 0 && x.isFinite, .argument, "\(name) is \(x); expected 0 or more")
        }
        try require(hue >= 0 && hue <= 0.5, .argument, "hue is \(hue); expected 0 to 0.5 turns")
    }

    private func range(_ name: String, _ low: Float, _ high: Float, atMost most: Float) throws(SupConError) {
        let limit = most == 1 ? " and at most 1" : " and finite"
        try require(low > 0 && low <= most, .argument, "\(name) min is \(low); expected more than 0\(limit)")
        try require(high >= low && high <= most, .argument, "\(name) max is \(high); expected the minimum, \(low), or more\(limit)")
    }
}
