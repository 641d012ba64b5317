import Glibc
import SupConTensor

extension FolderWalk {
    /// Returns the contents of a folder in the byte order of names: folders, files, and broken
    /// links (as files, so that opening them reports it). Sockets, pipes and devices are omitted,
    /// and so are names that begin with a dot, and __MACOSX. Errors: argument (an impossible path),
    /// io, memory, canceled.
    static func entries(_ folder: RawPath, _ watch: CancelWatch) throws(SupConError) -> [Entry] {
        let (stream, reason) = try folder.withCString { name in (opendir(name), errno) }
        guard let stream else {
            throw SupConError(
                .io, "\(folder): cannot be opened as a folder: \(systemMessage(reason))")
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while true {
            try watch.check()
            errno = 0
            guard let entry = readdir(stream) else {
                let reason = errno
                try require(reason == 0, .io, "\(folder): cannot be read: \(systemMessage(reason))")
                break
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            // macOS adds a folder __MACOSX with metadata to archives.
            if name.first != UInt8(ascii: ".") && name != Array("__MACOSX".utf8) {
                names.append(name)
            }
            try Dataset.checkFileMemory(
                names.count, for: "\(folder) of \(names.count) files or more")
        }
        do {
            try names.sort { (a, b) throws(SupConError) in
                try watch.check()
                return a.lexicographicallyPrecedes(b)
            }
        } catch { try watch.check() }
        var entries: [Entry] = []
        entries.reserveCapacity(names.count)
        for name in names {
            try watch.check()
            let path = folder.appending(name)
            guard let (identity, mode) = identity(path) else {
                entries.append(
                    Entry(path: path, isFolder: false, identity: Identity(device: 0, inode: 0)))
                continue
            }
            switch mode & S_IFMT {
            case S_IFDIR: entries.append(Entry(path: path, isFolder: true, identity: identity))
            case S_IFREG: entries.append(Entry(path: path, isFolder: false, identity: identity))
            default: break
            }
        }
        return entries
    }

    /// Returns the identity and mode of the target of all links; nil if the system does not tell.
    static func identity(_ path: RawPath) -> (identity: Identity, mode: mode_t)? {
        var status = stat()
        guard let result = try? path.withCString({ stat($0, &status) }), result == 0 else {
            return nil
        }
        return (
            Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino)), status.st_mode
        )
    }
}
