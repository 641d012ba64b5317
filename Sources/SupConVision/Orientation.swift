/// An orientation tells how the camera was held: Exif's tag 0x0112, "the 0th row is at the … and
/// the 0th column at the …" (CIPA DC-008, 4.6.4).
enum Orientation: Int, Sendable {
    case topLeft = 1, topRight, bottomRight, bottomLeft, leftTop, rightTop, rightBottom, leftBottom

    /// Whether rows of the shown image are columns of the stored one.
    var swapsSides: Bool { rawValue >= 5 }

    /// Returns the orientation in Exif data, with or without their leading name.
    static func parse(exif bytes: UnsafeRawBufferPointer) -> Orientation? {
        parse(tiff: bytes.starts(with: "Exif\0\0") ? bytes.part(6, bytes.count) : bytes)
    }

    /// Returns the orientation in an XMP packet (tiff:Orientation, as an attribute or an element);
    /// nil if there is none.
    static func parse(xmp bytes: UnsafeRawBufferPointer) -> Orientation? {
        let name: StaticString = "tiff:Orientation"
        var at = 0
        while at < bytes.count {
            defer { at += 1 }
            guard bytes.starts(at, with: name) else { continue }
            let value = at + name.utf8CodeUnitCount
            let quoted = bytes.starts(value, with: "=\"") || bytes.starts(value, with: "='")
            guard quoted || bytes.starts(value, with: ">"),
                let digit = bytes.byte(value + (quoted ? 2 : 1)), (0x30...0x39).contains(digit)
            else { continue }
            return Orientation(rawValue: digit - 0x30) ?? .topLeft
        }
        return nil
    }

    /// Returns the orientation in a TIFF header and its first directory; nil if there is none, or
    /// they are invalid. An invalid number counts as upright.
    static func parse(tiff bytes: UnsafeRawBufferPointer) -> Orientation? {
        let little = bytes.starts(with: "II")
        guard little || bytes.starts(with: "MM") else { return nil }
        func number16(_ offset: Int) -> Int? {
            little ? bytes.littleEndian16(offset) : bytes.bigEndian16(offset)
        }
        func number32(_ offset: Int) -> Int? {
            little ? bytes.littleEndian32(offset) : bytes.bigEndian32(offset)
        }
        guard number16(2) == 42, let directory = number32(4), let entries = number16(directory)
        else { return nil }
        for i in 0..<entries {
            let entry = directory + 2 + 12 * i
            guard let tag = number16(entry), let type = number16(entry + 2) else { break }
            if tag != 0x0112 { continue }
            // SHORT, as the standard requires, or LONG, as some programs write.
            let value = type == 3 ? number16(entry + 8) : type == 4 ? number32(entry + 8) : nil
            return value.flatMap { Orientation(rawValue: $0) } ?? .topLeft
        }
        return nil
    }

    /// Whether the shown image runs through the stored rows, or columns, from the end.
    private var runsBack: (rows: Bool, columns: Bool) {
        switch self {
        case .topLeft, .leftTop: (false, false)
        case .topRight, .leftBottom: (false, true)
        case .bottomRight, .rightBottom: (true, true)
        case .bottomLeft, .rightTop: (true, false)
        }
    }

    /// Returns the part of a `shown` view in which the image lies, for an image decoded at
    /// 1/`denominator`, whose last stored row and column may be filled only in part.
    func frame(of header: ImageHeader, at denominator: Int, in shown: ImageView) -> CropBox {
        let height = Double(header.height) / Double(denominator)
        let width = Double(header.width) / Double(denominator)
        let (fromBelow, fromTheRight) =
            swapsSides ? (runsBack.columns, runsBack.rows) : (runsBack.rows, runsBack.columns)
        return CropBox(
            top: fromBelow ? Double(shown.height) - height : 0,
            left: fromTheRight ? Double(shown.width) - width : 0, height: height, width: width)
    }

    /// Returns how many stored rows, from the first on, hold a `part` of the shown image, both in
    /// pixels of full size.
    func storedRows(of header: ImageHeader, for part: CropBox) -> Int {
        let (start, length) = swapsSides ? (part.left, part.width) : (part.top, part.height)
        let end = runsBack.rows ? Double(header.storedHeight) - start : start + length
        return min(max(Int(end.rounded(.up)), 1), header.storedHeight)
    }

    /// Returns the stored image as it is to be shown, by strides.
    func apply(_ stored: ImageView) -> ImageView {
        var view = stored
        let lastRow = (stored.height - 1) * stored.rowStride
        let lastColumn = (stored.width - 1) * stored.columnStride
        if swapsSides {
            (view.height, view.width) = (stored.width, stored.height)
            (view.rowStride, view.columnStride) = (stored.columnStride, stored.rowStride)
        }
        let (rowsBack, columnsBack) = runsBack
        var start = 0
        if rowsBack {
            start += lastRow
            if swapsSides {
                view.columnStride = -view.columnStride
            } else {
                view.rowStride = -view.rowStride
            }
        }
        if columnsBack {
            start += lastColumn
            if swapsSides {
                view.rowStride = -view.rowStride
            } else {
                view.columnStride = -view.columnStride
            }
        }
        view.data = stored.data + start * stored.element.byteCount
        return view
    }
}
