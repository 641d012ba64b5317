import CKernels
import SupConTensor
import SupConVision

/// A safetensors file is open for reading and has a valid header; the elements of tensors are read
/// on request.
package final class SafetensorsFile {
    package struct Entry: Sendable, Equatable {
        package let name: String
        package let dtype: Safetensors.DType
        package let shape: [Int]
        /// The range of bytes after the header.
        package let range: Range<Int>
        package var count: Int { range.count / dtype.byteCount }
    }

    package var path: RawPath { file.path }
    /// The entries, in the order of their data.
    package let entries: [Entry]
    package let metadata: [String: String]
    private let file: FileReader
    private let dataStart: Int

    /// Opens a file and checks what the reference implementation checks: lengths, types, shapes,
    /// and that the tensors' ranges fill the file without gap and overlap. If there is a checksum,
    /// the whole file is read and verified. Errors: argument, io, format, memory.
    package init(_ path: RawPath, context: ExecutionContext = .default) throws(SupConError) {
        let file = try FileReader(path)
        let header = try Self.header(file, context)
        dataStart = header.byteCount
        let bytes = file.byteCount - dataStart
        var (entries, metadata): ([Entry], [String: String]) = ([], [:])
        var isOurs = true
        do throws(SupConError) {
            guard
                case .object(let members) = try JSON(
                    parsing: UnsafeRawBufferPointer(
                        start: header.pointer + 8, count: header.byteCount - 8))
            else {
                throw SupConError(.format, "its header is not a JSON object")
            }
            for member in members {
                if member.key == "__metadata__" {
                    metadata = try Self.metadata(member.value)
                    if case .object(let members) = member.value {
                        isOurs = !Checksum.isRewritten(members.map(\.key))
                    }
                } else {
                    entries.append(try Self.entry(member, bytes: bytes))
                }
            }
            entries.sort {
                ($0.range.lowerBound, $0.range.upperBound) < (
                    $1.range.lowerBound, $1.range.upperBound
                )
            }
            var end = 0
            for entry in entries {
                try require(
                    entry.range.lowerBound == end, .format,
                    """
                    tensor \(Self.short(entry.name)) begins at byte \
                    \(entry.range.lowerBound); expected \(end), where the one before it ends
                    """
                )
                end = entry.range.upperBound
            }
            try require(
                end == bytes, .format,
                "its tensors end at byte \(end), but \(bytes) bytes follow the header")
            if let damaged = metadata.keys.first(where: Checksum.isDamaged) {
                throw SupConError(
                    .format, "it is damaged: its metadata has \(damaged) for \(Checksum.key)")
            }
            if let checksum = metadata[Checksum.key], isOurs {
                try Checksum.check(
                    file, checksum,
                    header: UnsafeMutableRawBufferPointer(
                        start: header.pointer, count: header.byteCount))
            }
        } catch {
            throw SupConError(
                error.kind, "\(path) is not a valid safetensors file: \(error.message)")
        }
        (self.file, self.entries, self.metadata) = (file, entries, metadata)
    }

    package convenience init(_ path: String) throws(SupConError) { try self.init(RawPath(path)) }

    package func entry(named name: String) -> Entry? { entries.first { $0.name == name } }

    /// Reads the header, including the 8 bytes of its length. Errors: io, format, memory.
    private static func header(_ file: FileReader, _ context: ExecutionContext) throws(SupConError)
        -> AlignedBuffer
    {
        var length: UInt64 = 0
        if file.byteCount >= 8 {
            let memory = try AlignedBuffer(byteCount: 8)
            try file.read(8, at: 0, into: memory.pointer)
            let first = UnsafeRawBufferPointer(start: memory.pointer, count: 8)
            length = UInt64(littleEndian: first.loadUnaligned(as: UInt64.self))
            try refusePickle(first, length: length, path: file.path)
            try refuseGitLFSPointer(file)
        }
        try require(
            file.byteCount > 8, .format,
            "\(file.path) has \(file.byteCount) bytes; a safetensors file has more")
        let most =
            length > UInt64(Safetensors.longestHeader)
            ? "\(Safetensors.longestHeader) is the most" : "the file has \(file.byteCount)"
        try require(
            length <= UInt64(file.byteCount - 8) && length <= UInt64(Safetensors.longestHeader),
            .format,
            """
            \(file.path) is not a safetensors file: its first 8 bytes would mean a header of \
            \(length) bytes, but \(most)
            """
        )
        // What is read from a header takes several times its memory, in many small pieces.
        try context.checkMemory(
            16 * Int(length), for: "the header of \(file.path), of \(length) bytes,")
        let header = try AlignedBuffer(byteCount: 8 + Int(length))
        try file.read(header.byteCount, at: 0, into: header.pointer)
        return header
    }

    /// Throws if the file is a Git LFS pointer. Errors: format.
    private static func refuseGitLFSPointer(_ file: FileReader) throws(SupConError) {
        let count = min(file.byteCount, 64)
        let memory = try AlignedBuffer(byteCount: count)
        try file.read(count, at: 0, into: memory.pointer)
        let first = UnsafeRawBufferPointer(start: memory.pointer, count: count)
        try require(
            !first.isGitLFSPointer, .format,
            "\(file.path) \(UnsafeRawBufferPointer.gitLFSPointer)")
    }

    /// Throws if the file is one that PyTorch saves: a zip archive or a bare pickle, which is a
    /// program and is not run here. Errors: format.
    private static func refusePickle(_ first: UnsafeRawBufferPointer, length: UInt64, path: RawPath)
        throws(SupConError)
    {
        let isZip = first.starts(with: [0x50, 0x4B, 0x03, 0x04])
        // The opcode PROTO, version 2 to 5; with the bytes after it, this is no header's length.
        let isPickle =
            first[0] == 0x80 && (2...5).contains(first[1])
            && length > UInt64(Safetensors.longestHeader)
        try require(
            !isZip && !isPickle, .format,
            """
            \(path) is a PyTorch file (\(isZip ? "zip" : "pickle")), which may hold programs \
            and is not read here; convert it once: python3 -c \"import torch, \
            safetensors.torch as s; m = torch.load('in.pth', map_location='cpu', \
            weights_only=True); s.save_file(m.get('model', m.get('state_dict', m)), \
            'out.safetensors')\"
            """
        )
    }

    /// Parses the metadata. Errors: format.
    private static func metadata(_ value: JSON) throws(SupConError) -> [String: String] {
        guard case .object(let members) = value else {
            throw SupConError(
                .format, "__metadata__ is \(value.kind); expected an object of strings")
        }
        var metadata: [String: String] = [:]
        for member in members {
            guard let text = member.value.string else {
                throw SupConError(
                    .format,
                    """
                    __metadata__ has \(member.value.kind) as \"\(short(member.key))\"; \
                    expected a string
                    """
                )
            }
            metadata[member.key] = text
        }
        return metadata
    }

    /// Parses the entry of a tensor. Errors: format.
    private static func entry(_ member: JSON.Member, bytes: Int) throws(SupConError) -> Entry {
        let name = short(member.key)
        func numbers(_ key: String) throws(SupConError) -> [Int] {
            let numbers = member.value[key]?.array?.map(\.integer)
            guard let numbers, numbers.allSatisfy({ $0 ?? -1 >= 0 }) else {
                throw SupConError(
                    .format, "tensor \(name) has no \(key), or not one of integers from 0 on")
            }
            return numbers.compactMap { $0 }
        }
        guard let type = member.value["dtype"]?.string else {
            throw SupConError(.format, "tensor \(name) has no dtype")
        }
        guard let dtype = Safetensors.DType(rawValue: type) else {
            throw SupConError(
                .format,
                """
                tensor \(name) has dtype \(short(type)); expected one of \
                \(Safetensors.DType.allCases.map(\.rawValue).joined(separator: ", "))
                """
            )
        }
        let shape = try numbers("shape")
        let offsets = try numbers("data_offsets")
        try require(
            offsets.count == 2 && offsets[0] <= offsets[1] && offsets[1] <= bytes, .format,
            """
            tensor \(name) has data_offsets \(offsets.prefix(3)); expected a begin and an end \
            up to \(bytes)
            """
        )
        let size = Safetensors.elementCount(shape).map { $0 * dtype.byteCount }
        try require(
            size == offsets[1] - offsets[0], .format,
            """
            tensor \(name) of shape \(shape.prefix(8)) in \(type) has \
            \(offsets[1] - offsets[0]) bytes; expected \
            \(size.map { "\($0)" } ?? "fewer than memory can hold")
            """
        )
        return Entry(name: member.key, dtype: dtype, shape: shape, range: offsets[0]..<offsets[1])
    }

    /// Shortens a name for messages: names in a file may be megabytes long.
    static func short(_ name: String) -> String { name.count > 200 ? name.prefix(200) + "…" : name }
}

