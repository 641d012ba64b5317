import Glibc
import SupConTensor

/// Looks at image files, one after the other, and holds the bytes of one. One thread.
final class ImageFile {
    /// More pixels in an image are taken for an attack on the memory.
    private let mostPixels: Int
    private let memory: Scratch
    /// A file of more bytes is no image that we would decode.
    static let mostBytes = 1 << 30

    private(set) var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// - Parameter context: whose memory limit holds for the bytes of a file.
    init(mostPixels: Int, context: ExecutionContext = .default) {
        (self.mostPixels, memory) = (mostPixels, Scratch(context))
    }

    enum Inspection {
        case image(ImageHeader)
        /// Neither JPEG nor PNG, and what it is instead.
        case other(String)
    }

    /// Reads the header, and looks whether the file is whole: a JPEG's end is there (the file is
    /// read as far as that needs), a PNG's sums are right. Errors: io, format, memory; "path:
    /// reason".
    func inspect(_ path: RawPath) throws(SupConError) -> Inspection {
        let file = try FileInput(path)
        return try naming(path) { () throws(SupConError) in
            // Enough for most headers; a color profile or a preview may need more.
            let (head, _) = try load(file, offset: 0, count: min(file.size, 1 << 16))
            guard let kind = ImageHeader.kind(head) else { return .other(Self.noImage(head)) }
            try checkLength(file)
            if kind == .png {
                let whole =
                    head.count == file.size
                    ? head : try load(file, offset: 0, count: file.size).bytes
                return .image(try PNGHeader.parse(whole, checksSums: true, mostPixels: mostPixels))
            }

            var header = try JPEGHeader.parse(head, mostPixels: mostPixels)
            var whole = head
            if header == nil && head.count < file.size {
                whole = try load(file, offset: 0, count: file.size).bytes
                header = try JPEGHeader.parse(whole, mostPixels: mostPixels)
            }
            guard let header else {
                throw SupConError(
                    .format, "is cut off: it ends after \(file.size) bytes, within its header")
            }
            try header.checkData(file.size - header.scan)
            if whole.count == file.size {
                try checkEnd(whole, from: header.scan)
            } else {
                // The end is at the end, unless something was appended.
                let tail = max(header.scan, file.size - 4096)
                let (last, _) = try load(file, offset: tail, count: file.size - tail)
                if !JPEGHeader.ends(last) {
                    try checkEnd(load(file, offset: 0, count: file.size).bytes, from: header.scan)
                }
            }
            return .image(header)
        }
    }

    /// Reads all bytes, and the header. Errors: io, format (also: neither JPEG nor PNG), memory;
    /// "path: reason".
    func read(_ path: RawPath) throws(SupConError) -> ImageHeader {
        let file = try FileInput(path)
        return try naming(path) { () throws(SupConError) in
            try checkLength(file)
            let (all, start) = try load(file, offset: 0, count: file.size)
            bytes = UnsafeMutableRawBufferPointer(start: start, count: file.size)
            switch ImageHeader.kind(all) {
            case .png:
                return try PNGHeader.parse(all, checksSums: false, mostPixels: mostPixels)
            case .jpeg:
                if let header = try JPEGHeader.parse(all, mostPixels: mostPixels) {
                    try header.checkData(file.size - header.scan)
                    return header
                }
                throw SupConError(
                    .format, "is cut off: it ends after \(file.size) bytes, within its header")
            case nil: throw SupConError(.format, Self.noImage(all))
            }
        }
    }

    /// Why these bytes are no image.
    static func noImage(_ bytes: UnsafeRawBufferPointer) -> String {
        if bytes.isEmpty { return "is empty" }
        let kind: String? =
            if bytes.starts(with: "GIF8") {
                "GIF"
            } else if bytes.starts(with: "RIFF") && bytes.starts(8, with: "WEBP") {
                "WebP"
            } else if bytes.starts(with: "BM") {
                "BMP"
            } else if bytes.starts(with: "II*\0") || bytes.starts(with: "MM\0*") {
                "TIFF"
            } else if bytes.starts(4, with: "ftypavif") {
                "AVIF"
            } else if bytes.starts(4, with: "ftyphei") || bytes.starts(4, with: "ftypmif1") {
                "HEIC"
            } else { nil }
        return kind.map { "is a \($0) image; expected JPEG or PNG" }
            ?? "is neither a JPEG nor a PNG image"
    }

    private func checkLength(_ file: FileInput) throws(SupConError) {
        try require(
            file.size <= Self.mostBytes, .format,
            "has \(file.size) bytes; at most \(Self.mostBytes) are accepted")
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

/// Puts the file's name before what went wrong with its contents.
func naming<R>(_ path: RawPath, _ body: () throws(SupConError) -> R) throws(SupConError) -> R {
    do { return try body() } catch {
        throw error.message.hasPrefix(path.description)
            ? error : SupConError(error.kind, "\(path): \(error.message)")
    }
}
