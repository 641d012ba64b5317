import SupConTensor

extension AugmentationOptions {
    /// Returns the defaults of a kind.
    public static func defaults(_ kind: Kind = .simclr) -> AugmentationOptions {
        var options = AugmentationOptions()
        options.kind = kind
        return options
    }

    /// Throws unless all options are valid. Errors: argument.
    package func validate() throws(SupConError) {
        try validateRanges()
        for (name, low, high) in [
            ("crop_scale", cropScaleMin, cropScaleMax), ("crop_ratio", cropRatioMin, cropRatioMax),
            ("blur_sigma", blurSigmaMin, blurSigmaMax),
        ] {
            try require(
                high >= low, .argument,
                "\(name)_max is \(high); expected \(name)_min, \(low), or more")
        }
    }
}
