import SupConTensor
import SupConVision

/// The configuration that timm keeps beside a file of weights (config.json) names the model. Some
/// of timm's models have the parameters of another one, and other layers between them, so that
/// their files cannot be told apart by tensors.
enum TimmConfiguration {
    /// The longest configuration that is looked at, in bytes; timm's have about a thousand.
    private static let longest = 1 << 20

    /// Throws if the configuration beside a file of weights names a model whose layers this library
    /// lacks. A configuration that is missing, or is not timm's, says nothing. Errors: format.
    static func check(beside path: RawPath) throws(SupConError) {
        let beside = path.folder.appending(Array("config.json".utf8))
        guard let said = try? read(beside), let reason = layersWeLack(said) else { return }
        throw SupConError(
            .format, "\(path) is \(reason), by \(beside): layers that this library does not have")
    }

    private static func read(_ path: RawPath) throws(SupConError) -> JSON? {
        let file = try FileReader(path)
        guard (1...longest).contains(file.byteCount) else { return nil }
        let memory = try AlignedBuffer(byteCount: file.byteCount)
        try file.read(file.byteCount, at: 0, into: memory.pointer)
        return try JSON(
            parsing: UnsafeRawBufferPointer(start: memory.pointer, count: file.byteCount))
    }

    /// Returns the model and its unknown layers in words; nil: there are none.
    private static func layersWeLack(_ said: JSON) -> String? {
        guard
            let name = said["architecture"]?.string
                ?? said["pretrained_cfg"]?["architecture"]?.string
        else { return nil }
        if isAntiAliased(name) { return "timm's anti-aliased \(name)" }
        guard let options = said["model_args"] else { return nil }
        if let layer = options["aa_layer"]?.string, !layer.isEmpty {
            return "timm's \(name) with the aa_layer \(layer)"
        }
        if let layer = options["act_layer"]?.string, layer.lowercased() != "relu" {
            return "timm's \(name) with the act_layer \(layer)"
        }
        if let stride = options["output_stride"]?.integer, stride != 32 {
            return "timm's \(name) with the output_stride \(stride)"
        }
        return nil
    }

    /// Whether a name has "aa" or "blur" before a number, as in resnetaa50 and resnetblur50d.
    private static func isAntiAliased(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        return ["aa", "blur"].contains { mark in
            bytes.indices.contains { start in
                let rest = bytes[start...]
                return rest.starts(with: mark.utf8)
                    && rest.dropFirst(mark.utf8.count).first.map { (48...57).contains($0) } == true
            }
        }
    }
}
