import Glibc
import SupConTensor

/// A data set holds images that never change: in memory, in files, or made by a callback. Any
/// number of threads may use one (except a callback's, which only the thread that called the
/// library may use).
///
/// Subsets and splits are lists of indices into the same source, so they are cheap; the source
/// lives as long as any of them.
public final class Dataset: Sendable {
    /// The number of images.
    public let count: Int
    /// The label of each image, any integer, as given; nil: there are none.
    public let labels: [Int]?
    /// The targets of each image, which subsets keep; nil: there are none.
    public let targets: Targets?
    /// The weight of each image in a loss, as given; nil: all images weigh the same.
    public let weights: [Float]?
    /// The height of all images in pixels; nil: they differ.
    public let height: Int?
    /// The width of all images in pixels; nil: they differ.
    public let width: Int?
    /// The number of channels of the images, 1 to 4.
    public let channels: Int
    /// A line "path: reason" for each file that was left out; a subset has none.
    public let skipped: [String]

    let source: ImageSource
    /// The indices of the images in the source: image i is image picks[i] of it. nil: it is image
    /// i.
    let picks: [Int]?
    /// The class table; a subset keeps its parent's.
    let classTable: ClassTable

    init(
        source: ImageSource, picks: [Int]? = nil, labels: [Int]?, targets: Targets? = nil,
        weights: [Float]? = nil, classTable: ClassTable, channels: Int, skipped: [String] = []
    ) {
        count = picks?.count ?? source.count
        self.labels = labels
        self.targets = targets
        self.weights = weights
        self.classTable = classTable
        self.channels = channels
        self.skipped = skipped
        self.source = source
        self.picks = picks
        let size = source.commonSize(of: picks)
        height = size?.height
        width = size?.width
    }

    /// The median of the heights, and that of the widths, in pixels, of up to 10,000 images spread
    /// evenly over the set, or over the first rank's part of a joined one; 0 without images.
    public var medianSize: (height: Int, width: Int) {
        if let height, let width { return (height, width) }
        if case .joined(let joined) = source { return (joined.median.height, joined.median.width) }
        let step = max(1, (count + 9999) / 10000)
        let sizes = stride(from: 0, to: count, by: step).map { source.size(sourceIndex($0)) }
        func median(_ values: [Int]) -> Int {
            values.isEmpty ? 0 : values.sorted()[values.count / 2]
        }
        return (median(sizes.map { $0.height }), median(sizes.map { $0.width }))
    }

    /// The number of classes: the number of distinct labels; for a folder, the number of class
    /// folders; for CIFAR, 10 or 100; for a subset, its parent's; 0 without labels.
    public var classes: Int { classTable.count }

    /// The label of each class, ascending: class c has the label of index c.
    public var classLabels: [Int] { classTable.labels }

    /// The class of each image, 0 to `classes` - 1; nil: there are no labels.
    public var classIndices: [Int]? { labels.map(classTable.indices) }

    /// Returns the images of each class, in their order; nil: there are no labels.
    func imagesByClass() -> [[Int]]? {
        guard let classIndices else { return nil }
        var members = [[Int]](repeating: [], count: classes)
        for (image, index) in classIndices.enumerated() { members[index].append(image) }
        return members
    }

    /// Returns the images of each class that has any, together with the class.
    func classMembers() -> [(index: Int, images: [Int])]? {
        imagesByClass()?.enumerated().filter { !$0.element.isEmpty }.map { ($0.offset, $0.element) }
    }

    /// Returns the name of a class, such as that of its folder, or else its label; nil if there is
    /// no such class.
    public func className(_ index: Int) -> String? { classTable.name(index) }

    /// Returns the file of an image, or its name, with bytes that are not UTF-8 repaired; nil if it
    /// has none, if there is no such image, and of a joined data set (see `ownPart`).
    public func path(_ index: Int) -> String? { pathPointer(index).map { String(cString: $0) } }

