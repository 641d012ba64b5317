import CKernels
import Glibc
import SupConTensor
import SupConVision
import Synchronization

/// A temporary file has an unpredictable name until it gets its final one; without that it is
/// removed.
///
/// Its writer holds a lock on it (flock) from its creation until it has its final name, and the
/// system drops the lock when the writer dies. A temporary file that can be locked therefore has no
/// writer any more, and is swept. This does not rely on a process number in the name, which could
/// meanwhile belong to another process, or to another machine on the same file system. On a file
/// system without locks nothing is swept.
final class TemporaryFile {
    let descriptor: Int32
    private let name: RawPath
    private var isRenamed = false

    private static let prefix = Array(".supcon-".utf8)
    private static let suffix = Array(".tmp".utf8)
    /// The number of digits, two for each of 16 random bytes.
    private static let digitCount = 32

    /// Creates the file. Errors: io.
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
            // A sweep came between creating and locking the file, and has removed it, or will.
            close(descriptor)
        }
    }

    deinit {
        if !isRenamed { unlink(at: name) }
        close(descriptor)
    }

    /// Syncs the file and renames it within its folder. Errors: io.
    func rename(to target: RawPath, for path: RawPath) throws(SupConError) {
        try require(fsync(descriptor) == 0, .io, FileSystem.failure("write", path, "fsync"))
        // Some network file systems report a full disk only when a descriptor is closed. The lock
        // stays with the remaining descriptor.
        let second = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        try require(
            second >= 0 && close(second) == 0, .io, FileSystem.failure("write", path, "close"))
        let status = try name.withCString { (from) in
            try? target.withCString { Glibc.rename(from, $0) }
        }
        try require(status == 0, .io, FileSystem.failure("write", path, "rename"))
        isRenamed = true
    }

    /// Locks a file that has just been created. Returns false if a sweep has taken it.
    private static func isOurs(_ descriptor: Int32) -> Bool {
        // On a file system without locks nothing is swept.
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0 { return errno != EWOULDBLOCK }
        var status = stat()
        return fstat(descriptor, &status) != 0 || status.st_nlink > 0
    }

    /// Returns a random name. Errors: io.
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
    /// The folder that was swept last, so that saving every epoch does not list a large folder
    /// again.
    private static let swept = Mutex<Identity?>(nil)

    /// Removes the temporary files in `folder` whose writers are gone, unless this folder was the
    /// last one to be swept.
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

    /// Forgets the last sweep, so that tests start as a new process does.
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
