import Glibc
import SupConTensor

/// An image file reader inspects image files, one after the other, and holds the bytes of one. It
/// serves one thread.
final class ImageFile {
    /// The number of pixels above which an image is treated as an attack on the memory.
    private let mostPixels: Int
    private let memory: Scratch
    /// The number of bytes above which a file is not treated as an image.
    static let mostBytes = 1 << 30

    private(set) var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// Makes a reader. The memory limit of `context` applies to the bytes of a file.
    init(mostPixels: Int, context: ExecutionContext = .default) {
        (self.mostPixels, memory) = (mostPixels, Scratch(context))
    }

    enum Inspection {
        case image(ImageHeader)
        /// A file that is neither JPEG nor PNG nor WebP, with a description of its content.
        case other(String)
    }

    /// Reads the header, and checks whether the file is complete: a JPEG's end is there (the file
    /// is read as far as that needs), a PNG's checksums are right, a WebP's chunks are there.
    /// Errors: io, format, memory, as "path: reason".
    func inspect(_ path: RawPath) throws(SupConError) -> Inspection {
        let file = try FileInput(path)
        return try naming(path) { () throws(SupConError) in
            // Enough for most headers; a color profile or a preview may need more.
            let (head, _) = try load(file, offset: 0, count: min(file.size, 1 << 16))
            guard let kind = ImageHeader.kind(head) else { return .other(Self.noImage(head)) }
            try checkLength(file.size)
            guard kind == .jpeg, file.size > head.count,
                let header = try JPEGHeader.parse(head, mostPixels: mostPixels)
            else {
                let isWhole = head.count == file.size
                return try inspect(isWhole ? head : load(file, offset: 0, count: file.size).bytes)
            }
            try header.checkData(file.size - header.scan)
            // The end marker is at the end, unless data were appended.
            let tail = max(header.scan, file.size - 4096)
            let (last, _) = try load(file, offset: tail, count: file.size - tail)
            if !JPEGHeader.ends(last) {
                try checkEnd(load(file, offset: 0, count: file.size).bytes, from: header.scan)
            }
            return .image(header)
        }
    }

    /// Inspects an image in memory, as `inspect` does a file. Errors: format (without a name).
    func inspect(_ whole: UnsafeRawBufferPointer) throws(SupConError) -> Inspection {
        guard let kind = ImageHeader.kind(whole) else { return .other(Self.noImage(whole)) }
        try checkLength(whole.count)
        if kind == .png {
            return .image(try PNGHeader.parse(whole, checksSums: true, mostPixels: mostPixels))
        }
        let header = try header(of: whole)
        if kind == .jpeg { try checkEnd(whole, from: header.scan) }
        return .image(header)
    }

    /// Reads all bytes, and returns the header. Errors: io, format (also if it is not such an
    /// image), memory, as "path: reason".
    func read(_ path: RawPath) throws(SupConError) -> ImageHeader {
        let file = try FileInput(path)
        return try naming(path) { () throws(SupConError) in
            try checkLength(file.size)
            let (all, start) = try load(file, offset: 0, count: file.size)
            bytes = UnsafeMutableRawBufferPointer(start: start, count: file.size)
            return try header(of: all)
        }
    }

    /// Reads the header of bytes in memory, which are copied, as decoding may change them. Errors:
    /// format, memory, as "name: reason".
    func read(_ encoded: UnsafeRawBufferPointer, name: RawPath) throws(SupConError) -> ImageHeader {
        try naming(name) { () throws(SupConError) in
            try checkLength(encoded.count)
            bytes = UnsafeMutableRawBufferPointer(
                start: try memory.reserve(encoded.count), count: encoded.count)
            bytes.copyMemory(from: encoded)
            return try header(of: UnsafeRawBufferPointer(bytes))
        }
    }

    private func header(of all: UnsafeRawBufferPointer) throws(SupConError) -> ImageHeader {
        switch ImageHeader.kind(all) {
        case .png: return try PNGHeader.parse(all, checksSums: false, mostPixels: mostPixels)
        case .webp: return try WebPHeader.parse(all, mostPixels: mostPixels)
        case .jpeg:
            guard let header = try JPEGHeader.parse(all, mostPixels: mostPixels) else {
                throw SupConError(
                    .format, "is cut off: it ends after \(all.count) bytes, within its header")
            }
            try header.checkData(all.count - header.scan)
            return header
        case nil: throw SupConError(.format, Self.noImage(all))
        }
    }

    /// Returns the reason for which these bytes are no image.
    static func noImage(_ bytes: UnsafeRawBufferPointer) -> String {
        if bytes.isEmpty { return "is empty" }
        if bytes.isGitLFSPointer { return UnsafeRawBufferPointer.gitLFSPointer }
        let kind: String? =
            if bytes.starts(with: "GIF8") {
                "a GIF"
            } else if bytes.starts(with: "BM") {
                "a BMP"
            } else if bytes.starts(with: "II*\0") || bytes.starts(with: "MM\0*") {
                "a TIFF"
            } else if bytes.starts(4, with: "ftypavif") {
                "an AVIF"
            } else if bytes.starts(4, with: "ftyphei") || bytes.starts(4, with: "ftypmif1") {
                "a HEIC"
            } else { nil }
        return kind.map { "is \($0) image; expected JPEG, PNG or WebP" }
            ?? "is neither a JPEG nor a PNG nor a WebP image"
    }

    private func checkLength(_ count: Int) throws(SupConError) {
        try require(
            count <= Self.mostBytes, .format,
            "has \(count) bytes; at most \(Self.mostBytes) are accepted")
    }

    private func checkEnd(_ bytes: UnsafeRawBufferPointer, from scan: Int) throws(SupConError) {
        try require(
            JPEGHeader.ends(bytes.part(scan, bytes.count)), .format,
            "is cut off: it ends after \(bytes.count) bytes, without an end-of-image marker")
    }

    private func load(_ file: FileInput, offset: Int, count: Int) throws(SupConError) -> (
        bytes: UnsafeRawBufferPointer, start: UnsafeMutableRawPointer
    ) {
        let start = try memory.reserve(count)
        try file.read(start, offset: offset, count: count)
        return (UnsafeRawBufferPointer(start: start, count: count), start)
    }
}

/// Adds the file's name to errors about its contents.
func naming<R>(_ path: RawPath, _ body: () throws(SupConError) -> R) throws(SupConError) -> R {
    do { return try body() } catch {
        throw error.message.hasPrefix(path.description)
            ? error : SupConError(error.kind, "\(path): \(error.message)")
    }
}
