import Glibc
import SupConModel
import SupConTensor
import SupConVision

/// A checkpoint folder holds last.supcon, from which a run resumes, and best.safetensors, the model
/// with the best kNN@1.
struct CheckpointFolder {
    let last: RawPath
    let best: RawPath

    /// Creates the folder and its parents, and checks that it is writable before hours have been
    /// spent. Errors: argument, io.
    init(_ path: RawPath) throws(SupConError) {
        let slash = UInt8(ascii: "/")
        var made: [UInt8] = path.bytes.first == slash ? [slash] : []
        for part in path.bytes.split(separator: slash) {
            made += (made.isEmpty || made.last == slash ? [] : [slash]) + part
            let folder = RawPath(bytes: made)
            if try folder.withCString({ mkdir($0, 0o777) }) != 0, errno != EEXIST {
                throw SupConError(
                    .io, "cannot make the checkpoint folder \(folder): \(systemMessage(errno))")
            }
        }
        var information = stat()
        try require(
            try path.withCString({ stat($0, &information) }) == 0
                && information.st_mode & S_IFMT == S_IFDIR, .io,
            "checkpoint_folder \"\(path)\" is not a folder")
        try require(
            try path.withCString({ access($0, W_OK | X_OK) }) == 0, .io,
            "cannot write into the checkpoint folder \(path): \(systemMessage(errno))")
        last = path.appending(Array(Checkpoint.fileName.utf8))
        best = path.appending(Array(Checkpoint.bestFileName.utf8))
    }

    var hasLast: Bool { Self.exists(last) }

    private static func exists(_ path: RawPath) -> Bool {
        (try? path.withCString { access($0, F_OK) == 0 }) ?? false
    }

    /// Reads the parameters of the best model so far, in the form of `model`, which keeps its own.
    /// Returns nil if the file does not exist. Errors: io, format, memory.
    func readBest(_ model: Model) throws(SupConError) -> Model.Snapshot? {
        guard Self.exists(best) else { return nil }
        let file = try SafetensorsFile(best)
        let parameters = model.network.parameters
        let now = try model.snapshot()
        for entry in parameters.entries {
            guard let stored = file.entry(named: entry.name), stored.shape == entry.shape else {
                throw SupConError(
                    .format,
                    "\(best) lacks \(entry.name) of shape \(entry.shape): it is of another model")
            }
            let values = now.values.floats + entry.offset
            try file.read(stored, into: values)
            if let impossible = StateBuffer(entry.name, entry, values).impossible(in: values) {
                throw SupConError(.format, "\(best): \(impossible)")
            }
        }
        return now
    }
}
