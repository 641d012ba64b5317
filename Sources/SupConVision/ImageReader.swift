import SupConTensor

/// Reads images of a data set one at a time, with scratch memory of its own, which grows to the
/// largest image and stays. One thread.
package final class ImageReader {
    private let dataset: Dataset
    private var opened = Opened.nothing
    private let decoded: Scratch
    private let converted: Scratch
    private let file: ImageFile
    private let gate: DecodeGate
    private var hasTurn = false
    private let isExact: Bool
    /// The part of the pixels that came last in which the image lies.
    package private(set) var frame = CropBox(height: 1, width: 1)
    private var jpeg: JPEGDecoder?
    private var corrupted: CorruptedReader?

    private enum Opened {
        case nothing
        case view(ImageView)
        case file(ImageHeader, RawPath)
        case callback(CallbackSource, Int)
        case corrupted(CorruptedReader, Int)
    }

    /// - Parameter gate: what the readers of one call share; nil: this one is alone, and all of the
    ///   machine's memory may be taken.
    package init(_ dataset: Dataset, _ gate: DecodeGate? = nil) {
        self.dataset = dataset
        self.gate = gate ?? DecodeGate(.default)
        let context = self.gate.context
        (decoded, converted) = (Scratch(context), Scratch(context))
        file = ImageFile(mostPixels: dataset.source.mostPixels, context: context)
        isExact = dataset.source.isExact
    }

    deinit { close() }

    /// Lets the opened image go. One that is large keeps other readers of the same gate waiting
    /// until then, or until the next `open`.
    package func close() {
        opened = .nothing
        corrupted?.close()
        guard hasTurn else { return }
        decoded.release()
        converted.release()
        hasTurn = false
        gate.leave()
    }

    /// Opens image `index` and tells its size; of a file it reads the bytes and the header only.
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
        let place = dataset.sourceIndex(index)
        switch dataset.source {
        case .batch(let batch, _): opened = .view(batch[place])
        case .ragged(let images, let channels, let memory):
            let image = images[place]
            opened = .view(
                ImageView(
                    dense: memory.pointer + image.offset, element: .u8, height: image.height,
                    width: image.width, channels: channels))
        case .files(let files):
            let path = files.name(place)
            let encoded = files.memory?.pieces[place] ?? nil
            let header =
                if let encoded { try file.read(encoded, name: path) } else { try file.read(path) }
            let known = dataset.source.size(place)
            try require(
                header.height == known.height && header.width == known.width, .format,
                """
                \(path): is \(header.height)×\(header.width) pixels large; it was \
                \(known.height)×\(known.width) when the data set was made
                """
            )
            opened = .file(header, path)
        case .callback(let callback): opened = .callback(callback, place)
        case .corrupted(let source):
            let reader = corrupted ?? CorruptedReader(source, gate)
            corrupted = reader
            try reader.open(place)
            opened = .corrupted(reader, place)
        }
        return dataset.source.size(place)
    }

    /// The opened image's pixels with the data set's channels, by any strides (a channel stride of
    /// 0: gray made RGB; swapped or negative ones: a photograph's orientation), for a view that has
    /// `fraction` of its pixels along each side. A JPEG may come smaller, by DCT scaling (1/2,
    /// 1/4), but with a margin that keeps the view within half a level of 255 on average of that
    /// from all pixels; unless the data set decodes exactly. `frame` tells where the image then
    /// lies. Valid until the next `open`, `pixels` or `close`, and while the reader lives.
    ///
    /// - Parameter part: what is wanted of the image, in its pixels at full size; nil: all of it.
    ///   Pixels elsewhere may be undefined.
    ///
    /// Errors: state (nothing is open), format, memory, canceled (by a callback).
    package func pixels(atLeast fraction: Double, of part: CropBox? = nil) throws(SupConError)
        -> ImageView
    {
        let (view, frame) = try read(atLeast: fraction, of: part)
        self.frame = frame ?? CropBox(height: view.height, width: view.width)
        return view
    }

    /// The pixels, and where in them the image lies if that is not all of them.
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
        case .callback(let callback, let place):
            let memory = try converted.reserve(callback.height * callback.width * callback.channels)
            try callback.call([place], memory.assumingMemoryBound(to: UInt8.self))
            let view = ImageView(
                dense: memory, element: .u8, height: callback.height, width: callback.width,
                channels: callback.channels)
            return (view, nil)
        case .corrupted(let reader, let place): return (try reader.pixels(place), nil)
        }
    }

    private func decode(
        _ header: ImageHeader, _ path: RawPath, _ denominator: Int, _ part: CropBox?
    ) throws(SupConError) -> ImageView {
        let size = header.decodedSize(denominator)
        hasTurn = try gate.enter(
            header.memory(height: size.height, width: size.width), hasTurn: hasTurn,
            for: "decoding an image of \(header.height)×\(header.width)")
        switch header.kind {
        case .png:
            return try PNGDecoder.decode(
                file.bytes, header, scratch: decoded, path: path.description)
        case .webp:
            return try WebPDecoder.decode(
                UnsafeRawBufferPointer(file.bytes), header, scratch: decoded)
        case .jpeg: break
        }
        let decoder = if let jpeg { jpeg } else { try JPEGDecoder() }
        jpeg = decoder
        return try decoder.decode(
            file.bytes, header, channels: dataset.channels, denominator: denominator,
            end: part.map { header.orientation.storedRows(of: header, for: $0) }
                ?? header.storedHeight,
            scratch: decoded, path: path.description)
    }
}