    /// Returns the path as bytes that end in NUL; valid while the data set lives.
    package func pathPointer(_ index: Int) -> UnsafePointer<CChar>? {
        guard (0..<count).contains(index) else { return nil }
        switch source {
        case .files(let files):
            let path = files.paths[sourceIndex(index)]
            return path.pointee == 0 ? nil : path
        case .corrupted(let corrupted): return corrupted.dataset.pathPointer(sourceIndex(index))
        default: return nil
        }
    }

    /// Whether the images are a callback's, whose pixels must be fetched on the thread that called
    /// the library.
    package var needsCallingThread: Bool {
        switch source {
        case .callback: true
        case .corrupted(let corrupted): corrupted.dataset.needsCallingThread
        case .joined(let joined): joined.own.needsCallingThread
        default: false
        }
    }

    /// Whether a run skips files that have become unreadable.
    package var skipsUnreadable: Bool {
        switch source {
        case .files(let files): files.onError == .skip
        case .corrupted(let corrupted): corrupted.dataset.skipsUnreadable
        case .joined(let joined): joined.own.skipsUnreadable
        default: false
        }
    }

    func sourceIndex(_ index: Int) -> Int { picks.map { $0[index] } ?? index }

    /// The largest number of images that a data set may claim; lists of more would not fit in
    /// memory.
    package static let mostImages = 1 << 31

    /// Throws unless a number of images is valid. Errors: argument (negative, or more than
    /// `mostImages`).
    package static func checkCount(_ count: Int) throws(SupConError) {
        try require(
            (0...mostImages).contains(count), .argument,
            "count is \(count); expected 0 to \(mostImages) images")
    }

    /// Checks memory for lists of `count` entries, since Swift arrays abort where an allocation
    /// fails. `bytes`: of an entry; 64 cover a number in a list, its copies while it grows, and
    /// sets of members. Errors: memory.
    package static func checkListMemory(
        _ count: Int, bytes: Int = 64, for what: @autoclosure () -> String,
        context: ExecutionContext = .default
    ) throws(SupConError) {
        // The process may end for want of 64 KiB, as the header says.
        if count * bytes > 1 << 16 { try context.checkMemory(count * bytes, for: what()) }
    }

    /// Checks memory for a list of files that grows, whenever it has doubled. Errors: memory.
    static func checkFileMemory(_ count: Int, for what: @autoclosure () -> String)
        throws(SupConError)
    {
        guard count >= 64 && count & (count - 1) == 0 else { return }
        try checkListMemory(2 * count, bytes: bytesOfFile, for: what())
    }
    /// A name, its path, and what a data set notes of the file.
    static let bytesOfFile = 512

    /// Returns the images at `indices`, in that order; an index may repeat. Errors: argument,
    /// memory.
    public func subset(_ indices: [Int]) throws(SupConError) -> Dataset {
        try checkIndices(indices)
        try Self.checkListMemory(indices.count, for: "a part of \(indices.count) images")
        return part(indices)
    }

    /// Returns the images at `indices`, which are in range, and for whose lists there is memory.
    func part(_ indices: [Int]) -> Dataset {
        Dataset(
            source: source, picks: indices.map(sourceIndex),
            labels: labels.map { all in indices.map { all[$0] } },
            targets: targets?.picked(indices),
            weights: weights.map { all in indices.map { all[$0] } }, classTable: classTable,
            channels: channels)
    }

    /// Throws unless all indices are in range and there is memory. Errors: argument, memory (of
    /// their targets).
    func checkIndices(_ indices: [Int]) throws(SupConError) {
        if let at = indices.firstIndex(where: { !(0..<count).contains($0) }) {
            throw SupConError(
                .argument,
                """
                index \(at) is \(indices[at]); expected 0 to \(count - 1), as there are \
                \(count) images
                """
            )
        }
        if let targets {
            let elements = indices.count.multipliedReportingOverflow(by: targets.dimension)
            try require(
                !elements.overflow && elements.partialValue <= Int.max / 64, .memory,
                "targets of \(indices.count) images are more than memory")
            if elements.partialValue > 1 << 13 {
                try ExecutionContext.default.checkMemory(
                    elements.partialValue * 8, for: "targets of \(indices.count) images")
            }
        }
    }
}