// MARK: elements

extension SafetensorsFile {
    /// Reads a tensor's elements as they are stored, `entry.range.count` bytes. Errors: io.
    package func readBytes(_ entry: Entry, into memory: UnsafeMutableRawPointer) throws(SupConError)
    {
        try file.read(entry.range.count, at: dataStart + entry.range.lowerBound, into: memory)
    }

    /// Reads `entry.count` elements as f32. Errors: format (not a floating-point tensor), io,
    /// memory.
    package func read(_ entry: Entry, into values: UnsafeMutablePointer<Float>) throws(SupConError)
    {
        try require(
            entry.dtype.isFloat, .format,
            """
            \(path): tensor \(Self.short(entry.name)) has dtype \(entry.dtype.rawValue); \
            expected one of F64, F32, F16, BF16
            """
        )
        if entry.dtype == .f32 { return try readBytes(entry, into: values) }
        let width = entry.dtype.byteCount
        let piece = min(entry.count, 1 << 18)
        let memory = try AlignedBuffer(byteCount: piece * width)
        var done = 0
        while done < entry.count {
            let count = min(piece, entry.count - done)
            try file.read(
                count * width, at: dataStart + entry.range.lowerBound + done * width,
                into: memory.pointer)
            let to = values + done
            switch entry.dtype {
            case .f64:
                let from = memory.values(of: Double.self)
                for i in 0..<count { to[i] = Float(from[i]) }
            case .f16:
                let from = memory.values(of: UInt16.self)
                for i in 0..<count { to[i] = Self.float(half: from[i]) }
            default:
                sc_bf16_to_f32(memory.values(of: UInt16.self), to, Int64(count))
            }
            done += count
        }
    }

    /// Converts an IEEE half (1 sign, 5 exponent, 10 fraction bits) to a float, exactly.
    static func float(half: UInt16) -> Float {
        let sign = UInt32(half & 0x8000) << 16
        let (exponent, fraction) = (UInt32(half >> 10) & 31, UInt32(half & 0x3FF))
        switch exponent {
        case 0: return (sign == 0 ? 1 : -1) * Float(fraction) * 0x1p-24
        case 31: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
        default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }
}
