import SupConTensor

/// Parses the markers before a JPEG's first scan (ITU-T T.81, annex B): the frame's size, and the
/// orientation in Exif or XMP.
enum JPEGHeader {
    /// Parses a header. Returns nil if it extends beyond `bytes`. Errors: format (without the
    /// file's name).
    static func parse(_ bytes: UnsafeRawBufferPointer, mostPixels: Int) throws(SupConError)
        -> ImageHeader?
    {
        var header: ImageHeader?
        var (exif, xmp): (Orientation?, Orientation?)
        var (isProgressive, hasRestarts) = (false, false)
        var at = 2  // behind the start-of-image marker
        while true {
            // Anything before a marker is skipped, and a marker may have any number of fill bytes
            // 0xff before it.
            while let byte = bytes.byte(at), byte != 0xff { at += 1 }
            while bytes.byte(at) == 0xff { at += 1 }
            guard let marker = bytes.byte(at) else { return nil }
            at += 1
            switch marker {
            case 0x00, 0x01, 0xd0...0xd7: continue  // no parameters
            case 0xd8: throw SupConError(.format, "has a second start of image in its header")
            case 0xd9: throw SupConError(.format, "ends before its image begins")
            default: break
            }
            guard let length = bytes.bigEndian16(at) else { return nil }
            try require(
                length >= 2, .format, "has a segment of \(length) bytes; expected 2 or more")
            guard at + length <= bytes.count else { return nil }
            let segment = bytes.part(at + 2, length - 2)
            switch marker {
            case 0xc0...0xcf where marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
                try require(header == nil, .format, "has two frames; expected one")
                header = try frame(marker, segment, mostPixels)
                header?.heightOffset = at + 3
                isProgressive = marker == 0xc2 || marker == 0xca
            case 0xdd: hasRestarts = segment.bigEndian16(0) != 0
            case 0xe1 where segment.starts(with: "Exif\0\0") && exif == nil:
                exif = Orientation.parse(exif: segment)
            case 0xe1 where segment.starts(with: "http://ns.adobe.com/xap/1.0/\0") && xmp == nil:
                xmp = Orientation.parse(xmp: segment)
            case 0xda:
                guard var header else { throw SupConError(.format, "has a scan before its frame") }
                header.orientation = exif ?? xmp ?? .topLeft
                header.scan = at + length
                // A sequential image with all components in one scan is decoded row by row.
                let isRowByRow = !isProgressive && segment.byte(0) == header.components
                if isRowByRow { header.extraMemory = 0 }
                if !isRowByRow || hasRestarts { header.heightOffset = 0 }
                return header
            default: break
            }
            at += length
        }
    }

    private static func frame(
        _ marker: Int, _ segment: UnsafeRawBufferPointer, _ mostPixels: Int
    ) throws(SupConError) -> ImageHeader {
        guard let precision = segment.byte(0), let height = segment.bigEndian16(1),
            let width = segment.bigEndian16(3), let components = segment.byte(5)
        else {
            throw SupConError(
                .format, "has a frame header of \(segment.count) bytes; expected 6 or more")
        }
        // Baseline, extended, progressive; the latter two by arithmetic coding as well.
        try require(
            [0xc0, 0xc1, 0xc2, 0xc9, 0xca].contains(marker), .format,
            "is a lossless or hierarchical JPEG; expected baseline or progressive")
        try require(precision == 8, .format, "has \(precision) bits per sample; expected 8")
        try require(
            components == 1 || components == 3 || components == 4, .format,
            "has \(components) components; expected 1 (gray), 3 (color) or 4 (CMYK)")
        try require(
            segment.count >= 6 + 3 * components, .format,
            "has a frame header of \(segment.count) bytes; expected \(6 + 3 * components)")
        try ImageHeader.checkSize(height: height, width: width, most: mostPixels)
        var header = ImageHeader(
            kind: .jpeg, storedHeight: height, storedWidth: width, components: components,
            orientation: .topLeft)
        let factors = samplingFactors(segment.part(6, 3 * components))
        let blocks = blocks(height, width, factors)
        // A Huffman code has a bit or more, and each block a code or more.
        if marker <= 0xc2 { header.leastData = (blocks + 7) / 8 }
        header.extraMemory = blocks * 64 * 2
        header.unitRows = 8 * (factors.map(\.down).max() ?? 1)
        return header
    }

    /// Returns each component's sampling factors. `specifications` are three bytes for each, the
    /// second of which has the factors. Invalid factors count as 1: the decoder refuses them.
    private static func samplingFactors(_ specifications: UnsafeRawBufferPointer) -> [(
        across: Int, down: Int
    )] {
        stride(from: 1, to: specifications.count, by: 3).map { at in
            let byte = Int(specifications[at])
            return (across: max(byte >> 4, 1), down: max(byte & 15, 1))
        }
    }

    /// Returns the number of 8×8 blocks of coefficients of all components.
    private static func blocks(
        _ height: Int, _ width: Int, _ factors: [(across: Int, down: Int)]
    ) -> Int {
        let across = factors.map(\.across).max() ?? 1
        let down = factors.map(\.down).max() ?? 1
        func blocks(_ length: Int, _ factor: Int, _ most: Int) -> Int {
            ((length * factor + most - 1) / most + 7) / 8
        }
        return factors.reduce(0) {
            $0 + blocks(width, $1.across, across) * blocks(height, $1.down, down)
        }
    }

    /// Returns whether there is an end-of-image marker. Within a scan 0xff is followed by 0x00 or a
    /// restart marker, so that 0xff 0xd9 is nothing else.
    static func ends(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var at = bytes.count - 2
        while at >= 0 {
            if bytes[at] == 0xff && bytes[at + 1] == 0xd9 { return true }
            at -= 1
        }
        return false
    }
}
