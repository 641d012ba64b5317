/// The fifteen corruptions of ImageNet-C: Hendrycks and Dietterich, "Benchmarking neural network
/// robustness to common corruptions and perturbations" (arXiv:1903.12261). `CorruptionTables` has
/// their strengths.
public enum Corruption: Int32, Sendable, CaseIterable, CustomStringConvertible {
    case gaussianNoise = 0, shotNoise, impulseNoise, defocusBlur, glassBlur, motionBlur, zoomBlur,
        snow, frost, fog, brightness, contrast, elasticTransform, pixelate
    case jpegCompression

    /// The name of the benchmark's files, such as "gaussian_noise".
    public var description: String {
        switch self {
        case .gaussianNoise: "gaussian_noise"
        case .shotNoise: "shot_noise"
        case .impulseNoise: "impulse_noise"
        case .defocusBlur: "defocus_blur"
        case .glassBlur: "glass_blur"
        case .motionBlur: "motion_blur"
        case .zoomBlur: "zoom_blur"
        case .snow: "snow"
        case .frost: "frost"
        case .fog: "fog"
        case .brightness: "brightness"
        case .contrast: "contrast"
        case .elasticTransform: "elastic_transform"
        case .pixelate: "pixelate"
        case .jpegCompression: "jpeg_compression"
        }
    }
}
