import Glibc
import SupConTensor

/// A file input is a regular file that is open for reading; it is closed with the object.
final class FileInput {
    let path: RawPath
    /// The size in bytes when the file was opened.
    let size: Int
    private let descriptor: Int32

    /// Opens a file. Errors: argument (an impossible path), io.
    init(_ path: RawPath) throws(SupConError) {
        // With O_NONBLOCK, opening a pipe does not wait; it has no effect on files.
        let (descriptor, reason) = try path.withCString { name in
            retrying { Int(open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) }
        }
        try require(descriptor >= 0, .io, "\(path): cannot be opened: \(systemMessage(reason))")
        var status = stat()
        guard fstat(Int32(descriptor), &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(Int32(descriptor))
            throw SupConError(.io, "\(path): is not a regular file")
        }
        self.path = path
        self.descriptor = Int32(descriptor)
        size = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// Reads `count` bytes from `offset` on. Errors: io (also if the file ends earlier).
    func read(_ to: UnsafeMutableRawPointer, offset: Int, count: Int) throws(SupConError) {
        var done = 0
        while done < count {
            let (got, reason) = retrying {
                pread(descriptor, to + done, count - done, off_t(offset + done))
            }
            try require(got >= 0, .io, "\(path): cannot be read: \(systemMessage(reason))")
            try require(
                got > 0, .io,
                "\(path): ends after \(offset + done) bytes; it had \(size) when it was opened")
            done += got
        }
    }

    /// Returns a duplicate of the descriptor, for a library that closes it. It shares the position,
    /// which is still the start. Errors: io.
    func duplicate() throws(SupConError) -> Int32 {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        try require(copy >= 0, .io, "\(path): cannot be opened again: \(systemMessage(errno))")
        return copy
    }
}

/// Repeats a system call while signals interrupt it. Returns the result, and errno if it is
/// negative.
func retrying(_ call: () -> Int) -> (result: Int, reason: Int32) {
    while true {
        let result = call()
        if result >= 0 { return (result, 0) }
        let reason = errno
        if reason != EINTR { return (result, reason) }
    }
}

/// Returns the system's message for an error number, such as "No such file or directory".
package func systemMessage(_ number: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
        guard let start = buffer.baseAddress, strerror_r(number, start, 256) == 0 else {
            return "error \(number)"
        }
        return String(cString: start)
    }
}
