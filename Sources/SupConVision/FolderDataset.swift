import SupConTensor

extension Dataset {
    /// Opens a folder that has one folder per class. Classes are in the order of their names, by
    /// bytes or with numbers as numbers (`classOrder`); images are found by their content, at any
    /// depth, in the byte order of names. A folder that holds only files is a data set without
    /// labels. Every file is inspected once, here, and decoded when it is used.
    ///
    /// Links to files and folders are followed, but a folder is visited once per class, so that
    /// circular links end. Names that begin with a dot, and __MACOSX, are ignored. A file that is
    /// no JPEG, PNG or WebP counts as bad if its name ends like an image's (".jpg", ".webp", …),
    /// and is ignored otherwise; one that cannot be read or is truncated always counts as bad. A
    /// class without images remains a class. Errors: argument, io, format (no image, or with
    /// `refuse` a bad one), memory, canceled (the default context).
    public static func folder(_ path: RawPath, options: DatasetOptions = DatasetOptions())
        throws(SupConError) -> Dataset
    {
        try options.validate()
        let watch = ExecutionContext.default.watch()
        let root = try FolderWalk.entries(path, watch)
        var folders = root.filter { $0.isFolder }
        if options.classOrder == .natural {
            folders.sort { naturallyPrecedes($0.path.name, $1.path.name) }
        }
        var walk = FolderWalk(root: path, watch: watch)
        for folder in folders { try walk.collect(folder) }
        // Files beside class folders have no class.
        let strays = root.filter { !$0.isFolder }
        if folders.isEmpty { walk.collect(files: strays) }

        if options.onError == .refuse, let error = walk.errors.first { throw error }
        let found = try FoundFiles(
            walk.files.map { EncodedImage(path: $0.path) }, options: options, ignoresOthers: true,
            watch: watch)
        let skipped = walk.errors.map { $0.message } + found.skipped
        if found.kept.isEmpty && !options.allowsEmpty {
            let what =
                folders.isEmpty
                ? "is neither a folder with a folder per class nor one with images"
                : folders.count == 1
                    ? "has one class folder, but no image in it"
                    : "has \(folders.count) class folders, but no image in them"
            let leftOut =
                skipped.first.map { "; left out: \(skipped.count), the first: \($0)" }
                ?? ""
            throw SupConError(
                .format,
                "\(path): \(what) that can be read: expected JPEG, PNG or WebP files\(leftOut)")
        }
        if folders.isEmpty {
            return Dataset(
                source: .files(try found.source()), labels: nil, classTable: .none,
                channels: options.channels(stored: 3), skipped: skipped)
        }
        let labels = found.kept.map { walk.files[$0.index].label }
        let names = folders.map { String(decoding: $0.path.name, as: UTF8.self) }
        describe(path, labels: labels, names: names, strays: strays.count)
        return Dataset(
            source: .files(try found.source()), labels: labels,
            classTable: ClassTable(count: folders.count, names: names),
            channels: options.channels(stored: 3),
            skipped: skipped)
    }

    /// Opens a folder, as `folder` of a raw path does.
    public static func folder(_ path: String, options: DatasetOptions = DatasetOptions())
        throws(SupConError) -> Dataset
    {
        try folder(RawPath(path), options: options)
    }

    /// Logs warnings about properties of the folder that may be unintended.
    private static func describe(_ path: RawPath, labels: [Int], names: [String], strays: Int) {
        var sizes = [Int](repeating: 0, count: names.count)
        for label in labels { sizes[label] += 1 }
        Log.write(.info, "\(path): \(labels.count) images in \(names.count) classes")
        for (size, name) in zip(sizes, names) where size == 0 {
            Log.write(.warning, "\(path): class “\(name)” has no image; it stays a class")
        }
        for (size, name) in zip(sizes, names) where size == 1 {
            Log.write(.info, "\(path): class “\(name)” has one image")
        }
        if names.count == 1 { Log.write(.info, "\(path): there is one class, “\(names[0])”") }
        if strays > 0 {
            Log.write(
                .info,
                """
                \(path): \(strays) \(strays == 1 ? "file" : "files") beside the class folders, \
                without a class: left out
                """
            )
        }
    }
}

/// A folder walk collects the files below class folders, in order.
struct FolderWalk {
    struct Entry {
        var path: RawPath
        var isFolder: Bool
        /// The identity of the target of all links.
        var identity: Identity
    }
    struct Identity: Hashable {
        var device, inode: UInt64
    }

    /// The files, each with the index of the folder given to `collect` that contains it.
    private(set) var files: [(path: RawPath, label: Int)] = []
    /// The errors of folders that could not be read.
    private(set) var errors: [SupConError] = []
    private let root: Identity?
    private let watch: CancelWatch
    private var label = 0

    init(root: RawPath, watch: CancelWatch) {
        (self.root, self.watch) = (Self.identity(root)?.identity, watch)
    }

    /// Collects all files below `folder` as the next class. It is not recursive, since the depth of
    /// folders is unbounded. Errors: memory, canceled.
    mutating func collect(_ folder: Entry) throws(SupConError) {
        var visited: Set<Identity> = []
        if let root { visited.insert(root) }
        var pending = [folder]
        while let next = pending.popLast() {
            if !next.isFolder {
                files.append((next.path, label))
                try Dataset.checkFileMemory(files.count, for: "\(files.count) files or more")
                continue
            }
            guard visited.insert(next.identity).inserted else { continue }
            do {
                pending += try Self.entries(next.path, watch).reversed()
            } catch {
                if error.kind == .memory || error.kind == .canceled { throw error }
                errors.append(error)
            }
        }
        label += 1
    }

    /// Collects these files without a class.
    mutating func collect(files entries: [Entry]) { files += entries.map { ($0.path, 0) } }
}
