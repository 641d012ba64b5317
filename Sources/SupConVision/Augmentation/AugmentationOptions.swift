import SupConTensor

/// Which views are made of an image; the fields are those of `supcon_augmentation_options`. Fields
/// that a kind does not use are checked and otherwise ignored.
public struct AugmentationOptions: Sendable, Equatable {
    public enum Kind: Int32, Sendable, CaseIterable {
        /// The whole image, resized.
        case none = 0
        /// Random resized crop, horizontal flip.
        case cropFlip = 1
        /// Crop, flip, color jitter, gray, and from 128 pixels on Gaussian blur: Chen et al., "A
        /// simple framework for contrastive learning" (arXiv:2002.05709), appendix A.
        case simclr = 2
        /// Crop, flip, one of the 25 sub-policies that AutoAugment found for ImageNet
        /// (arXiv:1805.09501).
        case autoAugmentImageNet = 3
        /// The same with CIFAR-10's sub-policies.
        case autoAugmentCIFAR10 = 4
        /// Crop, flip, some operations drawn at one magnitude (arXiv:1909.13719).
        case randAugment = 5
        /// Crop, flip, color jitter, gray, random warp, blur: the SimAugment of arXiv:2004.11362
        /// (google-research/supcon).
        case simAugment = 6
        /// Crop, flip, color jitter, RandAugment, gray, random warp, blur: the Stacked RandAugment
        /// of arXiv:2004.11362 (Tian et al., arXiv:2005.10243).
        case stackedRandAugment = 7
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
    public var grayProbability: Float = 0.2
    /// -1: 0.5 if the view's smaller side is 128 pixels or more, else 0.
    public var blurProbability: Float = -1
    /// Pixels.
    public var blurSigmaMin: Float = 0.1
    public var blurSigmaMax: Float = 2
    /// How many operations RandAugment draws; the kinds with it.
    public var randAugmentOperations: Int = 2
    /// 0 to 30.
    public var randAugmentMagnitude: Float = 9
    /// Of the kinds with a warp.
    public var warpProbability: Float = 0.5
    /// How far a control point goes: each coordinate by a normal variate times a length of up to
    /// this share of the smaller side.
    public var warpStrength: Float = 23.0 / 224
    /// What shears, translations, rotations and cutout put where there is no image.
    public var fill: Float = 0.5
    /// AutoAugment and RandAugment: share of the smaller side that a square of `fill` has, the last
    /// operation; 0: none.
    public var cutout: Float = 0

    private init(_ kind: Kind) { self.kind = kind }

    public static func defaults(_ kind: Kind = .simclr) -> AugmentationOptions {
        AugmentationOptions(kind)
    }

    /// Errors: argument.
    public func validate() throws(SupConError) {
        try range("crop scale", cropScaleMin, cropScaleMax, atMost: 1)
        try range("crop ratio", cropRatioMin, cropRatioMax, atMost: .greatestFiniteMagnitude)
        try range("blur sigma", blurSigmaMin, blurSigmaMax, atMost: .greatestFiniteMagnitude)
        for (name, p) in [
            ("flip", flipProbability), ("jitter", jitterProbability), ("gray", grayProbability),
            ("warp", warpProbability),
        ] {
            try require(p >= 0 && p <= 1, .argument, "\(name) probability is \(p); expected 0 to 1")
        }
        try require(
            blurProbability == -1 || blurProbability >= 0 && blurProbability <= 1, .argument,
            """
            blur probability is \(blurProbability); expected 0 to 1, or -1 for 0.5 from 128 \
            pixels on
            """
        )
        for (name, x) in [
            ("brightness", brightness), ("contrast", contrast), ("saturation", saturation),
        ] {
            try require(x >= 0 && x.isFinite, .argument, "\(name) is \(x); expected 0 or more")
        }
        try require(hue >= 0 && hue <= 0.5, .argument, "hue is \(hue); expected 0 to 0.5 turns")
        try require(
            (0...16).contains(randAugmentOperations), .argument,
            "randaugment operations is \(randAugmentOperations); expected 0 to 16")
        try require(
            randAugmentMagnitude >= 0 && randAugmentMagnitude <= 30, .argument,
            "randaugment magnitude is \(randAugmentMagnitude); expected 0 to 30")
        for (name, x) in [("warp strength", warpStrength), ("fill", fill), ("cutout", cutout)] {
            try require(x >= 0 && x <= 1, .argument, "\(name) is \(x); expected 0 to 1")
        }
    }

    private func range(_ name: String, _ low: Float, _ high: Float, atMost most: Float)
        throws(SupConError)
    {
        let limit = most == 1 ? " and at most 1" : " and finite"
        try require(
            low > 0 && low <= most, .argument, "\(name) min is \(low); expected more than 0\(limit)"
        )
        try require(
            high >= low && high <= most, .argument,
            "\(name) max is \(high); expected the minimum, \(low), or more\(limit)")
    }
}
