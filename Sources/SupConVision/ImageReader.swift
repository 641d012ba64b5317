import SupConTensor

/// An image reader reads images of a data set one at a time, with its own scratch memory, which
/// grows to the largest image and is kept. It serves one thread.
package final class ImageReader {
    private let dataset: Dataset
    private var opened = Opened.nothing
    private var decoded: Scratch
    private let converted: Scratch
    private var file: ImageFile
    private let gate: DecodeGate
    private var hasTurn = false
    private let isExact: Bool
    /// The part of the last pixels in which the image lies.
    package private(set) var frame = CropBox(height: 1, width: 1)
    private var jpeg: JPEGDecoder?
    private var corrupted: CorruptedReader?
    private var own: ImageReader?

    private enum Opened {
        case nothing
        case view(ImageView)
        case file(ImageHeader, RawPath)
        case callback(CallbackSource, Int)
        case corrupted(CorruptedReader, Int)
        case joined(ImageReader)
    }

    /// Makes a reader. `gate` is shared by the readers of one call; nil: this reader is alone, and
    /// may take all of the machine's memory.
    package init(_ dataset: Dataset, _ gate: DecodeGate? = nil) {
        self.dataset = dataset
        self.gate = gate ?? DecodeGate(.default)
        let context = self.gate.context
        (decoded, converted) = (Scratch(context), Scratch(context))
        file = ImageFile(mostPixels: dataset.source.mostPixels, context: context)
        isExact = dataset.source.isExact
    }

    deinit { close() }

    /// Closes the opened image. A large image keeps other readers of the same gate waiting until
    /// then, or until the next `open`.
    package func close() {
        opened = .nothing
        corrupted?.close()
        own?.close()
        guard hasTurn else { return }
        decoded.release()
        converted.release()
        hasTurn = false
        gate.leave()
    }

    /// Opens image `index` and returns its size. Of a file it reads only the bytes and the header.
    /// Errors: argument (no such image), io, format (a file that has become unreadable or has
    /// changed its size), memory.
    package func open(_ index: Int) throws(SupConError) -> (height: Int, width: Int) {
        close()
        try require(
            (0..<dataset.count).contains(index), .argument,
            """
            image is \(index); expected 0 to \(dataset.count - 1), as there are \
            \(dataset.count) images
            """
        )
        let sourceIndex = dataset.sourceIndex(index)
        switch dataset.source {
        case .batch(let batch, _): opened = .view(batch[sourceIndex])
        case .ragged(let images, let channels, let memory):
            let image = images[sourceIndex]
            opened = .view(
                ImageView(
                    dense: memory.pointer + image.offset, element: .u8, height: image.height,
                    width: image.width, channels: channels))
        case .files(let files):
            let path = files.name(sourceIndex)
            let encoded = files.memory?.pieces[sourceIndex] ?? nil
            let header =
                if let encoded { try file.read(encoded, name: path) } else { try file.read(path) }
            let known = dataset.source.size(sourceIndex)
            try require(
                header.height == known.height && header.width == known.width, .format,
                """
                \(path): is \(header.height)×\(header.width) pixels large; it was \
                \(known.height)×\(known.width) when the data set was made
                """
            )
            opened = .file(header, path)
        case .callback(let callback): opened = .callback(callback, sourceIndex)
        case .corrupted(let source):
            let reader = corrupted ?? CorruptedReader(source, gate)
            corrupted = reader
            try reader.open(sourceIndex)
            opened = .corrupted(reader, sourceIndex)
        case .joined(let joined):
            let reader = own ?? ImageReader(joined.own, gate)
            own = reader
            let size = try reader.open(try joined.local(sourceIndex))
            opened = .joined(reader)
            return size
        }
        return dataset.source.size(sourceIndex)
    }

    /// Returns the opened image's pixels with the data set's channels, by any strides (a channel
    /// stride of 0 for gray made RGB; swapped or negative ones for a photograph's orientation), for
    /// a view that has `fraction` of its pixels along each side. Unless the data set decodes
    /// exactly, a JPEG may come smaller, by DCT scaling (1/2, 1/4), with a margin that keeps the
    /// view within half a level of 255 on average of that from all pixels. `frame` is then the part
    /// in which the image lies. The pixels are valid until the next `open`, `pixels` or `close`,
    /// and while the reader lives.
    ///
    /// - Parameter part: the part of the image that is needed, in its pixels at full size; nil: all
    ///   of it. Pixels elsewhere may be undefined.
    ///
    /// Errors: state (nothing is open), format, memory, canceled (by a callback, or the context).
    package func pixels(atLeast fraction: Double, of part: CropBox? = nil) throws(SupConError)
        -> ImageView
    {
        let (view, frame) = try read(atLeast: fraction, of: part)
        self.frame = frame ?? CropBox(height: view.height, width: view.width)
        return view
    }

    /// Returns the pixels, and the part in which the image lies, if that is not all of them.
    private func read(atLeast fraction: Double, of part: CropBox?) throws(SupConError) -> (
        ImageView, CropBox?
    ) {
        switch opened {
        case .nothing: throw SupConError(.state, "no image is open")
        case .view(let view):
            return (try view.converted(to: dataset.channels, scratch: converted), nil)
        case .file(let header, let path):
            let denominator = header.denominator(for: isExact ? 1 : fraction)
            let stored = try naming(path) { () throws(SupConError) in
                try decode(header, path, denominator, part)
            }
            let view = try header.orientation.apply(stored).converted(
                to: dataset.channels, scratch: converted)
            return (view, header.orientation.frame(of: header, at: denominator, in: view))
        case .callback(let callback, let sourceIndex):
            let memory = try converted.reserve(callback.height * callback.width * callback.channels)
            try callback.call([sourceIndex], memory.assumingMemoryBound(to: UInt8.self))
            let view = ImageView(
                dense: memory, element: .u8, height: callback.height, width: callback.width,
                channels: callback.channels)
            return (view, nil)
        case .corrupted(let reader, let sourceIndex): return (try reader.pixels(sourceIndex), nil)
        case .joined(let reader):
            let view = try reader.pixels(atLeast: fraction, of: part)
            return (view, reader.frame)
        }
    }

    private func decode(
        _ header: ImageHeader, _ path: RawPath, _ denominator: Int, _ part: CropBox?
    ) throws(SupConError) -> ImageView {
        let size = header.decodedSize(denominator)
        try gate.watch.check()
        hasTurn = try gate.enter(
            header.memory(height: size.height, width: size.width), hasTurn: hasTurn,
            for: "decoding an image of \(header.height)×\(header.width)")
        switch header.kind {
        case .png:
            return try PNGDecoder.decode(
                file.bytes, header, scratch: decoded, watch: gate.watch, path: path.description)
        case .webp:
            return try WebPDecoder.decode(
                UnsafeRawBufferPointer(file.bytes), header, scratch: decoded, watch: gate.watch)
        case .jpeg: break
        }
        let decoder = if let jpeg { jpeg } else { try JPEGDecoder() }
        jpeg = decoder
        do throws(SupConError) {
            return try decoder.decode(
                file, header, channels: dataset.channels, denominator: denominator,
                end: part.map { header.orientation.storedRows(of: header, for: $0) }
                    ?? header.storedHeight,
                scratch: decoded, watch: gate.watch, path: path.description)
        } catch {
            if error.kind == .canceled {  // another thread may still use them
                (jpeg, decoded) = (nil, Scratch(gate.context))
                file = ImageFile(mostPixels: dataset.source.mostPixels, context: gate.context)
            }
            throw error
        }
    }
}
