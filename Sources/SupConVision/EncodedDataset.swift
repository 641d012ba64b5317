import Glibc
import SupConTensor

/// An encoded image is a JPEG, PNG or WebP image in memory or in a file.
public struct EncodedImage: @unchecked Sendable {
    /// The encoded bytes; nil: the image is in the file `path`.
    public var bytes: UnsafeRawBufferPointer?
    /// The path of the file, or the name of an image in memory, which may be empty.
    public var path: RawPath

    /// Makes an image that is read from a file.
    public init(path: RawPath) { (bytes, self.path) = (nil, path) }
    /// Makes an image of encoded bytes, with a name for error messages.
    public init(bytes: UnsafeRawBufferPointer, name: RawPath = "") {
        (self.bytes, path) = (bytes, name)
    }

    /// Returns the name for error messages.
    func name(_ index: Int) -> RawPath { path.bytes.isEmpty ? RawPath("image \(index)") : path }
}

extension Dataset {
    /// Makes a data set of encoded images, in memory or in files, in the given order. Each is
    /// inspected once, here, and decoded when it is used. Bytes in memory are copied if the options
    /// say so; otherwise they remain the caller's, and must stay valid and unchanged as long as the
    /// data set or one derived from it lives. With `skip`, unreadable images are left out, with
    /// their labels. Errors: argument, shape (labels), io, format (no image, or with `refuse` a bad
    /// one), memory.
    public static func encoded(
        _ images: [EncodedImage], labels: [Int]? = nil, options: DatasetOptions = DatasetOptions()
    ) throws(SupConError) -> Dataset {
        try options.validate()
        try require(!images.isEmpty, .argument, "there are no images; expected one or more")
        let table = try ClassTable(labels, images: images.count)
        let found = try FoundFiles(images, options: options, ignoresOthers: false)
        try require(
            !found.kept.isEmpty || options.allowsEmpty, .format,
            """
            none of \(images.count) images is a readable JPEG, PNG or WebP image; the first: \
            \(found.skipped.first ?? "")
            """
        )
        return Dataset(
            source: .files(try found.source()),
            labels: labels.map { all in found.kept.map { all[$0.index] } }, classTable: table,
            channels: options.channels(stored: 3), skipped: found.skipped)
    }

    /// Makes a data set of encoded images in memory, which are copied.
    public static func encoded(
        _ images: [[UInt8]], labels: [Int]? = nil, options: DatasetOptions = DatasetOptions()
    ) throws(SupConError) -> Dataset {
        let memory = try images.map { (bytes) throws(SupConError) in
            let buffer = try AlignedBuffer(byteCount: bytes.count)
            bytes.withUnsafeBytes {
                if let start = $0.baseAddress { memcpy(buffer.pointer, start, $0.count) }
            }
            return buffer
        }
        var options = options
        options.copies = true
        defer { withExtendedLifetime(memory) {} }
        return try encoded(
            zip(memory, images).map {
                EncodedImage(bytes: UnsafeRawBufferPointer(start: $0.pointer, count: $1.count))
            }, labels: labels, options: options)
    }
}

extension EncodedMemory {
    /// Stores the pieces, or copies of them. Errors: memory (for copies).
    init(_ pieces: [UnsafeRawBufferPointer?], copies: Bool) throws(SupConError) {
        guard copies else {
            self.init(pieces: pieces, owner: nil)
            return
        }
        var total = 0
        for piece in pieces {
            let (sum, overflow) = total.addingReportingOverflow(piece?.count ?? 0)
            try require(!overflow, .memory, "\(pieces.count) images are larger than memory")
            total = sum
        }
        if total > 1 << 20 {
            try ExecutionContext.default.checkMemory(
                total, for: "a copy of \(pieces.count) encoded images")
        }
        let owner = try AlignedBuffer(byteCount: total)
        var next = owner.pointer
        let copied = pieces.map { piece in
            piece.map { bytes in
                if let start = bytes.baseAddress { memcpy(next, start, bytes.count) }
                defer { next += bytes.count }
                return UnsafeRawBufferPointer(start: next, count: bytes.count)
            }
        }
        self.init(pieces: copied, owner: owner)
    }
}
