import Glibc
import SupConTensor

/// An encoded image is a JPEG, PNG or WebP image in memory or in a file.
public struct EncodedImage: @unchecked Sendable {
    /// The encoded bytes; nil: the image is in the file `path`.
    public var bytes: UnsafeRawBufferPointer?
    /// The file, or the name that an image in memory goes by; may be empty then.
    public var path: RawPath

    /// Names a file.
    public init(path: RawPath) { (bytes, self.path) = (nil, path) }
    /// Takes encoded bytes, and a name that errors call them by.
    public init(bytes: UnsafeRawBufferPointer, name: RawPath = "") {
        (self.bytes, path) = (bytes, name)
    }

    /// The name that errors call it by.
    func name(_ index: Int) -> RawPath { path.bytes.isEmpty ? RawPath("image \(index)") : path }
}

extension Dataset {
    /// Makes a data set of encoded images, in memory or in files, in that order, each looked at
    /// once, here, and decoded when it is used. Bytes in memory are copied if the options say so;
    /// otherwise they stay the caller's, valid and unchanged as long as the data set and what was
    /// made from it live. With `skip`, what is no readable image is left out, with its label.
    /// Errors: argument, shape (labels), io, format (no image, or with `refuse` a bad one), memory.
    public static func encoded(
        _ images: [EncodedImage], labels: [Int]? = nil, options: DatasetOptions = DatasetOptions()
    ) throws(SupConError) -> Dataset {
        try options.validate()
        try require(!images.isEmpty, .argument, "there are no images; expected one or more")
        let table = try ClassTable(labels, images: images.count)
        let found = try FoundFiles(images, options: options, ignoresOthers: false)
        try require(
            !found.kept.isEmpty, .format,
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
    /// Keeps the pieces, or copies of them. Errors: memory (of copies).
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
