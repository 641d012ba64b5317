import SupConTensor

/// Targets are values that define which images are alike, besides their classes or instead of them:
/// several labels, 0 or 1 each, or real values. There is one row per image.
public struct Targets: Sendable, Equatable {
    /// The length of a row.
    public let dimension: Int
    /// All rows, one after another: [count, dimension].
    public let values: [Double]

    /// The number of rows.
    public var count: Int { values.count / dimension }

    /// Makes rows of `dimension` values. Errors: shape, argument (a value that is not finite).
    public init(_ values: [Double], dimension: Int) throws(SupConError) {
        try require(
            dimension >= 1 && values.count % dimension == 0, .shape,
            """
            there are \(values.count) numbers for targets of dimension \(dimension); expected \
            whole rows of 1 or more
            """
        )
        if let index = values.firstIndex(where: { !$0.isFinite }) {
            throw SupConError(
                .argument,
                """
                target \(index % dimension) of image \(index / dimension) is \
                \(values[index]); expected finite numbers
                """
            )
        }
        (self.dimension, self.values) = (dimension, values)
    }

    private init(checked values: [Double], dimension: Int) {
        (self.dimension, self.values) = (dimension, values)
    }

    /// The row of an image.
    public subscript(image: Int) -> ArraySlice<Double> {
        values[image * dimension..<(image + 1) * dimension]
    }

    /// Returns the rows of the images at `indices`, which are in range.
    func picked(_ indices: [Int]) -> Targets {
        Targets(checked: indices.flatMap { self[$0] }, dimension: dimension)
    }
}

extension Dataset {
    /// Returns the data set with these targets: a row for each image; nil: none. Errors: shape.
    public func with(targets: Targets?) throws(SupConError) -> Dataset {
        if let targets {
            try require(
                targets.count == count, .shape,
                "there are \(targets.count) rows of targets for \(count) images; expected one each")
        }
        return Dataset(
            source: source, picks: picks, labels: labels, targets: targets, weights: weights,
            classTable: classTable, channels: channels, skipped: skipped)
    }
}

extension Dataset {
    /// Returns a hash of labels, weights and, if requested, targets; other values almost always
    /// have another hash.
    package func labelFingerprint(withTargets: Bool) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func add(_ word: UInt64) {
            // Like FNV-1a, word by word. The shift mixes the upper bits, in which 0.0 and 1.0
            // differ, into the lower ones.
            hash = (hash ^ word) &* 0x0000_0100_0000_01B3
            hash ^= hash >> 32
        }
        for label in labels ?? [] { add(UInt64(bitPattern: Int64(label))) }
        if withTargets, let targets {
            add(UInt64(targets.dimension))
            for value in targets.values { add(value.bitPattern) }
        }
        for weight in weights ?? [] { add(UInt64(weight.bitPattern)) }
        return hash
    }
}
