import SupConTensor
import SupConVision

/// Safetensors is the file format of github.com/huggingface/safetensors: the header's length (8
/// bytes, little-endian), a JSON header, and the elements of the tensors.
///
///     {"__metadata__": {"key": "text"}, "fc.bias": {"dtype": "F32", "shape": [10], "data_offsets":
///     [0, 40]}, …}
package enum Safetensors {
    /// The type in which a tensor's elements are stored.
    package enum DType: String, Sendable, CaseIterable {
        case f64 = "F64", f32 = "F32", f16 = "F16", bf16 = "BF16"
        case i64 = "I64", i32 = "I32", i16 = "I16", i8 = "I8"
        case u64 = "U64", u32 = "U32", u16 = "U16", u8 = "U8"
        case bool = "BOOL"
        case f8e4m3 = "F8_E4M3", f8e5m2 = "F8_E5M2"

        package var byteCount: Int {
            switch self {
            case .f64, .i64, .u64: 8
            case .f32, .i32, .u32: 4
            case .f16, .bf16, .i16, .u16: 2
            case .i8, .u8, .bool, .f8e4m3, .f8e5m2: 1
            }
        }

        /// Whether `read` converts the type to f32.
        package var isFloat: Bool { [.f64, .f32, .f16, .bf16].contains(self) }
    }

    /// A tensor to be written: row-major elements that stay valid and unchanged until the file is
    /// written.
    package struct Tensor {
        package var name: String
        package var dtype: DType
        package var shape: [Int]
        package var bytes: UnsafeRawBufferPointer

        package init(
            _ name: String, _ dtype: DType, _ shape: [Int], _ bytes: UnsafeRawBufferPointer
        ) {
            (self.name, self.dtype, self.shape, self.bytes) = (name, dtype, shape, bytes)
        }

        /// Makes a tensor of f32 elements.
        package init(_ name: String, shape: [Int], _ values: UnsafePointer<Float>) {
            self.init(
                name, .f32, shape, UnsafeRawBufferPointer(start: values, count: shape.reduce(4, *)))
        }
    }

    /// The longest header, as in the reference implementation.
    static let longestHeader = 100_000_000

    /// Writes a file atomically. Tensors of wide elements come first, so that every tensor is
    /// aligned; those of equal width are in the order of their names. A checksum is added to the
    /// metadata. Errors: argument, io.
    package static func write(
        _ path: RawPath, _ tensors: [Tensor], metadata: [(key: String, value: String)] = []
    ) throws(SupConError) {
        let ordered = tensors.sorted {
            ($1.dtype.byteCount, $0.name) < ($0.dtype.byteCount, $1.name)
        }
        var header = try header(
            ordered,
            metadata: Checksum.ordered(
                metadata.filter { $0.key != Checksum.key } + [(Checksum.key, Checksum.blank)]))
        let numbers = ordered.map(\.bytes)
        Checksum.fill(&header, followedBy: numbers)
        var result = Result<Void, SupConError>.success(())
        header.withUnsafeBytes { header in
            result = Result { () throws(SupConError) in
                try AtomicFile.write(path, [header] + numbers)
            }
        }
        try result.get()
    }

    /// Returns the length and the JSON, padded by spaces so that the elements begin at a multiple
    /// of 8. Errors: argument.
    private static func header(_ tensors: [Tensor], metadata: [(key: String, value: String)])
        throws(SupConError) -> [UInt8]
    {
        var members: [JSON.Member] = []
        if !metadata.isEmpty {
            members.append(
                .init("__metadata__", .object(metadata.map { .init($0.key, .string($0.value)) })))
        }
        var (offset, names): (Int, Set<String>) = (0, ["__metadata__"])
        for tensor in tensors {
            try require(
                names.insert(tensor.name).inserted, .argument,
                "two tensors are called \"\(tensor.name)\"")
            try require(
                elementCount(tensor.shape).map { $0 * tensor.dtype.byteCount }
                    == tensor.bytes.count, .argument,
                """
                tensor \(tensor.name) of shape \(tensor.shape) in \(tensor.dtype.rawValue) \
                has \(tensor.bytes.count) bytes
                """
            )
            members.append(
                .init(
                    tensor.name,
                    .object([
                        .init("dtype", .string(tensor.dtype.rawValue)),
                        .init("shape", .array(tensor.shape.map { .integer($0) })),
                        .init(
                            "data_offsets",
                            .array([.integer(offset), .integer(offset + tensor.bytes.count)])),
                    ])))
            offset += tensor.bytes.count
        }
        var json: [UInt8] = []
        JSON.object(members).write(to: &json)
        json += [UInt8](repeating: UInt8(ascii: " "), count: (8 - json.count % 8) % 8)
        try require(
            json.count <= longestHeader, .argument,
            "the header has \(json.count) bytes; a safetensors file takes \(longestHeader)")
        return withUnsafeBytes(of: UInt64(json.count).littleEndian, Array.init) + json
    }

    /// Returns the product of an untrusted shape; nil if it is negative, or so large that the size
    /// in bytes would overflow.
    static func elementCount(_ shape: [Int]) -> Int? {
        var count = 1
        for side in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: side)
            if side < 0 || overflow || product > Int.max / 8 { return nil }
            count = product
        }
        return count
    }
}
