import SupConTensor

/// Parameter names map the tensors of a file to the names that this library uses: torchvision's for
/// the encoder and "fc", SupContrast's for the head.
///
/// Prefixes of wrappers are removed ("module.encoder.conv1.weight"); SupContrast's "shortcut"
/// becomes "downsample", and "linear" becomes "fc". timm's names equal torchvision's.
struct ParameterNames {
    private let entries: [String: SafetensorsFile.Entry]
    /// The library's names, in the file's order.
    let names: [String]

    static let prefixes = ["module.", "encoder.", "backbone.", "model.", "_orig_mod."]

    /// Maps the names of a file. Errors: format (two tensors would have one name).
    init(_ file: SafetensorsFile) throws(SupConError) {
        var entries: [String: SafetensorsFile.Entry] = [:]
        var names: [String] = []
        for entry in file.entries {
            let name = Self.translated(entry.name)
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
