import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// A checkpoint holds everything that a run needs in order to continue: the parameters, the state
/// of the optimizer and of the weights' average, and the progress of the run. It is a safetensors
/// file, written atomically. Random numbers need no state, since they are a function of (seed,
/// epoch, sample, view).
struct Checkpoint {
    static let fileName = "last.supcon"
    static let bestFileName = "best.safetensors"
    private static let parameterPrefix = "model."
    private static let formatVersion = "1"

    /// The number of completed epochs.
    var epoch = 0
    var bestAccuracy = -1.0
    var validationsWithoutGain = 0
    /// The factor by which the callback has multiplied the learning rate.
    var rateFactor = 1.0
    static let rateFactors = 1e-12...1e12
    /// The settings that a run and its continuation must share, as names and values.
    var run: [(key: String, value: String)] = []

    /// Writes the checkpoint. Errors: io.
    func write(_ path: RawPath, _ parameters: ParameterStore, _ state: [StateBuffer])
        throws(SupConError)
    {
        let metadata =
            [
                (key: "supcon.checkpoint", value: Self.formatVersion),
                (key: "epoch", value: "\(epoch)"), (key: "best_accuracy", value: "\(bestAccuracy)"),
                (key: "validations_without_gain", value: "\(validationsWithoutGain)"),
                (key: "rate_factor", value: "\(rateFactor)"),
            ] + run
        let tensors =
            parameters.entries.map {
                Safetensors.Tensor(
                    Self.parameterPrefix + $0.name, shape: $0.shape, parameters.pointer($0))
            }
            + state.map { Safetensors.Tensor($0.name, shape: $0.shape, $0.values) }
        try Safetensors.write(path, tensors, metadata: metadata)
    }

    /// A checkpoint file that matches this run. Its arrays have not been read yet.
    struct Found {
        var checkpoint: Checkpoint
        fileprivate var file: SafetensorsFile
        /// The entries of the parameters, in their order, then those of the state.
        fileprivate var entries: [SafetensorsFile.Entry]
    }

    /// Opens the file and checks that it belongs to this run and model. `state` describes what is
    /// stored beside the parameters; `run` describes this run. Errors: io, format, state (of
    /// another run).
    static func find(
        _ path: RawPath, _ parameters: ParameterStore, _ state: [StateBuffer],
        run: [(key: String, value: String)]
    ) throws(SupConError) -> Found {
        let file = try SafetensorsFile(path)
        let metadata = file.metadata
        try require(
            metadata["supcon.checkpoint"] == formatVersion, .format,
            """
            \(path) is not a checkpoint that this version reads: supcon.checkpoint is \
            \(metadata["supcon.checkpoint"].map { "\"\($0)\"" } ?? "not there"); expected \
            \"\(formatVersion)\"
            """
        )
        for (key, value) in run {
            try require(
                metadata[key] == value, .state,
                """
                \(path) is of another run: its \(key) is \(metadata[key] ?? "not there"), \
                this run's is \(value); give the same, or another checkpoint_folder
                """
            )
        }
        func number<N: LosslessStringConvertible>(
            _ key: String, _ expected: String, _ isPossible: (N) -> Bool
        ) throws(SupConError) -> N {
            guard let value = metadata[key].flatMap({ N($0) }), isPossible(value) else {
                let found = metadata[key].map { "\"\($0.prefix(40))\"" } ?? "not there"
                throw SupConError(.format, "\(path): \(key) is \(found); expected \(expected)")
            }
            return value
        }
        var checkpoint = Checkpoint(run: run)
        checkpoint.epoch = try number("epoch", "0 to \(Int32.max)") {
            (0...Int(Int32.max)).contains($0)
        }
        checkpoint.bestAccuracy = try number("best_accuracy", "0 to 1, or -1 for none") {
            (0...1).contains($0) || $0 == -1
        }
        checkpoint.validationsWithoutGain = try number(
            "validations_without_gain", "0 to the \(checkpoint.epoch) epochs that are done"
        ) { (0...checkpoint.epoch).contains($0) }
        checkpoint.rateFactor = try number("rate_factor", "1e-12 to 1e12") {
            rateFactors.contains($0)
        }
        let wanted =
            parameters.entries.map { (name: parameterPrefix + $0.name, shape: $0.shape) }
            + state.map { (name: $0.name, shape: $0.shape) }
        var entries: [SafetensorsFile.Entry] = []
        for (name, shape) in wanted {
            guard let entry = file.entry(named: name) else {
                throw SupConError(.format, "\(path) has no tensor \(name): it is of another model")
            }
            try require(
                entry.shape == shape, .format,
                """
                \(path): \(name) has the shape \(entry.shape); expected \(shape): it is of \
                another model
                """
            )
            entries.append(entry)
        }
        return Found(checkpoint: checkpoint, file: file, entries: entries)
    }
}

extension Checkpoint.Found {
    /// Reads the arrays into the parameters and the state. A file that cannot be read completely
    /// changes nothing. `state` is that given to `find`. Errors: io, format, memory.
    func read(into parameters: ParameterStore, _ state: [StateBuffer]) throws(SupConError)
        -> Checkpoint
    {
        let buffers =
            parameters.entries.map { StateBuffer($0.name, $0, parameters.pointer($0)) } + state
        let values = try AlignedBuffer(Float.self, count: buffers.reduce(0) { $0 + $1.count })
        var offset = 0
        for (buffer, entry) in zip(buffers, entries) {
            try file.read(entry, into: values.floats + offset)
            if let impossible = buffer.impossible(in: values.floats + offset) {
                throw SupConError(.format, "\(file.path): \(impossible)")
            }
            offset += buffer.count
        }
        offset = 0
        for buffer in buffers {
            buffer.values.update(from: values.floats + offset, count: buffer.count)
            offset += buffer.count
        }
        return checkpoint
    }
}
