import Glibc
import SupConTensor
import Synchronization

/// Files that are there in full or not at all: written under a temporary name in the same folder,
/// synced, renamed; then the folder is synced, so that a power cut keeps either the old or the new.
public enum AtomicFile {
    /// Writes `parts`, one after another, to the file `path`. Links are followed; what was there
    /// keeps its name until the new file is whole. Errors: argument, io.
    public static func write(_ path: String, _ parts: [UnsafeRawBufferPointer]) throws(SupConError)
    {
        try write(path, parts) { Glibc.write($0, $1, $2) }
    }

    /// The same with the system's `write` as an argument, so that tests can let the disk be full.
    static func write(
        _ path: String, _ parts: [UnsafeRawBufferPointer],
        by put: (Int32, UnsafeRawPointer, Int) -> Int
    ) throws(SupConError) {
        try FileSystem.check(path)
        let target = try destination(of: path)
        let folder = FileSystem.folder(of: target)
        let (descriptor, temporary) = try create(in: folder, for: path)
        var isOpen = true
        do {
            for part in parts { try writeFully(part, to: descriptor, path: path, by: put) }
            try require(fsync(descriptor) == 0, .io, FileSystem.failure("write", path, "fsync"))
            isOpen = false
            // Some network file systems tell only now that there was no room.
            try require(close(descriptor) == 0, .io, FileSystem.failure("write", path, "close"))
            try require(
                rename(temporary, target) == 0, .io, FileSystem.failure("write", path, "rename"))
        } catch {
            if isOpen { close(descriptor) }
            unlink(temporary)
            throw error
        }
        try syncFolder(folder, path: path)
    }

    /// What a rename to `path` has to replace: the file that a link leads to. A device or a folder
    /// is refused: renaming would take its place. Errors: io.
    private static func destination(of path: String) throws(SupConError) -> String {
        var status = stat()
        guard stat(path, &status) == 0 else { return path }
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
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private static let counter = Atomic<Int>(0)

    /// A new file with a name that nobody else has. Errors: io.
    private static func create(in folder: String, for path: String) throws(SupConError) -> (
        descriptor: Int32, name: String
    ) {
        // A killed process may have left its temporary file, and its number may be ours now.
        for _ in 0..<1000 {
            let name =
                """
                \(folder)/.supcon-\(getpid())-\(counter.wrappingAdd(1, ordering: .relaxed).newValue).tmp
                """
            let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            if descriptor >= 0 { return (descriptor, name) }
            try require(
                errno == EEXIST || errno == EINTR, .io,
                FileSystem.failure("write", path, "making a temporary file in \(folder)"))
        }
        throw SupConError(
            .io,
            """
            cannot write \(path): a thousand temporary files of former runs are in \(folder); \
            remove .supcon-*.tmp there
            """
        )
    }

    private static func writeFully(
        _ part: UnsafeRawBufferPointer, to descriptor: Int32, path: String,
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

    /// Errors: io.
    private static func syncFolder(_ folder: String, path: String) throws(SupConError) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        // A folder that may be written but not read cannot be synced; the file itself has been.
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        // EINVAL: a file system without this.
        try require(
            fsync(descriptor) == 0 || errno == EINVAL, .io,
            FileSystem.failure("write", path, "fsync of its folder"))
    }
}

/// Words and checks that reading and writing share.
enum FileSystem {
    /// "cannot read m.safetensors: open: No such file or directory", by `errno`.
    static func failure(_ verb: String, _ path: String, _ step: String) -> String {
        let code = errno
        return "cannot \(verb) \(path): \(step): \(String(cString: strerror(code)))"
    }

    /// Errors: argument.
    static func check(_ path: String) throws(SupConError) {
        try require(!path.isEmpty, .argument, "path is empty; expected the name of a file")
        try require(
            !path.utf8.contains(0), .argument, "path contains a NUL; expected the name of a file")
    }

    static func folder(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
