import SupConTensor

/// A joined source numbers the images of several processes, its ranks, one after the other, of
/// which this process can read its own part alone.
struct JoinedSource: Sendable {
    /// This process's images.
    var own: Dataset
    var rank: Int
    /// The images of each rank, in order.
    var parts: [Range<Int>]
    /// The size of all images of all ranks; nil: they differ.
    var size: ImageSize?
    /// The median size of the first rank's images, so that all ranks have the same.
    var median: ImageSize

    struct ImageSize: Sendable, Equatable { var height, width: Int }

    var count: Int { parts.last?.upperBound ?? 0 }

    /// Returns the rank that has an image.
    func owner(_ index: Int) -> Int {
        var (low, high) = (0, parts.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if parts[middle].upperBound <= index { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Returns the index of an image in `own`. Errors: argument (another rank has it).
    func local(_ index: Int) throws(SupConError) -> Int {
        let part = parts[rank]
        guard part.contains(index) else {
            throw SupConError(
                .argument,
                """
                image \(index) of the joined data set is at rank \(owner(index)), and this is \
                rank \(rank); expected a run over these ranks, or the part of this one
                """
            )
        }
        return index - part.lowerBound
    }

    func size(_ index: Int) -> (height: Int, width: Int) {
        if let size { return (size.height, size.width) }
        guard let local = try? self.local(index) else { return (0, 0) }
        return own.source.size(own.sourceIndex(local))
    }
}

extension Dataset {
    private var joined: JoinedSource? {
        if case .joined(let joined) = source { return joined }
        return nil
    }

    /// The number of ranks whose images were joined; nil: they were not.
    package var joinedWorld: Int? { joined?.parts.count }

    /// The rank as which this process joined its images; nil: it did not.
    package var joinedRank: Int? { joined?.rank }

    /// The rank that has each image; nil: this process can read all of them.
    package var owners: [Int]? {
        joined.map { joined in (0..<count).map { joined.owner(sourceIndex($0)) } }
    }

    /// Whether this process can read the image.
    func isOwn(_ index: Int) -> Bool {
        joined.map { $0.parts[$0.rank].contains(sourceIndex(index)) } ?? true
    }

    /// Returns the images of a joined data set that this process has, in their order, with the
    /// classes of all; they need no other process. A data set that is not joined is returned as it
    /// is.
    public func ownPart() -> Dataset {
        guard let joined else { return self }
        let (part, own) = (joined.parts[joined.rank], joined.own)
        let indices = (0..<count).filter { part.contains(sourceIndex($0)) }
        return Dataset(
            source: own.source,
            picks: indices.map { own.sourceIndex(sourceIndex($0) - part.lowerBound) },
            labels: labels.map { all in indices.map { all[$0] } },
            targets: targets?.picked(indices),
            weights: weights.map { all in indices.map { all[$0] } }, classTable: classTable,
            channels: channels)
    }
}
