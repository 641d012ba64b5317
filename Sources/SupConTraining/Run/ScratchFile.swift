import CKernels
import Glibc
import SupConTensor
import SupConVision

/// A scratch file is a nameless file of fixed size that disappears with its owner. It is read and
/// written rather than mapped, so that a disk failure is an error and not a signal.
final class ScratchFile {
    private let descriptor: Int32
    private let folder: RawPath

    /// Reserves the disk space at once. Errors: io (the folder, the space).
    init(in folder: RawPath, byteCount: Int) throws(SupConError) {
        self.folder = folder
        let opened = try folder.withCString { sc_unnamed_file($0) }
        try require(
            opened >= 0, .io,
            """
            cannot make a file for the feature cache in \(folder): \
            \(String(cString: strerror(errno)))
            """
        )
        descriptor = opened
        let status = posix_fallocate(opened, 0, max(byteCount, 1))
        try require(
            status == 0, .io,
            """
            the feature cache needs \(readable(bytes: byteCount)) in \(folder): \
            \(String(cString: strerror(status)))
            """
        )
    }

    /// Checks that the folder exists and its disk has the space. Errors: io.
    static func checkSpace(in folder: RawPath, byteCount: Int) throws(SupConError) {
        var status = statvfs()
        let found = try folder.withCString { statvfs($0, &status) }
        try require(
            found == 0, .io,
            "cannot keep the feature cache in \(folder): \(String(cString: strerror(errno)))")
        let free = Int(clamping: status.f_bavail).multipliedReportingOverflow(
            by: Int(clamping: status.f_frsize))
        try require(
            free.overflow || byteCount <= free.partialValue, .io,
            """
            the feature cache needs \(readable(bytes: byteCount)) in \(folder), which has \
            \(readable(bytes: free.partialValue)) free
            """
        )
    }

    deinit { close(descriptor) }

    /// Writes bytes at an offset. Errors: io.
    func write(_ bytes: UnsafeRawPointer, count: Int, at offset: Int) throws(SupConError) {
        try each(count, "write") { pwrite(descriptor, bytes + $0, count - $0, offset + $0) }
    }

    /// Reads bytes at an offset. Errors: io.
    func read(into bytes: UnsafeMutableRawPointer, count: Int, at offset: Int) throws(SupConError) {
        try each(count, "read") { pread(descriptor, bytes + $0, count - $0, offset + $0) }
    }

    /// Calls `body` with the number of bytes already transferred until all are. Errors: io.
    private func each(_ count: Int, _ what: String, _ body: (Int) -> Int) throws(SupConError) {
        var done = 0
        while done < count {
            let step = body(done)
            if step < 0 && errno == EINTR { continue }
            try require(
                step > 0, .io,
                """
                cannot \(what) the feature cache in \(folder): \
                \(step == 0 ? "the file has ended" : String(cString: strerror(errno)))
                """
            )
            done += step
        }
    }
}
