import Glibc
import SupConTensor

/// Variants of a data set have the same images with other labels or other names. The pixels are
/// shared.
extension Dataset {
    private func relabeled(_ labels: [Int]?, _ classTable: ClassTable) -> Dataset {
        Dataset(
            source: source, picks: picks, labels: labels, targets: targets, weights: weights,
            classTable: classTable,
            channels: channels, skipped: skipped)
    }

    /// Returns the data set with these labels: one for each image, any integer; nil: none. Classes
    /// are named by their labels. Errors: shape, memory.
    public func with(labels: [Int]?) throws(SupConError) -> Dataset {
        relabeled(labels, try ClassTable(labels, images: count))
    }

    /// Returns the data set with these names for its classes: one for each, in the order of
    /// `classLabels`; or more, in which case labels are indices into the names, and each name is a
    /// class. Errors: state (no labels), shape.
    public func with(classNames names: [String]) throws(SupConError) -> Dataset {
        try require(labels != nil, .state, "the data set has no labels, and so no classes to name")
        return relabeled(labels, try classTable.named(names))
    }

    /// Returns the images of these classes only, with the classes in this order: labels are
    /// renumbered, images of other classes are left out, and a name that no class has becomes a
    /// class without images. Errors: state (no labels, no image left), argument (a name twice).
    public func with(classes names: [String]) throws(SupConError) -> Dataset {
        guard let of = classIndices else {
            throw SupConError(
                .state, "the data set has no labels, and so no classes to choose from")
        }
        var numbers: [String: Int] = [:]
        for (number, name) in names.enumerated() {
            try require(
                numbers.updateValue(number, forKey: name) == nil, .argument,
                "class “\(name)” is given twice; expected each once")
        }
        let now = (0..<classes).map { className($0).flatMap { numbers[$0] } }
        let kept = (0..<count).filter { now[of[$0]] != nil }
        try require(
            !kept.isEmpty, .state,
            """
            no image is of the \(names.count) classes given\
            \(names.first.map { " (“\($0)” …)" } ?? ""); the data set has \(classes) classes\
            \(className(0).map { " (“\($0)” …)" } ?? "")
            """
        )
        let part = kept.count == count ? self : part(kept)
        let left = Set((0..<classes).filter { now[$0] == nil }).count
        if left > 0 {
            Log.write(
                .info,
                """
                \(left) of \(classes) classes, with \(count - kept.count) images, are not among \
                those given and are left out
                """
            )
        }
        let present = Set(kept.compactMap { now[of[$0]] })
        if let empty = names.indices.first(where: { !present.contains($0) }) {
            Log.write(.warning, "class “\(names[empty])” has no image; it stays a class")
        }
        return part.relabeled(
            kept.compactMap { now[of[$0]] }, ClassTable(count: names.count, names: names))
    }

    /// Returns the data set with symmetric label noise: ⌊rate · n + ½⌋ images, chosen at random,
    /// get one of the other classes that have images, with equal probability. Equal seeds give
    /// equal noise. Errors: argument (rate not within 0 to 1), state (no labels, fewer than two
    /// classes with images), memory.
    public func withLabelNoise(rate: Double, seed: UInt64) throws(SupConError) -> Dataset {
        try require(rate >= 0 && rate <= 1, .argument, "rate is \(rate); expected 0 to 1")
        guard var labels else {
            throw SupConError(.state, "the data set has no labels to put noise on")
        }
        try Self.checkListMemory(count, for: "label noise of \(count) images")
        let present = Set(labels).sorted()
        try require(
            present.count >= 2, .state,
            "the data set has images of \(present.count) class; expected 2 or more for label noise")
        let ranks = Dictionary(uniqueKeysWithValues: present.enumerated().map { ($1, $0) })
        var stream = Philox(seed: seed, purpose: .split, view: Variant.labelNoise.rawValue)
        for index in stream.permutation(count).prefix(
            Int((rate * Double(count) + 0.5).rounded(.down)))
        {
            let other = stream.index(below: present.count - 1)
            labels[index] = present[other < ranks[labels[index], default: 0] ? other : other + 1]
        }
        return relabeled(labels, classTable)
    }

    /// The variants, each of which has its own streams of random numbers.
    enum Variant: Int { case labelNoise = 1, perClass, longTailed }
}

/// Variants that keep fewer images.
extension Dataset {
    /// Returns at most `most` images of each class, chosen at random, in their order; smaller
    /// classes stay whole. With equal seeds a smaller choice is a subset of a larger one. Errors:
    /// argument, state (no labels).
    public func limited(perClass most: Int, seed: UInt64) throws(SupConError) -> Dataset {
        try require(most >= 1, .argument, "\(most) images per class; expected 1 or more")
        return try limited(.perClass, seed: seed) { _, _, _ in most }
    }

    /// Returns the data set with a long-tailed class distribution: of the C classes that have
    /// images, in order, the one of index r, from 0, keeps ⌊n_max · factor^(−r / (C − 1))⌋ random
    /// images, at least 1 and at most all of its own, where n_max is the size of the largest class
    /// (Cui et al., "Class-Balanced Loss", arXiv:1901.05555, §5.1; `factor` is their imbalance
    /// factor, the ratio of the first class's size to the last one's). Errors: argument (factor
    /// below 1), state (no labels).
    public func longTailed(factor: Double, seed: UInt64) throws(SupConError) -> Dataset {
        try require(
            factor >= 1 && factor.isFinite, .argument,
            "the imbalance factor is \(factor); expected 1 or more")
        return try limited(.longTailed, seed: seed) { rank, classes, largest in
            let position = classes > 1 ? Double(rank) / Double(classes - 1) : 0
            // Slightly more than the power, so that 100 · 10^(−1) does not become 9.999…
            return max(1, Int(Double(largest) * pow(factor, -position) * (1 + 1e-12)))
        }
    }

    private func limited(
        _ variant: Variant, seed: UInt64,
        _ wanted: (_ rank: Int, _ classes: Int, _ largest: Int) -> Int
    ) throws(SupConError) -> Dataset {
        try Self.checkListMemory(count, for: "choosing from \(count) images")
        guard let members = classMembers() else {
            throw SupConError(.state, "the data set has no labels to choose images by")
        }
        let largest = members.reduce(0) { max($0, $1.images.count) }
        var isKept = [Bool](repeating: false, count: count)
        for (rank, (index, indices)) in members.enumerated() {
            var stream = Philox(seed: seed, purpose: .split, sample: index, view: variant.rawValue)
            for member in stream.permutation(indices.count).prefix(
                wanted(rank, members.count, largest))
            { isKept[indices[member]] = true }
        }
        return part((0..<count).filter { isKept[$0] })
    }
}
