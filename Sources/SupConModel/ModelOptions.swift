import SupConNetwork
import SupConTensor
import SupConVision

extension ModelOptions {
    /// The configuration of the network, with the stem and the initialization of its blocks
    /// resolved.
    package var configuration: NetworkConfiguration {
        var configuration = NetworkConfiguration()
        configuration.architecture = architecture
        configuration.stem = stem ?? .suiting(height: imageHeight, width: imageWidth)
        (configuration.width, configuration.channels) = (width, channels)
        configuration.zeroInitLastGamma = zeroInitLastGamma ?? architecture.hasBottlenecks
        (
            configuration.head, configuration.headHidden, configuration.projectionDimension,
            configuration.classes
        ) = (head, headHidden, projectionDimension, classes)
        configuration.normalizesFeatures = normalizesFeatures
        return configuration
    }

    /// Throws unless all options are valid. Errors: argument.
    package func validate() throws(SupConError) {
        try configuration.validate()
        try Pixels.checkSize(height: imageHeight, width: imageWidth)
        try Normalization.check(mean: mean, std: std, channels: channels)
    }
}

/// Load options determine how to read a file; those that are set must agree with the file's
/// metadata, if it has any.
public struct LoadOptions: Sendable, Equatable {
    /// The stem; nil: inferred from the shape of the first convolution.
    public var stem: Stem?
    /// The architecture; nil: inferred from the names and shapes of the parameters.
    public var architecture: Architecture?
    /// The precision to compute in, which overrides the metadata; nil: that of the metadata,
    /// including int8, or else bf16 if the CPU multiplies it natively.
    public var precision: Precision?
    /// The height to embed at, in pixels; 0: that of the metadata, or else 32 for a CIFAR stem and
    /// 224 for ImageNet's.
    public var imageHeight = 0
    /// The width to embed at, in pixels; 0: as for the height.
    public var imageWidth = 0
    /// The mean and standard deviation of each channel; nil: those of the metadata, or else
    /// ImageNet's for 3 channels, 0.5 and 0.25 for others.
    public var meanStd: (mean: [Float], std: [Float])?
    /// The way in which images are resized; nil: that of the metadata, or else `squash`.
    public var resizing: Resizing?

    /// Makes options that take everything from the file.
    public init() {}

    /// Compares all options.
    public static func == (a: LoadOptions, b: LoadOptions) -> Bool {
        a.stem == b.stem && a.architecture == b.architecture && a.precision == b.precision
            && a.imageHeight == b.imageHeight && a.imageWidth == b.imageWidth
            && a.resizing == b.resizing && a.meanStd?.mean == b.meanStd?.mean
            && a.meanStd?.std == b.meanStd?.std
    }
}

/// The defaults and checks of the images that models take.
enum Pixels {
    /// The mean of ImageNet's pixels, as in torchvision.
    static let imageNetMean: [Float] = [0.485, 0.456, 0.406]
    static let imageNetStd: [Float] = [0.229, 0.224, 0.225]

    /// Throws unless an image size is valid. Errors: argument.
    static func checkSize(height: Int, width: Int) throws(SupConError) {
        try require(
            (1...65536).contains(height), .argument,
            "image_height is \(height); expected 1 to 65536")
        try require(
            (1...65536).contains(width), .argument, "image_width is \(width); expected 1 to 65536")
    }

    /// Warns in the log if mean and std cannot be those of pixels from 0 to 1.
    static func warnOfScale(mean: [Float], std: [Float]) {
        for (name, values) in [("mean", mean), ("std", std)] {
            guard let channel = values.firstIndex(where: { $0 > 1.5 || $0 < -1.5 }) else {
                continue
            }
            Log.write(
                .warning,
                """
                \(name) of channel \(channel) is \(values[channel]), but pixels are scaled to 0 … \
                1 \
                before; expected a number of that scale: \(values[channel]) / 255 is \
                \(values[channel] / 255)
                """
            )
            return
        }
    }
}
