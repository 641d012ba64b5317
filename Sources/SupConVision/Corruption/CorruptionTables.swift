/// Corruption tables hold the published strengths at severities 1 to 5, with lengths in pixels:
/// those of ImageNet-C (make_imagenet_c.py, for images of 224×224) and of CIFAR-10-C
/// (make_cifar_c.py, 32×32). The latter apply to images whose smaller side is at most 64 pixels.
struct CorruptionTables: Sendable {
    struct Blur: Sendable { var radius, alias: Double }
    struct Glass: Sendable { var sigma: Double; var reach, rounds: Int }
    struct Motion: Sendable { var radius: Int; var sigma: Double }
    /// The zoom factors 1, 1 + step, …, `count` in number.
    struct Zoom: Sendable { var count: Int; var step: Double }
    struct Snow: Sendable {
        var mean, deviation, zoom, threshold: Double; var motion: Motion; var fraction: Double
    }
    struct Mix: Sendable { var image, frost: Double }
    struct Fog: Sendable { var amount, decay: Double }
    struct Elastic: Sendable { var alpha, sigma, affine: Double }

    /// The standard deviation of the noise.
    var gaussianNoise: [Double]
    /// The number of photons of white.
    var shotNoise: [Double]
    /// The fraction of the values that change.
    var impulseNoise: [Double]
    var defocusBlur: [Blur]
    var glassBlur: [Glass]
    var motionBlur: [Motion]
    var zoomBlur: [Zoom]
    var snow: [Snow]
    var frost: [Mix]
    var fog: [Fog]
    /// The addition to the value of HSV.
    var brightness: [Double]
    var contrast: [Double]
    var elasticTransform: [Elastic]
    /// The fraction of the side that remains.
    var pixelate: [Double]
    /// The JPEG quality.
    var jpegCompression: [Int]

    static func of(height: Int, width: Int) -> CorruptionTables {
        min(height, width) <= 64 ? cifar : imageNet
    }

    static let imageNet = CorruptionTables(
        gaussianNoise: [0.08, 0.12, 0.18, 0.26, 0.38],
        shotNoise: [60, 25, 12, 5, 3],
        impulseNoise: [0.03, 0.06, 0.09, 0.17, 0.27],
        defocusBlur: blurs([(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)]),
        glassBlur: glasses([(0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)]),
        motionBlur: motions([(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)]),
        // The counts are those of np.arange(1, 1.11, 0.01) and the like in floating point: the
        // first includes 1.11.
        zoomBlur: zooms([(12, 0.01), (16, 0.01), (11, 0.02), (13, 0.02), (11, 0.03)]),
        snow: snows([
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7), (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ]),
        frost: mixes([(1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)]),
        fog: fogs([(1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)]),
        brightness: [0.1, 0.2, 0.3, 0.4, 0.5],
        contrast: [0.4, 0.3, 0.2, 0.1, 0.05],
        elasticTransform: elastics(
            244,
            [
                (2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02),
                (0.12, 0.01, 0.02),
            ]),  // 244 as published
        pixelate: [0.6, 0.5, 0.4, 0.3, 0.25],
        jpegCompression: [25, 18, 15, 10, 7])

    static let cifar = CorruptionTables(
        gaussianNoise: [0.04, 0.06, 0.08, 0.09, 0.10],
        shotNoise: [500, 250, 100, 75, 50],
        impulseNoise: [0.01, 0.02, 0.03, 0.05, 0.07],
        defocusBlur: blurs([(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)]),
        glassBlur: glasses([(0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)]),
        motionBlur: motions([(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)]),
        zoomBlur: zooms([(7, 0.01), (12, 0.01), (16, 0.01), (21, 0.01), (26, 0.01)]),
        snow: snows([
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9), (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ]),
        frost: mixes([(1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)]),
        fog: fogs([(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)]),
        brightness: [0.05, 0.1, 0.15, 0.2, 0.3],
        contrast: [0.75, 0.5, 0.4, 0.3, 0.15],
        elasticTransform: elastics(
            32,
            [
                (0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05),
                (0.1, 0.03, 0.03),
            ]),
        pixelate: [0.95, 0.9, 0.85, 0.75, 0.65],
        jpegCompression: [80, 65, 58, 50, 40])

    private static func blurs(_ rows: [(Double, Double)]) -> [Blur] {
        rows.map { Blur(radius: $0.0, alias: $0.1) }
    }
    private static func glasses(_ rows: [(Double, Int, Int)]) -> [Glass] {
        rows.map { Glass(sigma: $0.0, reach: $0.1, rounds: $0.2) }
    }
    private static func motions(_ rows: [(Int, Double)]) -> [Motion] {
        rows.map { Motion(radius: $0.0, sigma: $0.1) }
    }
    private static func zooms(_ rows: [(Int, Double)]) -> [Zoom] {
        rows.map { Zoom(count: $0.0, step: $0.1) }
    }
    private static func mixes(_ rows: [(Double, Double)]) -> [Mix] {
        rows.map { Mix(image: $0.0, frost: $0.1) }
    }
    private static func fogs(_ rows: [(Double, Double)]) -> [Fog] {
        rows.map { Fog(amount: $0.0, decay: $0.1) }
    }
    private static func snows(_ rows: [(Double, Double, Double, Double, Int, Double, Double)])
        -> [Snow]
    {
        rows.map {
            Snow(
                mean: $0.0, deviation: $0.1, zoom: $0.2, threshold: $0.3,
                motion: Motion(radius: $0.4, sigma: $0.5), fraction: $0.6)
        }
    }
    private static func elastics(_ side: Double, _ rows: [(Double, Double, Double)]) -> [Elastic] {
        rows.map { Elastic(alpha: side * $0.0, sigma: side * $0.1, affine: side * $0.2) }
    }
}
