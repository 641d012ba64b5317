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
        let library = pairs["supcon.library"].map { " by libsupcon \($0.prefix(40))" } ?? ""
        guard let format = Int(written), format > 0 else {
            throw SupConError(
                .format,
                "its supcon.format is \"\(written.prefix(40))\"; expected a number from 1 on")
        }
        try require(
            format <= Self.format, .format,
            """
            it was written\(library) in format \(format); this library (\(Library.version)) \
            reads up to format \(Self.format): update it
            """
        )
        func text(_ key: String) throws(SupConError) -> String {
            guard let text = pairs["supcon." + key] else {
                throw SupConError(.format, "its metadata has no supcon.\(key)")
            }
            return text
        }
        func bad(_ key: String, _ text: String, _ expected: String) -> SupConError {
            SupConError(
                .format, "its supcon.\(key) is \"\(text.prefix(100))\"; expected \(expected)")
        }
        func integer(_ key: String) throws(SupConError) -> Int {
            let text = try text(key)
            guard let number = Int(text) else { throw bad(key, text, "an integer") }
            return number
        }
        func flag(_ key: String) throws(SupConError) -> Bool {
            let number = try integer(key)
            guard number == 0 || number == 1 else { throw bad(key, "\(number)", "0 or 1") }
            return number == 1
        }
        func choice<T: RawRepresentable & CaseIterable>(_ key: String, _ type: T.Type)
            throws(SupConError) -> T where T.RawValue == String
        {
            let text = try text(key)
            guard let value = T(rawValue: text) else {
                throw bad(key, text, "one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            return value
        }
        func list(_ key: String) throws(SupConError) -> [JSON] {
            let text = try text(key)
            guard let values = try JSON(parsing: text).array else {
                throw bad(key, text, "a JSON array")
            }
            return values
        }
        func numbers(_ key: String) throws(SupConError) -> [Float] {
            let values = try list(key).map { $0.number }
            guard values.allSatisfy({ $0 != nil }) else { throw bad(key, try text(key), "numbers") }
            return values.compactMap { $0.map(Float.init) }
        }
        var configuration = NetworkConfiguration()
        configuration.architecture = try choice("architecture", Architecture.self)
        configuration.stem = try choice("stem", Stem.self)
        configuration.width = try integer("width")
        configuration.channels = try integer("channels")
        configuration.zeroInitLastGamma = try flag("zero_init_last_gamma")
        configuration.head = try choice("head", HeadKind.self)
        configuration.headHidden = try integer("head_hidden")
        configuration.projectionDimension = try integer("projection_dim")
        configuration.classes = try integer("classes")
        // Files from before there was a choice lack it.
        configuration.normalizesFeatures =
            pairs["supcon.normalize_features"] == nil
            ? false : try flag("normalize_features")
        (imageHeight, imageWidth) = (try integer("image_height"), try integer("image_width"))
        (mean, std) = (try numbers("mean"), try numbers("std"))
        resizing = pairs["supcon.resize"] == nil ? .squash : try choice("resize", Resizing.self)
        let ranges = pairs["supcon.int8_ranges"] == nil ? nil : try numbers("int8_ranges")
        let names = try list("class_names")
        classNames = names.compactMap(\.string)
        try require(
            classNames.count == names.count, .format,
            "its supcon.class_names is not an array of strings")
        precision = try text("precision") == "auto" ? nil : try choice("precision", Precision.self)
        self.configuration = configuration
        do throws(SupConError) {
            try configuration.validate()
            try Pixels.checkSize(height: imageHeight, width: imageWidth)
            try Pixels.check(mean: mean, std: std, channels: configuration.channels)
            quantization = try ranges.map { (ranges) throws(SupConError) in
                try Quantization(ranges: ranges, for: configuration)
            }
        } catch {
            throw SupConError(.format, "in its metadata \(error.message)")
        }
        try require(
            classNames.isEmpty || classNames.count == configuration.classes, .format,
            "its metadata names \(classNames.count) classes of \(configuration.classes)")
    }
}
