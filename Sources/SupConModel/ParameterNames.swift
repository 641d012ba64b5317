import SupConTensor

/// Parameter names map the tensors of a file to the names that this library uses: torchvision's for
/// the encoder and "fc", SupContrast's for the head.
///
/// Prefixes of wrappers are removed ("module.encoder.conv1.weight"); SupContrast's "shortcut"
/// becomes "downsample", and "linear" becomes "fc". timm's names equal torchvision's, but for the
/// shortcuts of its variants d and t: a mean over 2×2 (number 0, without parameters), a 1×1
/// convolution (1) and a norm (2), which become numbers 0 and 1.
struct ParameterNames {
    private let entries: [String: SafetensorsFile.Entry]
    /// Whether shortcuts of stride 2 have a mean over 2×2 before a 1×1 convolution.
    let hasAveragedShortcuts: Bool
    /// The library's names, in the file's order.
    let names: [String]

    static let prefixes = ["module.", "encoder.", "backbone.", "model.", "_orig_mod."]

    /// Maps the names of a file. Errors: format (two tensors would have one name).
    init(_ file: SafetensorsFile) throws(SupConError) {
        var entries: [String: SafetensorsFile.Entry] = [:]
        var names: [String] = []
        let translated = file.entries.map { Self.translated($0.name) }
        hasAveragedShortcuts = translated.contains { $0.hasSuffix(".0.downsample.2.weight") }
        for (entry, given) in zip(file.entries, translated) {
            let name = hasAveragedShortcuts ? Self.renumbered(given) : given
            // Batch norm's count of its steps matters only for training with a cumulative average.
            if name.hasSuffix(".num_batches_tracked") { continue }
            if let other = entries.updateValue(entry, forKey: name) {
                throw SupConError(
                    .format,
                    """
                    \(file.path): tensors \(SafetensorsFile.short(other.name)) and \
                    \(SafetensorsFile.short(entry.name)) are both \
                    \(SafetensorsFile.short(name))
                    """
                )
            }
            names.append(name)
        }
        (self.entries, self.names) = (entries, names)
    }

    subscript(name: String) -> SafetensorsFile.Entry? { entries[name] }

    /// Whether a tensor is the 1×1 convolution after a mean over 2×2, in the place of a 3×3
    /// convolution of this shape.
    func isAveraged(_ entry: SafetensorsFile.Entry, _ shape: [Int]) -> Bool {
        hasAveragedShortcuts && entry.name.contains(".0.downsample.1.weight")
            && entry.shape.count == 4 && Array(entry.shape.suffix(2)) == [1, 1]
            && shape == Array(entry.shape.prefix(2)) + [3, 3]
    }

    /// Returns the name of a shortcut's parameter with a number that is less by 1; other names as
    /// they are.
    private static func renumbered(_ name: String) -> String {
        var parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].hasPrefix("layer"), parts[2] == "downsample" else {
            return name
        }
        if parts[3] == "1" { parts[3] = "0" }
        if parts[3] == "2" { parts[3] = "1" }
        return parts.joined(separator: ".")
    }

    static func translated(_ name: String) -> String {
        var rest = name[...]
        while let prefix = prefixes.first(where: { rest.hasPrefix($0) }) {
            rest = rest.dropFirst(prefix.count)
        }
        var parts = rest.split(separator: ".", omittingEmptySubsequences: false)
        if parts.count == 2, parts[0] == "linear" { parts[0] = "fc" }
        if parts.count == 5, parts[0].hasPrefix("layer"), parts[2] == "shortcut" {
            parts[2] = "downsample"
        }
        return parts.joined(separator: ".")
    }
}
