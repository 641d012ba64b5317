import Glibc
import SupConModel
import SupConTensor

/// Where a run keeps last.supcon, to go on from, and best.safetensors, the model with the best
/// kNN@1.
struct CheckpointFolder {
    let last: String
    let best: String

    /// Makes the folder, its parents too, and sees that it can be written to, before hours have
    /// been spent. Errors: io.
    init(_ path: String) throws(SupConError) {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made += (made.isEmpty || made.hasSuffix("/") ? "" : "/") + part
            if mkdir(made, 0o777) != 0, errno != EEXIST {
                throw SupConError(
                    .io,
                    "cannot make the checkpoint folder \(made): \(String(cString: strerror(errno)))"
                )
            }
        }
        var information = stat()
        try require(
            stat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR, .io,
            "checkpoint_folder \"\(path)\" is not a folder")
        try require(
            access(path, W_OK | X_OK) == 0, .io,
            "cannot write into the checkpoint folder \(path): \(String(cString: strerror(errno)))")
        last = path + "/" + Checkpoint.fileName
        best = path + "/" + Checkpoint.bestFileName
    }

    var hasLast: Bool { access(last, F_OK) == 0 }

    /// The best model's parameters so far, in the form of `model`, which keeps its own; nil if they
    /// are not there. Errors: io, format, memory.
    func readBest(_ model: Model) throws(SupConError) -> Model.Snapshot? {
        guard access(best, F_OK) == 0 else { return nil }
        let file = try SafetensorsFile(best)
        let parameters = model.network.parameters
        let now = try model.snapshot()
        for entry in parameters.entries {
            guard let stored = file.entry(named: entry.name), stored.shape == entry.shape else {
                throw SupConError(
                    .format,
                    "\(best) lacks \(entry.name) of shape \(entry.shape): it is of another model")
            }
            try file.read(stored, into: now.values.floats + entry.offset)
        }
        return now
    }
}
