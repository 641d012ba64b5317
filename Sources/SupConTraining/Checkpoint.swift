import SupConModel
import SupConNetwork
import SupConTensor

/// Everything that a run needs to go on: parameters, the optimiser's velocity, and where it was. A safetensors file, written whole or not at all; random numbers need no state, they are named by
/// (seed, epoch, sample, view).
struct Checkpoint {
    static let fileName = "last.supcon"
    static let bestFileName = "best.safetensors"
    private static let velocityName = "optimizer.velocity"
    private static let parameterPrefix = "model."
    private static let formatVersion = "1"

    /// Epochs that are done.
    var epoch = 0
    var bestAccuracy = -1.0
    var validationsWithoutGain = 0
    /// What must not change between a run and its continuation, in words.
    var run: [(key: String, value: String)] = []

    /// Errors: io.
    func write(_ path: String, _ parameters: ParameterStore, _ optimizer: SGD) throws(SupConError) {
        let metadata =
            [
                (key: "supcon.checkpoint", value: Self.formatVersion), (key: "epoch", value: "\(epoch)"), (key: "best_accuracy", value: "\(bestAccuracy)"),
                (key: "validations_without_gain", value: "\(validationsWithoutGain)"),
            ] + run
        let tensors =
            parameters.entries.map { Safetensors.Tensor(Self.parameterPrefix + $0.name, shape: $0.shape, parameters.pointer($0)) }
            + [Safetensors.Tensor(Self.velocityName, shape: [parameters.trainableCount], optimizer.velocity.floats)]
        try Safetensors.write(path, tensors, metadata: metadata)
    }

    /// A checkpoint's file that fits this run; its numbers are still to be read.
    struct Found {
        var checkpoint: Checkpoint
        fileprivate var file: SafetensorsFile
        /// The parameters' in their order, then the velocity's.
        fileprivate var entries: [SafetensorsFile.Entry]
    }

    /// Opens the file and sees that it is of this run and model. `run`: what this run is. Errors: io, format, state (of another run).
    static func find(_ path: String, _ parameters: ParameterStore, run: [(key: String, value: String)]) throws(SupConError) -> Found {
        let file = try SafetensorsFile(path)
        let metadata = file.metadata
        try require(
            metadata["supcon.checkpoint"] == formatVersion, .format,
            "\(path) is not a checkpoint that this version reads: supcon.checkpoint is \(metadata["supcon.checkpoint"].map { "\"\($0)\"" } ?? "not there"); expected \"\(formatVersion)\"")
        for (key, value) in run {
            try require(
                metadata[key] == value, .state,
                "\(path) is of another run: its \(key) is \(metadata[key] ?? "not there"), this run's is \(value); give the same, or another checkpoint_folder")
        }
        func number<N: LosslessStringConvertible>(_ key: String, _: N.Type) throws(SupConError) -> N {
            guard let value = metadata[key].flatMap({ N($0) }) else {
                throw SupConError(.format, "\(path): \(key) is \(metadata[key].map { "\"\($0)\"" } ?? "not there"); expected a number")
            }
            return value
        }
        var checkpoint = Checkpoint(run: run)
        checkpoint.epoch = try number("epoch", Int.self)
        checkpoint.bestAccuracy = try number("best_accuracy", Double.self)
        checkpoint.validationsWithoutGain = try number("validations_without_gain", Int.self)
        try require(checkpoint.epoch >= 0, .format, "\(path): epoch is \(checkpoint.epoch); expected 0 or more")
        var wanted = parameters.entries.map { (name: parameterPrefix + $0.name, shape: $0.shape) }
        wanted.append((velocityName, [parameters.trainableCount]))
        var entries: [SafetensorsFile.Entry] = []
        for (name, shape) in wanted {
            guard let entry = file.entry(named: name) else { throw SupConError(.format, "\(path) has no tensor \(name): it is of another model") }
            try require(entry.shape == shape, .format, "\(path): \(name) has the shape \(entry.shape); expected \(shape): it is of another model")
            entries.append(entry)
        }
        return Found(checkpoint: checkpoint, file: file, entries: entries)
    }
}

extension Checkpoint.Found {
    /// Reads the numbers; what cannot be read to its end changes nothing. Errors: io, format, memory.
    func read(into parameters: ParameterStore, _ optimizer: SGD) throws(SupConError) -> Checkpoint {
        let values = try AlignedBuffer(Float.self, count: parameters.count + parameters.trainableCount)
        for (place, entry) in entries.enumerated() {
            let offset = place < parameters.entries.count ? parameters.entries[place].offset : parameters.count
            try file.read(entry, into: values.floats + offset)
        }
        parameters.values.update(from: values.floats, count: parameters.count)
        optimizer.velocity.floats.update(from: values.floats + parameters.count, count: parameters.trainableCount)
        return checkpoint
    }
}
