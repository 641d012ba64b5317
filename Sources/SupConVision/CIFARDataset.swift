import SupConTensor

extension Dataset {
    /// Opens CIFAR's binary files, one after another. A record is a label (in CIFAR-100 a coarse
    /// label, then the fine one, which is used) and 3072 bytes, planar RGB 32×32
    /// (cs.toronto.edu/~kriz/cifar.html). Errors: argument (classes other than 10 and 100), io,
    /// format, memory.
    public static func cifar(
        _ paths: [RawPath], classes: Int, options: DatasetOptions = DatasetOptions()
    ) throws(SupConError) -> Dataset {
        try options.validate()
        try require(
            classes == 10 || classes == 100, .argument, "classes is \(classes); expected 10 or 100")
        try require(!paths.isEmpty, .argument, "there are no paths; expected one or more")
        let (side, channels) = (32, 3)
        let labelBytes = classes == 10 ? 1 : 2
        let record = labelBytes + side * side * channels
        var files: [FileInput] = []
        var total = 0
        for path in paths {
            let file = try FileInput(path)
            try require(
                file.size > 0 && file.size % record == 0, .format,
                """
                \(path): has \(file.size) bytes; expected a multiple of \
                \(record)\(hint(file, classes))
                """
            )
            files.append(file)
            let (sum, overflow) = total.addingReportingOverflow(file.size)
            try require(!overflow, .memory, "the files are larger than memory")
            total = sum
        }
        try ExecutionContext.default.checkMemory(total, for: "CIFAR-\(classes)")
        let memory = try AlignedBuffer(byteCount: total)
        var labels: [Int] = []
        labels.reserveCapacity(total / record)
        var at = 0
        let bytes = memory.values(of: UInt8.self)
        for file in files {
            try file.read(memory.pointer + at, offset: 0, count: file.size)
            for start in stride(from: at, to: at + file.size, by: record) {
                let label = Int(bytes[start + labelBytes - 1])
                try require(
                    label < classes, .format,
                    """
                    \(file.path): image \((start - at) / record) has label \(label); expected \
                    0 to \(classes - 1)
                    """
                )
                if labelBytes == 2 {
                    try require(
                        bytes[start] < 20, .format,
                        """
                        \(file.path): image \((start - at) / record) has coarse label \
                        \(bytes[start]); expected 0 to 19
                        """
                    )
                }
                labels.append(label)
            }
            at += file.size
        }
        // The pixels remain where they are, between the labels.
        let batch = ImageBatch(
            data: memory.pointer + labelBytes, element: .u8, count: labels.count, height: side,
            width: side, channels: channels, imageStride: record,
            rowStride: side, columnStride: 1, channelStride: side * side)
        return Dataset(
            source: .batch(batch, owner: memory), labels: labels,
            classTable: ClassTable(count: classes),
            channels: options.channels(stored: channels))
    }

    /// Opens CIFAR files, as `cifar` of raw paths does.
    public static func cifar(
        _ paths: [String], classes: Int, options: DatasetOptions = DatasetOptions()
    ) throws(SupConError) -> Dataset {
        try cifar(paths.map { RawPath($0) }, classes: classes, options: options)
    }

    /// Returns a guess at the nature of a file of the wrong size.
    private static func hint(_ file: FileInput, _ classes: Int) -> String {
        if file.size > 0 && file.size % (classes == 10 ? 3074 : 3073) == 0 {
            return "; it looks like CIFAR-\(classes == 10 ? 100 : 10)"
        }
        var first: [UInt8] = [0, 0]
        guard file.size >= 2, (try? file.read(&first, offset: 0, count: 2)) != nil else {
            return ""
        }
        if first == [0x1f, 0x8b] { return "; it is gzipped: unpack it first" }
        if first[0] == 0x80 {
            return "; it looks like the version for Python: the binary version is needed"
        }
        return ""
    }
}
