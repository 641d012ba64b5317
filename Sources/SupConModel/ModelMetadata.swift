import SupConNetwork
import SupConTensor
import SupConVision

/// The name and version of the library, as written to files.
package enum Library {
    package static let version = "0.2.0"
}

/// Model metadata describes everything about a model except its parameters. In a file it is a list
/// of strings under "supcon.…", with lists in JSON.
struct ModelMetadata: Equatable {
    /// The format version of the files that this library writes, and the highest that it reads.
    static let format = 1

    var configuration: NetworkConfiguration
    var imageHeight: Int
    var imageWidth: Int
    var mean: [Float]
    var std: [Float]
    var resizing = Resizing.squash
    var classNames: [String] = []
    /// The precision; nil: the fastest of the machine that loads the model.
    var precision: Precision?
    /// The quantization of a model that embeds in int8.
    var quantization: Quantization?

    var pairs: [(key: String, value: String)] {
        func text(_ numbers: [Float]) -> String {
            JSON.array(numbers.map { .real(Self.decimal($0)) }).text
        }
        return [
            // PyTorch's tools look for this entry.
            ("format", "pt"),
            ("supcon.format", "\(Self.format)"), ("supcon.library", Library.version),
            ("supcon.architecture", configuration.architecture.rawValue),
            ("supcon.stem", configuration.stem.rawValue),
            ("supcon.width", "\(configuration.width)"),
            ("supcon.channels", "\(configuration.channels)"),
            ("supcon.image_height", "\(imageHeight)"), ("supcon.image_width", "\(imageWidth)"),
            ("supcon.zero_init_last_gamma", configuration.zeroInitLastGamma ? "1" : "0"),
            ("supcon.head", configuration.head.rawValue),
            ("supcon.head_hidden", "\(configuration.headHidden)"),
            ("supcon.projection_dim", "\(configuration.projectionDimension)"),
            ("supcon.normalize_features", configuration.normalizesFeatures ? "1" : "0"),
            ("supcon.classes", "\(configuration.classes)"),
            ("supcon.class_names", JSON.array(classNames.map { .string($0) }).text),
            ("supcon.mean", text(mean)), ("supcon.std", text(std)),
            ("supcon.resize", resizing.rawValue),
            ("supcon.precision", precision?.rawValue ?? "auto"),
        ] + (quantization.map { [("supcon.int8_ranges", text($0.ranges))] } ?? [])
    }

    /// Returns the double with the shortest decimal form that gives back the float.
    private static func decimal(_ number: Float) -> Double {
        guard let short = Double("\(number)"), Float(short) == number else { return Double(number) }
        return short
    }
}

extension ModelMetadata {
    /// Parses the metadata; nil if the file is not this library's. Errors: format.
    init?(_ pairs: [String: String]) throws(SupConError) {
        guard let written = pairs["supcon.format"] else { return nil }
        try Self.checkFormat(written, library: pairs["supcon.library"])
        let fields = MetadataFields(pairs: pairs)
        configuration = NetworkConfiguration()
        configuration.architecture = try fields.choice("architecture", Architecture.self)
        configuration.stem = try fields.choice("stem", Stem.self)
        configuration.width = try fields.integer("width")
        configuration.channels = try fields.integer("channels")
        configuration.zeroInitLastGamma = try fields.flag("zero_init_last_gamma")
        configuration.head = try fields.choice("head", HeadKind.self)
        configuration.headHidden = try fields.integer("head_hidden")
        configuration.projectionDimension = try fields.integer("projection_dim")
        configuration.classes = try fields.integer("classes")
        imageHeight = try fields.integer("image_height")
        imageWidth = try fields.integer("image_width")
        (mean, std) = (try fields.numbers("mean"), try fields.numbers("std"))
        classNames = try fields.strings("class_names")
        precision =
            try fields.text("precision") == "auto"
            ? nil : try fields.choice("precision", Precision.self)
        // Files from before these options existed lack them.
        if fields.has("normalize_features") {
            configuration.normalizesFeatures = try fields.flag("normalize_features")
        }
        if fields.has("resize") { resizing = try fields.choice("resize", Resizing.self) }
        let ranges = fields.has("int8_ranges") ? try fields.numbers("int8_ranges") : nil
        do throws(SupConError) { try validate(ranges: ranges) } catch {
            throw SupConError(.format, "in its metadata \(error.message)")
        }
        try require(
            classNames.isEmpty || classNames.count == configuration.classes, .format,
            "its metadata names \(classNames.count) classes of \(configuration.classes)")
    }

    /// Checks all values, and makes the quantization of `ranges`. Errors: argument.
    private mutating func validate(ranges: [Float]?) throws(SupConError) {
        try configuration.validate()
        try Pixels.checkSize(height: imageHeight, width: imageWidth)
        try Normalization.check(mean: mean, std: std, channels: configuration.channels)
        if let ranges { quantization = try Quantization(ranges: ranges, for: configuration) }
    }

    /// Throws unless this library reads files of the format that is `written`. Errors: format.
    private static func checkFormat(_ written: String, library: String?) throws(SupConError) {
        guard let format = Int(written), format > 0 else {
            throw SupConError(
                .format,
                "its supcon.format is \"\(written.prefix(40))\"; expected a number from 1 on")
        }
        try require(
            format <= Self.format, .format,
            """
            it was written\(library.map { " by libsupcon \($0.prefix(40))" } ?? "") in format \
            \(format); this library (\(Library.version)) reads up to format \(Self.format): \
            update it
            """
        )
    }
}
