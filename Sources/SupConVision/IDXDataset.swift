import CZlib
import Glibc
import SupConTensor

extension Dataset {
    /// Opens MNIST's IDX files (u8), gzipped or not: images [n, height, width] or [n, height,
    /// width, channels], and labels [n] or none. Errors: argument, io, format (not IDX, too short,
    /// too long, counts that differ), memory.
    public static func idx(
        images: RawPath, labels: RawPath?, options: DatasetOptions = DatasetOptions()
    ) throws(SupConError) -> Dataset {
        try options.validate()
        let (pixels, sizes) = try naming(images) { () throws(SupConError) in
            try IDXFile.read(images, dimensions: 3...4, of: "images")
        }
        let (count, height, width, channels) = (
            sizes[0], sizes[1], sizes[2], sizes.count > 3 ? sizes[3] : 1
        )
        try naming(images) { () throws(SupConError) in
            try require(count > 0, .format, "has no image")
            try ImageHeader.checkSize(
                height: height, width: width, most: options.maxPixels)
            try require(
                (1...4).contains(channels), .format,
                "has images of \(channels) channels; expected 1 to 4")
        }
        let numbers = try labels.map { path throws(SupConError) in
            try naming(path) { () throws(SupConError) in
                let (values, sizes) = try IDXFile.read(path, dimensions: 1...1, of: "labels")
                try require(
                    sizes[0] == count, .format,
                    "has \(sizes[0]) labels for \(count) images; expected one each")
                return (0..<count).map { Int(values.values(of: UInt8.self)[$0]) }
            }
        }
        return Dataset(
            source: .batch(
                ImageBatch(
                    dense: pixels.pointer, element: .u8, count: count, height: height, width: width,
                    channels: channels), owner: pixels),
            labels: numbers, classTable: try ClassTable(numbers, images: count),
            channels: options.channels(stored: channels))
    }

    /// Opens IDX files, as `idx` of raw paths does.
    public static func idx(
        images: String, labels: String? = nil, options: DatasetOptions = DatasetOptions()
    ) throws(SupConError) -> Dataset {
        try idx(images: RawPath(images), labels: labels.map { RawPath($0) }, options: options)
    }
}

/// The IDX format (yann.lecun.com/exdb/mnist) consists of two zero bytes, the element type, the
/// number of dimensions, each of these as 32 bits big-endian, and the elements.
enum IDXFile {
    /// Reads a file. Errors: argument, io, format, memory.
    static func read(_ path: RawPath, dimensions: ClosedRange<Int>, of what: String)
        throws(SupConError) -> (AlignedBuffer, sizes: [Int])
    {
        let file = try PossiblyGzipped(path)
        var head = [UInt8](repeating: 0, count: 4)
        try require(
            try file.read(&head, 4) == 4, .format,
            "is no IDX file: it ends within the first 4 bytes")
        try require(
            head[0] == 0 && head[1] == 0, .format,
            "is no IDX file: it begins with \(head[0]) \(head[1]); expected 0 0")
        try require(
            head[2] == 8, .format, "has elements of type \(head[2]); expected 8 (unsigned bytes)")
        let rank = Int(head[3])
        let expected =
            dimensions.count == 1
            ? "\(dimensions.lowerBound)" : "\(dimensions.lowerBound) or \(dimensions.upperBound)"
        try require(
            dimensions.contains(rank), .format,
            "has \(rank) dimensions; expected \(expected) for \(what)")
        var numbers = [UInt8](repeating: 0, count: 4 * rank)
        try require(
            try file.read(&numbers, numbers.count) == numbers.count, .format,
            "ends within its header")
        let sizes = numbers.withUnsafeBytes { bytes in
            (0..<rank).map { bytes.bigEndian32(4 * $0) ?? 0 }
        }

        var total = 1
        for size in sizes {
            let (product, overflow) = total.multipliedReportingOverflow(by: size)
            try require(
                !overflow, .format, "claims to have more elements than there are numbers for them")
            total = product
        }
        // Compared, before memory is allocated, with what the file can hold at all.
        try require(
            total <= file.mostBytes, .format,
            """
            claims to have \(sizes.map { "\($0)" }.joined(separator: "×")) bytes of \(what), \
            but \(file.size) bytes of file cannot hold that
            """
        )
        if total > 1 << 20 { try ExecutionContext.default.checkMemory(total, for: "\(path)") }
        let buffer = try AlignedBuffer(byteCount: total)
        let watch = ExecutionContext.default.watch()
        var got = 0
        while got < total {
            try watch.check()
            let piece = try file.read(buffer.pointer + got, min(1 << 24, total - got))
            if piece == 0 { break }
            got += piece
        }
        try require(got == total, .format, "ends after \(got) bytes of \(what); expected \(total)")
        var more: UInt8 = 0
        try require(
            try file.read(&more, 1) == 0, .format,
            "goes on after the \(total) bytes of \(what) that its header speaks of")
        return (buffer, sizes)
    }
}

/// A file that may be gzipped, which is read from the start to the end.
final class PossiblyGzipped {
    private let stream: gzFile
    /// The size of the file in bytes.
    let size: Int

    /// Opens a file. Errors: argument, io, memory.
    init(_ path: RawPath) throws(SupConError) {
        let file = try FileInput(path)
        size = file.size
        let descriptor = try file.duplicate()
        guard let stream = gzdopen(descriptor, "rb") else {
            close(descriptor)
            throw SupConError(.memory, "there is no memory to decompress it")
        }
        gzbuffer(stream, 1 << 18)
        self.stream = stream
    }

    deinit { gzclose_r(stream) }

    /// The largest number of bytes that can come out: deflate expands a byte to at most 1032 (zlib,
    /// "Maximum Compression Factor").
    var mostBytes: Int { size < Int.max / 1032 ? size * 1032 : Int.max }

    /// Reads up to `count` bytes; fewer only at the end. Errors: io, format (damaged or truncated).
    func read(_ to: UnsafeMutableRawPointer, _ count: Int) throws(SupConError) -> Int {
        var done = 0
        while done < count {
            let got = Int(gzread(stream, to + done, UInt32(min(count - done, 1 << 30))))
            if got > 0 {
                done += got
                continue
            }
            var number: Int32 = 0
            let message = gzerror(stream, &number)
            if number == Z_OK || number == Z_STREAM_END { break }
            if number == Z_ERRNO {
                throw SupConError(.io, "cannot be read: \(systemMessage(errno))")
            }
            throw SupConError(
                number == Z_MEM_ERROR ? .memory : .format,
                number == Z_BUF_ERROR
                    ? "is cut off: its gzip data have no end"
                    : "cannot be decompressed: \(message.map { String(cString: $0) } ?? "")")
        }
        return done
    }
}
