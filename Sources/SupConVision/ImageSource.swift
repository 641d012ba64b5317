import SupConTensor

/// An image source is where a data set's images come from.
enum ImageSource: Sendable {
    /// Images of one size, in the caller's memory or in `owner`.
    case batch(ImageBatch, owner: AlignedBuffer?)
    /// Images of several sizes, u8, each dense, in the library's memory.
    case ragged([PlacedImage], channels: Int, memory: AlignedBuffer)
    case files(FileSource)
    case callback(CallbackSource)
    /// The images of another data set, corrupted when they are read.
    case corrupted(CorruptedSource)
    /// The images of several processes, of which this one has its own part.
    case joined(JoinedSource)

    struct PlacedImage: Sendable {
        var offset, height, width: Int
    }

    var count: Int {
        switch self {
        case .batch(let batch, _): batch.count
        case .ragged(let images, _, _): images.count
        case .files(let files): files.entries.count
        case .callback(let callback): callback.count
        case .corrupted(let corrupted): corrupted.dataset.count
        case .joined(let joined): joined.count
        }
    }

    /// Whether JPEGs are decoded at full size whatever the view.
    var isExact: Bool {
        if case .files(let files) = self { return files.isExact }
        return false
    }

    /// The largest number of pixels of an image; it does not matter for images in memory.
    var mostPixels: Int {
        if case .files(let files) = self { return files.mostPixels }
        return DatasetOptions().maxPixels
    }

    func size(_ index: Int) -> (height: Int, width: Int) {
        switch self {
        case .batch(let batch, _): (batch.height, batch.width)
        case .ragged(let images, _, _): (images[index].height, images[index].width)
        case .files(let files): (Int(files.entries[index].height), Int(files.entries[index].width))
        case .callback(let callback): (callback.height, callback.width)
        case .corrupted(let corrupted):
            corrupted.size.map { ($0.height, $0.width) }
                ?? corrupted.dataset.source.size(corrupted.dataset.sourceIndex(index))
        case .joined(let joined): joined.size(index)
        }
    }

    /// Returns the size of all of `picks` (nil: of all images), if they have the same.
    func commonSize(of picks: [Int]?) -> (height: Int, width: Int)? {
        switch self {
        case .batch, .callback: return size(0)
        case .corrupted(let corrupted)
        where corrupted.size != nil || corrupted.dataset.height != nil:
            return size(0)
        case .joined(let joined): return joined.size.map { ($0.height, $0.width) }
        case .ragged, .files, .corrupted:
            let count = picks?.count ?? count
            guard count > 0 else { return nil }
            let first = size(picks?[0] ?? 0)
            for i in 1..<max(count, 1) where size(picks?[i] ?? i) != first { return nil }
            return first
        }
    }
}

/// Encoded memory holds encoded images in the caller's memory or in `owner`.
struct EncodedMemory: @unchecked Sendable {
    var pieces: [UnsafeRawBufferPointer?]
    var owner: AlignedBuffer?
}

/// A file source lists image files, or their contents in memory, whose headers have been read once.
struct FileSource: Sendable {
    struct Entry: Sendable {
        /// The size of the image after its orientation has been applied.
        var height, width: Int32
    }
    var entries: [Entry]
    /// The paths; empty for images in memory that have no name.
    var paths: PathTable
    /// The encoded bytes of each image, nil for one in a file; nil: all images are in files.
    var memory: EncodedMemory?
    /// The most pixels that an image may have.
    var mostPixels: Int
    /// The rule for a file that is unreadable.
    var onError: DatasetOptions.OnError
    /// Whether JPEGs are decoded at full size whatever the view.
    var isExact: Bool

    /// Returns the name of an image for error messages.
    func name(_ index: Int) -> RawPath {
        let path = paths.path(index)
        return path.bytes.isEmpty ? RawPath("image \(index)") : path
    }
}

/// A corrupted source holds the images of a data set, resized if there is a size, and corrupted
/// with their indices in it as seeds.
struct CorruptedSource: Sendable {
    struct Size: Sendable { var height, width: Int }
    var dataset: Dataset
    var size: Size?
    var corruption: Corruption
    var severity: Int
    var seed: UInt64
}

/// A callback source holds images that the caller produces on demand, u8, dense. The closure is
/// called only on the thread that called the library, hence unchecked.
struct CallbackSource: @unchecked Sendable {
    var count, height, width, channels: Int
    var fill: (_ indices: [Int], _ pixels: UnsafeMutablePointer<UInt8>) -> Bool

    /// Fills `pixels` with the images at `indices`. Errors: canceled.
    func call(_ indices: [Int], _ pixels: UnsafeMutablePointer<UInt8>) throws(SupConError) {
        try require(fill(indices, pixels), .canceled, "the data set's callback stopped it")
    }
}
