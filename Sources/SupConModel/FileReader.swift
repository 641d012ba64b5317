import Glibc
import SupConTensor
import SupConVision

/// A file reader reads a regular file at any offset. The file is read and not mapped, since
/// truncation of a mapped file by another process would end this one with a bus error.
final class FileReader {
    let path: RawPath
    let byteCount: Int
    private let descriptor: Int32

    /// Opens a file. Errors: argument, io.
    init(_ path: RawPath) throws(SupConError) {
        // Without O_NONBLOCK, opening a pipe would wait for a writer.
        let descriptor = try path.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        try require(descriptor >= 0, .io, FileSystem.failure("read", path, "open"))
        var status = stat()
        let failure: String? =
            if fstat(descriptor, &status) != 0 {
                FileSystem.failure("read", path, "stat")
            } else if status.st_mode & S_IFMT == S_IFDIR {
                "cannot read \(path): it is a folder"
            } else if status.st_mode & S_IFMT != S_IFREG {
                "cannot read \(path): it is a device, pipe or socket; expected a file"
            } else { nil }
        if let failure {
            close(descriptor)
            throw SupConError(.io, failure)
        }
        (self.path, self.descriptor, byteCount) = (path, descriptor, Int(status.st_size))
    }

    deinit { close(descriptor) }

    /// Reads `count` bytes from `offset` on. Errors: io.
    func read(_ count: Int, at offset: Int, into memory: UnsafeMutableRawPointer)
        throws(SupConError)
    {
        var done = 0
        while done < count {
            let got = pread(descriptor, memory + done, count - done, off_t(offset + done))
            if got < 0 && errno == EINTR { continue }
            try require(got >= 0, .io, FileSystem.failure("read", path, "read"))
            try require(got > 0, .io, "cannot read \(path): it became shorter while it was read")
            done += got
        }
    }
}
