import SupConTensor

extension Dataset {
    /// Opens JPEG, PNG or WebP files, in the given order. Each is inspected once, here, and decoded
    /// when it is used. With `skip`, unreadable images are left out, with their labels. Errors:
    /// argument, shape (labels), io, format (no image, or with `refuse` a bad one), memory.
    public static func files(
        _ paths: [RawPath], labels: [Int]? = nil, options: DatasetOptions = DatasetOptions()
    ) throws(SupConError) -> Dataset {
        try encoded(paths.map { EncodedImage(path: $0) }, labels: labels, options: options)
    }

    /// Opens files, as `files` of raw paths does.
    public static func files(
        _ paths: [String], labels: [Int]? = nil, options: DatasetOptions = DatasetOptions()
    ) throws(SupConError) -> Dataset {
        try files(paths.map { RawPath($0) }, labels: labels, options: options)
    }
}

/// Found files are those of many files that are images, found by opening each once, on all threads.
struct FoundFiles {
    struct Image {
        /// The index in the list of paths.
        var index: Int
        var header: ImageHeader
    }
    private let images: [EncodedImage]
    private let options: DatasetOptions
    private(set) var kept: [Image] = []
    /// The files that were skipped, as "path: reason".
    private(set) var skipped: [String] = []

    /// Inspects the images. If `ignoresOthers` is true, files that neither are images by their
    /// content nor have an image's name are ignored. Errors: memory, canceled; with `refuse` that
    /// of the first bad file.
    init(
        _ images: [EncodedImage], options: DatasetOptions, ignoresOthers: Bool,
        watch: CancelWatch = ExecutionContext.default.watch()
    ) throws(SupConError) {
        (self.images, self.options) = (images, options)
        try Dataset.checkListMemory(
            images.count, bytes: Dataset.bytesOfFile, for: "the list of \(images.count) files")
        let threads = ExecutionContext.default.threads
        let results = Collected<Result<ImageFile.Inspection, SupConError>>(
            count: images.count, .success(.other("")))
        Parallel.ranges(images.count, grain: 8, threads: threads) { range in
            let file = ImageFile(mostPixels: options.maxPixels)
            for index in range {
                if watch.isCanceled { return }
                results[index] = Result { () throws(SupConError) in
                    let image = images[index]
                    guard let bytes = image.bytes else { return try file.inspect(image.path) }
                    return try naming(image.name(index)) { () throws(SupConError) in
                        try file.inspect(bytes)
                    }
                }
            }
        }
        try watch.check()
        for (index, image) in images.enumerated() {
            try watch.check()
            let path = image.name(index)
            let error: SupConError
            switch results[index] {
            case .success(.image(let header)):
                kept.append(Image(index: index, header: header))
                continue
            case .success(.other(let reason)):
                if ignoresOthers && !Self.hasImageName(path) { continue }
                error = SupConError(.format, "\(path): \(reason)")
            case .failure(let reason): error = reason
            }
            if options.onError == .refuse { throw error }
            skipped.append(error.message)
        }
        if !skipped.isEmpty {
            Log.write(
                .warning,
                "\(skipped.count) of \(images.count) files are left out; the first: \(skipped[0])")
        }
    }

    /// Returns the images as a source. Errors: memory.
    func source() throws(SupConError) -> FileSource {
        let pieces = kept.map { images[$0.index].bytes }
        let isInMemory = pieces.contains { $0 != nil }
        return FileSource(
            entries: kept.map {
                FileSource.Entry(height: Int32($0.header.height), width: Int32($0.header.width))
            },
            paths: try PathTable(kept.map { images[$0.index].path }),
            memory: isInMemory ? try EncodedMemory(pieces, copies: options.copies) : nil,
            mostPixels: options.maxPixels, onError: options.onError,
            isExact: options.decodesExactly)
    }

    /// Returns whether the name has the ending of some image format.
    private static func hasImageName(_ path: RawPath) -> Bool {
        let name = path.name
        guard let dot = name.lastIndex(of: UInt8(ascii: ".")) else { return false }
        return imageExtensions.contains(
            String(decoding: name[(dot + 1)...], as: UTF8.self).lowercased())
    }
    private static let imageExtensions: Set<String> = [
        "jpg", "jpeg", "jpe", "jfif", "png", "apng", "gif", "webp", "bmp", "tif", "tiff", "heic",
        "heif", "avif", "jp2", "jxl", "ppm", "pgm",
    ]
}
