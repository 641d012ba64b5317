import SupConTensor

/// Reads images of a data set one at a time, with scratch memory of its own, which grows to the
/// largest image and stays. One thread.
public final class ImageReader {
    private let dataset: Dataset
    private var opened = Opened.nothing
    private let decoded: Scratch
    private let converted: Scratch
    private let file: ImageFile
    private let gate: DecodeGate
    private var hasTurn = false
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
    public init(_ dataset: Dataset, _ gate: DecodeGate? = nil) {
        self.dataset = dataset
        self.gate = gate ?? DecodeGate(.default)
        let context = self.gate.context
        (decoded, converted) = (Scratch(context), Scratch(context))
        file = ImageFile(mostPixels: dataset.source.mostPixels, context: context)
    }

    deinit { close() }

    /// Lets the opened image go. One that is large keeps other readers of the same gate waiting
    /// until then, or until the next `open`.
    public func close() {
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
    public func open(_ index: Int) throws(SupConError) -> (height: Int, width: Int) {
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
            let path = files.paths.path(place)
            let header = try file.read(path)
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
    /// 0: gray made RGB; swapped or negative ones: a photograph's orientation). A JPEG may come
    /// smaller, by DCT scaling (1/2, 1/4, 1/8), but not below `fraction` of its size, each side
    /// rounded up: the view says. Valid until the next `open` or `pixels`, and while the reader
    /// lives. Errors: state (nothing is open), format, memory, canceled (by a callback).
    public func pixels(atLeast fraction: Double) throws(SupConError) -> ImageView {
        switch opened {
        case .nothing: throw SupConError(.state, "no image is open")
        case .view(let view): return try view.converted(to: dataset.channels, scratch: converted)
        case .file(let header, let path):
            let view = try naming(path) { () throws(SupConError) in
                try decode(header, path, atLeast: fraction)
            }
            return try header.orientation.apply(view).converted(
                to: dataset.channels, scratch: converted)
        case .callback(let callback, let place):
            let memory = try converted.reserve(callback.height * callback.width * callback.channels)
            try callback.call([place], memory.assumingMemoryBound(to: UInt8.self))
            return ImageView(
                dense: memory, element: .u8, height: callback.height, width: callback.width,
                channels: callback.channels)
        case .corrupted(let reader, let place): return try reader.pixels(place)
        }
    }

    private func decode(_ header: ImageHeader, _ path: RawPath, atLeast fraction: Double)
        throws(SupConError) -> ImageView
    {
        let size = header.decodedSize(atLeast: fraction)
        hasTurn = try gate.enter(
            header.memory(height: size.height, width: size.width), hasTurn: hasTurn,
            for: "decoding an image of \(header.height)×\(header.width)")
        if header.kind == .png {
            return try PNGDecoder.decode(
                file.bytes, header, scratch: decoded, path: path.description)
        }
        let decoder = if let jpeg { jpeg } else { try JPEGDecoder() }
        jpeg = decoder
        return try decoder.decode(
            UnsafeRawBufferPointer(file.bytes), header, channels: dataset.channels, size: size,
            scratch: decoded, path: path.description)
    }
}
