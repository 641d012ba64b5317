import SupConTensor

/// Where a data set's images come from.
enum ImageSource: Sendable {
    /// Of one size, in the caller's memory, or in `owner`'s.
    case batch(ImageBatch, owner: AlignedBuffer?)
    /// Of several sizes, u8, each dense, in memory of ours.
    case ragged([PlacedImage], channels: Int, memory: AlignedBuffer)
    case files(FileSource)
    case callback(CallbackSource)
    /// Another data set's, corrupted when they are read.
    case corrupted(CorruptedSource)

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
        }
    }

    /// JPEGs are decoded at their full size whatever the view.
    var isExact: Bool {
        if case .files(let files) = self { return files.isExact }
        return false
    }

    /// The most pixels that an image may have; where images are in memory, it does not matter.
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
        }
    }

    /// The size of all of `picks` (nil: of all images), if it is one.
    func commonSize(of picks: [Int]?) -> (height: Int, width: Int)? {
        switch self {
        case .batch, .callback: return size(0)
        case .corrupted(let corrupted)
        where corrupted.size != nil || corrupted.dataset.height != nil:
            return size(0)
        case .ragged, .files, .corrupted:
            let count = picks?.count ?? count
            guard count > 0 else { return nil }
            let first = size(picks?[0] ?? 0)
            for i in 1..<max(count, 1) where size(picks?[i] ?? i) != first { return nil }
            return first
        }
    }
}

/// Encoded images in the caller's memory, or in `owner`'s.
struct EncodedMemory: @unchecked Sendable {
    var pieces: [UnsafeRawBufferPointer?]
    var owner: AlignedBuffer?
}

/// Image files, or what would be in them, whose headers were read once.
struct FileSource: Sendable {
    struct Entry: Sendable {
        /// As the image is shown: after its orientation is applied.
        var height, width: Int32
    }
    var entries: [Entry]
    /// Empty for images in memory that have no name.
    var paths: PathTable
    /// The encoded bytes of each image, or nil where they are in the file; nil: all are in files.
    var memory: EncodedMemory?
    /// The most pixels that an image may have.
    var mostPixels: Int
    /// The rule for a file that is unreadable.
    var onError: DatasetOptions.OnError
    /// JPEGs are decoded at their full size whatever the view.
    var isExact: Bool

    /// Returns the name that errors call an image by.
    func name(_ index: Int) -> RawPath {
        let path = paths.path(index)
        return path.bytes.isEmpty ? RawPath("image \(index)") : path
    }
}

/// The images of a data set, resized if there is a size, and corrupted under their numbers in it.
struct CorruptedSource: Sendable {
    struct Size: Sendable { var height, width: Int }
    var dataset: Dataset
    var size: Size?
    var corruption: Corruption
    var severity: Int
    var seed: UInt64
}

/// Images that the caller makes on demand, u8, dense. The closure runs only on the thread that
/// called the library: hence unchecked.
struct CallbackSource: @unchecked Sendable {
    var count, height, width, channels: Int
    var fill: (_ indices: [Int], _ pixels: UnsafeMutablePointer<UInt8>) -> Bool

    /// Fills `pixels` with the images at `indices`. Errors: canceled.
    func call(_ indices: [Int], _ pixels: UnsafeMutablePointer<UInt8>) throws(SupConError) {
        try require(fill(indices, pixels), .canceled, "the data set's callback stopped it")
    }
}
