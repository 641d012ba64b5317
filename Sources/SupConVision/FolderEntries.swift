import Glibc
import SupConTensor

extension FolderWalk {
    /// What a folder holds, in the byte order of the names: folders, files, and links that lead
    /// nowhere (as files, so that opening them tells); no sockets, pipes and devices, and no names
    /// that begin with a dot, nor __MACOSX. Errors: argument (an impossible path), io.
    static func entries(_ folder: RawPath) throws(SupConError) -> [Entry] {
        let (stream, reason) = try folder.withCString { name in (opendir(name), errno) }
        guard let stream else {
            throw SupConError(
                .io, "\(folder): cannot be opened as a folder: \(systemMessage(reason))")
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                let reason = errno
                try require(reason == 0, .io, "\(folder): cannot be read: \(systemMessage(reason))")
                break
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            // The latter holds what macOS packs beside the files of an archive.
            if name.first != UInt8(ascii: ".") && name != Array("__MACOSX".utf8) {
                names.append(name)
            }
        }
        names.sort { $0.lexicographicallyPrecedes($1) }
        var entries: [Entry] = []
        entries.reserveCapacity(names.count)
        for name in names {
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

    /// What is behind all links; nil: nothing that the system would tell of.
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
