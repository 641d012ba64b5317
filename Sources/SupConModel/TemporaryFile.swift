import CKernels
import Glibc
import SupConTensor
import SupConVision
import Synchronization

/// A file under a name that nobody can guess, until it gets its own; removed if it does not.
///
/// Its writer holds a lock on it (flock) from the moment it is made until it has its name, and the
/// system drops the lock when the writer dies. So a temporary file that can be locked has no writer
/// any more, and is swept; there is no process number in the name that could be somebody else's by
/// then, or belong to another machine on the same file system. Where the file system knows no
/// locks, nothing is swept.
final class TemporaryFile {
    let descriptor: Int32
    private let name: RawPath
    private var isRenamed = false

    private static let prefix = Array(".supcon-".utf8)
    private static let suffix = Array(".tmp".utf8)
    /// Two for each of 16 random bytes.
    private static let digitCount = 32

    /// Errors: io.
    init(in folder: RawPath, for path: RawPath) throws(SupConError) {
        while true {
            let name = folder.appending(try Self.randomName(for: path))
            let descriptor = try name.withCString {
                open($0, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
            }
            if descriptor < 0 {
                if errno == EINTR { continue }
                throw SupConError(
                    .io, FileSystem.failure("write", path, "making a temporary file in \(folder)"))
            }
            if Self.isOurs(descriptor) {
                (self.descriptor, self.name) = (descriptor, name)
                return
            }
            // A sweep came between making and locking: it has removed the file, or will.
            close(descriptor)
        }
    }

    deinit {
        if !isRenamed { unlink(at: name) }
        close(descriptor)
    }

    /// Syncs the file and gives it its name, in the same folder. Errors: io.
    func rename(to target: RawPath, for path: RawPath) throws(SupConError) {
        try require(fsync(descriptor) == 0, .io, FileSystem.failure("write", path, "fsync"))
        // Some network file systems tell only at a close that there was no room. The lock stays
        // with the descriptor that is left.
        let second = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        try require(
            second >= 0 && close(second) == 0, .io, FileSystem.failure("write", path, "close"))
        let status = try name.withCString { (from) in
            try? target.withCString { Glibc.rename(from, $0) }
        }
        try require(status == 0, .io, FileSystem.failure("write", path, "rename"))
        isRenamed = true
    }

    /// Locks a file that was just made. False: it is a sweep's.
    private static func isOurs(_ descriptor: Int32) -> Bool {
        // A file system without locks has no sweeps.
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0 { return errno != EWOULDBLOCK }
        var status = stat()
        return fstat(descriptor, &status) != 0 || status.st_nlink > 0
    }

    /// Errors: io.
    private static func randomName(for path: RawPath) throws(SupConError) -> [UInt8] {
        var numbers = (UInt64(0), UInt64(0))
        try require(
            sc_random_bytes(&numbers, digitCount / 2) == 0, .io,
            FileSystem.failure("write", path, "drawing a random name"))
        func digits(_ number: UInt64) -> [UInt8] {
            let text = Array(String(number, radix: 16).utf8)
            return [UInt8](repeating: UInt8(ascii: "0"), count: digitCount / 2 - text.count) + text
        }
        return prefix + digits(numbers.0) + digits(numbers.1) + suffix
    }

    // MARK: what others left

    private struct Identity: Equatable {
        var device: dev_t
        var inode: ino_t

        init(_ status: stat) { (device, inode) = (status.st_dev, status.st_ino) }
    }
    /// The folder that was swept last: what is saved each epoch need not list a large folder again.
    private static let swept = Mutex<Identity?>(nil)

    /// Removes the temporary files in `folder` whose writers are gone, once in a row for a folder.
    static func sweep(_ folder: RawPath) {
        guard let stream = try? folder.withCString({ opendir($0) }) else { return }
        defer { closedir(stream) }
        var status = stat()
        guard fstat(dirfd(stream), &status) == 0 else { return }
        let identity = Identity(status)
        let isDone = swept.withLock { last in
            defer { last = identity }
            return last == identity
        }
        if isDone { return }
        while let entry = readdir(stream) {
            withUnsafePointer(to: &entry.pointee.d_name.0) { name in
                if isTemporary(name) { removeIfAbandoned(name, in: dirfd(stream)) }
            }
        }
    }

    /// For tests: as in a new process.
    static func forgetSweeps() { swept.withLock { $0 = nil } }

    private static func isTemporary(_ name: UnsafePointer<CChar>) -> Bool {
        let bytes = UnsafeRawBufferPointer(start: name, count: strlen(name))
        guard bytes.count == prefix.count + digitCount + suffix.count, bytes.starts(with: prefix),
            bytes.suffix(suffix.count).elementsEqual(suffix)
        else { return false }
        return bytes.dropFirst(prefix.count).prefix(digitCount).allSatisfy {
            (0x30...0x39).contains($0) || (0x61...0x66).contains($0)
        }
    }

    private static func removeIfAbandoned(_ name: UnsafePointer<CChar>, in folder: Int32) {
        let descriptor = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var (own, named) = (stat(), stat())
        guard fstat(descriptor, &own) == 0, own.st_mode & S_IFMT == S_IFREG,
            flock(descriptor, LOCK_EX | LOCK_NB) == 0,
            // Its writer may have renamed it before the lock was free.
            fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0,
            Identity(own) == Identity(named)
        else { return }
        unlinkat(folder, name, 0)
    }
}

private func unlink(at path: RawPath) { _ = try? path.withCString { Glibc.unlink($0) } }
