import SupConTensor

extension Dataset {
    /// Joins the parts of all ranks, each of which has images of its own, into one data set: every
    /// rank calls this with its part, and gets a data set whose images are those of rank 0, then
    /// those of rank 1, and so on. Each rank reads its own images alone; a run over these ranks
    /// trains on all of them (see `Trainer`).
    ///
    /// Parts may have different numbers of images, and different classes. Where their classes
    /// differ, those of one name are one class, in the byte order of names, with labels from 0;
    /// classes without names are those of all labels that occur. Errors: argument (parts that do
    /// not fit together, or are joined already), io (of the collectives), memory; at all ranks.
    public func joined(over collectives: any Collectives) throws(SupConError) -> Dataset {
        try Dataset.joined(over: collectives) { () throws(SupConError) in self }
    }

    /// Joins the parts that `part` returns at the ranks. If it throws at one, all end with its
    /// error.
    package static func joined(
        over collectives: any Collectives, _ part: () throws(SupConError) -> Dataset
    ) throws(SupConError) -> Dataset {
        let ranks = try Ranks(collectives, sumsInBackground: false)
        try ranks.barrier()
        let (own, reports) = try ranks.together { () throws(SupConError) in
            let own = try part()
            try require(
                own.joinedWorld == nil, .argument,
                "the part is a joined data set; expected the images of one rank")
            return own
        } reporting: { (own: Dataset) in
            PartShape(own).numbers
        }
        if ranks.isAlone { return own }
        do throws(SupConError) {
            var shapes: [PartShape] = []
            for report in reports { shapes.append(try PartShape(report, ranks)) }
            return try own.join(shapes, ranks)
        } catch {
            throw ranks.shared(error)
        }
    }

    private func join(_ shapes: [PartShape], _ ranks: Ranks) throws(SupConError) -> Dataset {
        for (rank, shape) in shapes.enumerated() { try shape.check(beside: shapes[0], rank) }
        var parts: [Range<Int>] = []
        for shape in shapes {
            let start = parts.last?.upperBound ?? 0
            parts.append(start..<(start + shape.count))
        }
        let count = parts.last?.upperBound ?? 0
        try Self.checkCount(count)
        try ranks.together { () throws(SupConError) in
            try Self.checkListMemory(count, for: "the lists of \(count) joined images")
        }
        let table = try ClassTable.merged(
            ranks.gather(classTable.encoded).map {
                (bytes) throws(SupConError) in try ClassTable(encoded: bytes)
            })
        var (labels, weights, targets): ([Int]?, [Float]?, Targets?) = (nil, nil, nil)
        if let own = self.labels {
            let all = try ranks.gather(table.labels(of: own, in: classTable), parts)
            if let strange = all.first(where: { table.index(of: $0) == nil }) {
                throw SupConError(
                    .io,
                    """
                    another rank has the label \(strange), of no class: the collectives do not \
                    deliver what a rank gives
                    """
                )
            }
            labels = all
        }
        if let own = self.weights { weights = try ranks.gather(own, parts) }
        if let own = self.targets {
            let rows = parts.map {
                ($0.lowerBound * own.dimension)..<($0.upperBound * own.dimension)
            }
            let values = try ranks.gather(own.values, rows)
            targets = try Targets(values, dimension: own.dimension)
        }
        let same = shapes.allSatisfy { $0.size == shapes[0].size } ? shapes[0].size : nil
        let median = shapes.first { $0.count > 0 }?.median ?? shapes[0].median
        return Dataset(
            source: .joined(
                JoinedSource(
                    own: self, rank: ranks.rank, parts: parts, size: same, median: median)),
            labels: labels, targets: targets, weights: weights, classTable: table,
            channels: channels, skipped: skipped)
    }
}

/// A part shape tells a rank's part of a joined data set in numbers, which the ranks exchange.
private struct PartShape {
    var count: Int
    var median: JoinedSource.ImageSize
    /// Whether all images have the size `median`.
    var hasOneSize: Bool
    var channels: Int
    var hasLabels, hasWeights: Bool
    /// The elements of an image's targets; 0: there are none.
    var dimension: Int

    /// The size of all images; nil: they differ.
    var size: JoinedSource.ImageSize? { hasOneSize ? median : nil }

    init(_ dataset: Dataset) {
        count = dataset.count
        let middle = dataset.medianSize
        median = .init(height: middle.height, width: middle.width)
        hasOneSize = dataset.height != nil
        channels = dataset.channels
        (hasLabels, hasWeights) = (dataset.labels != nil, dataset.weights != nil)
        dimension = dataset.targets?.dimension ?? 0
    }

    /// The report has seven numbers, the most that a rank sends.
    var numbers: [Double] {
        let flags = (hasLabels ? 1 : 0) + (hasWeights ? 2 : 0)
        return [
            Double(count), Double(median.height), Double(median.width), hasOneSize ? 1 : 0,
            Double(channels), Double(flags), Double(dimension),
        ]
    }

    /// Reads what a rank reported. Errors: io (no such numbers).
    init(_ report: [Double], _ ranks: Ranks) throws(SupConError) {
        func whole(_ index: Int, _ range: ClosedRange<Int>) throws(SupConError) -> Int {
            try ranks.whole(report[index], in: range)
        }
        count = try whole(0, 0...Dataset.mostImages)
        median = .init(height: try whole(1, 0...1 << 32), width: try whole(2, 0...1 << 32))
        hasOneSize = try whole(3, 0...(median.height > 0 && median.width > 0 ? 1 : 0)) == 1
        channels = try whole(4, 1...4)
        let flags = try whole(5, 0...3)
        (hasLabels, hasWeights) = (flags & 1 != 0, flags & 2 != 0)
        dimension = try whole(6, 0...1 << 28)
    }

    /// Throws unless a part of this shape, of rank `rank`, fits to that of rank 0. Errors:
    /// argument.
    func check(beside first: PartShape, _ rank: Int) throws(SupConError) {
        func same<T: Equatable>(_ key: KeyPath<PartShape, T>, _ what: String) throws(SupConError) {
            guard self[keyPath: key] != first[keyPath: key] else { return }
            throw SupConError(
                .argument,
                """
                \(what) is \(self[keyPath: key]) of the part of rank \(rank), and \
                \(first[keyPath: key]) of that of rank 0; expected the same of all
                """,
                rank: rank)
        }
        try same(\.channels, "the number of channels")
        try same(\.hasLabels, "having labels")
        try same(\.hasWeights, "having weights")
        try same(\.dimension, "the number of targets per image")
    }
}
