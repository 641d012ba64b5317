import Glibc
import SupConTensor
import SupConVision

/// An atomic file is either complete or absent: it is written under a temporary name in the same
/// folder, synced, and renamed; then the folder is synced, so that after a power cut there is
/// either the old file or the new one.
package enum AtomicFile {
    /// Writes `parts`, one after another, to the file `path`. Links are followed, and the old file
    /// keeps its name until the new one is complete. Temporary files that killed processes have
    /// left in the folder are removed. Errors: argument, io.
    package static func write(_ path: RawPath, _ parts: [UnsafeRawBufferPointer])
        throws(SupConError)
    {
        try write(path, parts) { Glibc.write($0, $1, $2) }
    }

    /// Writes the file through a replacement of the system's `write`, with which tests simulate a
    /// full disk.
    static func write(
        _ path: RawPath, _ parts: [UnsafeRawBufferPointer],
        by put: (Int32, UnsafeRawPointer, Int) -> Int
    ) throws(SupConError) {
        let target = try destination(of: path)
        TemporaryFile.sweep(target.folder)
        let file = try TemporaryFile(in: target.folder, for: path)
        for part in parts { try writeFully(part, to: file.descriptor, path: path, by: put) }
        try file.rename(to: target, for: path)
        try syncFolder(target.folder, path: path)
    }

    /// Returns the path that a rename to `path` must replace: the file that a link leads to. A
    /// device or a folder is an error, since the file would replace it. Errors: argument, io.
    private static func destination(of path: RawPath) throws(SupConError) -> RawPath {
        var status = stat()
        guard try path.withCString({ stat($0, &status) }) == 0 else { return path }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw SupConError(.io, "cannot write \(path): it is a folder")
        default:
            throw SupConError(
                .io,
                """
                cannot write \(path): it is neither a file nor a new name but a device, pipe \
                or socket
                """
            )
        }
        guard let resolved = try path.withCString({ realpath($0, nil) }) else { return path }
        defer { free(resolved) }
        return RawPath(cString: resolved)
    }

    private static func writeFully(
        _ part: UnsafeRawBufferPointer, to descriptor: Int32, path: RawPath,
        by put: (Int32, UnsafeRawPointer, Int) -> Int
    ) throws(SupConError) {
        guard var from = part.baseAddress else { return }
        var left = part.count
        while left > 0 {
            let count = put(descriptor, from, left)
            if count < 0 && errno == EINTR { continue }
            try require(
                count > 0, .io,
                count == 0
                    ? "cannot write \(path): the system takes no more bytes"
                    : FileSystem.failure("write", path, "write"))
            from += count
            left -= count
        }
    }

    /// Syncs the folder. Errors: io.
    private static func syncFolder(_ folder: RawPath, path: RawPath) throws(SupConError) {
        let descriptor = try folder.withCString { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        // A folder that may be written but not read cannot be synced; the file itself has been.
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        // EINVAL means that the file system does not support it.
        try require(
            fsync(descriptor) == 0 || errno == EINVAL, .io,
            FileSystem.failure("write", path, "fsync of its folder"))
    }
}

enum FileSystem {
    /// Returns the error of a failed step by `errno`, such as "cannot read m.safetensors: open: No
    /// such file or directory".
    static func failure(_ verb: String, _ path: RawPath, _ step: String) -> String {
        "cannot \(verb) \(path): \(step): \(systemMessage(errno))"
    }
}
