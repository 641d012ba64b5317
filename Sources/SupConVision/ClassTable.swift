import SupConTensor

/// A class table lists the classes of a data set: class c has the label of index c in ascending
/// order.
///
/// Labels are any integers (ids, product numbers, hashes), as nothing grows with the largest one. A
/// subset keeps its parent's table, so that its classes are the parent's, and a model trained on
/// one part fits the other.
struct ClassTable: Sendable, Equatable {
    /// The label of each class, ascending.
    let labels: [Int]
    /// The names of the classes; nil: classes are named by their labels.
    let names: [String]?

    /// The table of a data set without labels, which has no classes.
    static let none = ClassTable(labels: [], names: nil)

    private init(labels: [Int], names: [String]?) { (self.labels, self.names) = (labels, names) }

    /// Makes a table of classes with labels 0 to `count` - 1; `names` is nil, or has one name for
    /// each.
    init(count: Int, names: [String]? = nil) {
        self.init(labels: Array(0..<count), names: names)
    }

    /// Makes a table of the distinct labels of `labels`; nil: there are none. Errors: shape (the
    /// number of labels differs from that of images), memory.
    init(_ labels: [Int]?, images: Int) throws(SupConError) {
        guard let labels else {
            self = .none
            return
        }
        try require(
            labels.count == images, .shape,
            "there are \(labels.count) labels for \(images) images; expected one each")
        try Dataset.checkListMemory(images, for: "finding the classes of \(images) labels")
        self.init(labels: Set(labels).sorted(), names: nil)
    }

    var count: Int { labels.count }

    /// Whether labels are class indices already.
    private var isDense: Bool { labels.first == 0 && labels.last == labels.count - 1 }

    /// Returns the class of a label; nil if no class has it.
    func index(of label: Int) -> Int? {
        if isDense { return labels.indices.contains(label) ? label : nil }
        var (low, high) = (0, labels.count)
        while low < high {
            let middle = (low + high) / 2
            if labels[middle] < label { low = middle + 1 } else { high = middle }
        }
        return low < labels.count && labels[low] == label ? low : nil
    }

    /// Returns the classes of labels that are all in the table.
    func indices(of all: [Int]) -> [Int] { isDense ? all : all.map { index(of: $0) ?? 0 } }

    /// Returns the name of a class, or else its label; nil if there is no such class.
    func name(_ index: Int) -> String? {
        guard labels.indices.contains(index) else { return nil }
        return names?[index] ?? String(labels[index])
    }

    /// Returns the table with these names: one for each class, in order; or more, in which case
    /// labels are indices into the names. Errors: shape (fewer names than classes, or a label that
    /// is not an index into the longer list).
    func named(_ names: [String]) throws(SupConError) -> ClassTable {
        try require(
            names.count >= count, .shape,
            "there are \(names.count) names for \(count) classes; expected one each")
        if names.count == count { return ClassTable(labels: labels, names: names) }
        if let label = labels.first(where: { !names.indices.contains($0) }) {
            throw SupConError(
                .shape,
                """
                there are \(names.count) names for \(count) classes, one of which has the label \
                \(label); expected \(count) names, or labels from 0 to \(names.count - 1)
                """
            )
        }
        return ClassTable(count: names.count, names: names)
    }
}

/// The classes of several tables together, for data sets that are joined.
extension ClassTable {
    /// Returns the table of the classes of all of `tables`, by rank. Equal tables stay as they are.
    /// Otherwise classes of one name are one, in the byte order of names; classes without names
    /// are those of all labels. Errors: argument (only some tables have names).
    static func merged(_ tables: [ClassTable]) throws(SupConError) -> ClassTable {
        guard let first = tables.first else { return .none }
        if tables.allSatisfy({ $0 == first }) { return first }
        let named = tables.compactMap(\.names)
        if named.isEmpty {
            return ClassTable(labels: Set(tables.flatMap(\.labels)).sorted(), names: nil)
        }
        try require(
            named.count == tables.count, .argument,
            """
            the classes of \(named.count) of \(tables.count) parts have names; expected all or \
            none
            """
        )
        let names = Set(named.joined()).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        return ClassTable(count: names.count, names: names)
    }

    /// Returns the labels, in this table, of the classes that have the labels `all` in `part`, one
    /// of those that were merged.
    func labels(of all: [Int], in part: ClassTable) -> [Int] {
        guard self != part, let names, let theirs = part.names else { return all }
        let labels = Dictionary(zip(names, self.labels)) { first, _ in first }
        let own = theirs.map { labels[$0] ?? 0 }
        return part.indices(of: all).map { own[$0] }
    }

    /// The table as bytes: the number of classes, their labels, and whether there are names; then
    /// the length of each name, and the name.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        func add(_ number: Int) {
            withUnsafeBytes(of: Int64(number).littleEndian) { bytes += $0 }
        }
        add(labels.count)
        labels.forEach(add)
        add(names == nil ? 0 : 1)
        for name in names ?? [] {
            add(name.utf8.count)
            bytes += name.utf8
        }
        return bytes
    }

    /// Reads `encoded`. Errors: io (other bytes).
    init(encoded bytes: [UInt8]) throws(SupConError) {
        var rest = bytes[...]
        func check(_ isRight: Bool) throws(SupConError) {
            try require(
                isRight, .io,
                """
                the classes of another rank cannot be read: the collectives do not deliver what \
                a rank gives
                """
            )
        }
        func take(_ count: Int) throws(SupConError) -> ArraySlice<UInt8> {
            try check(count >= 0 && count <= rest.count)
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        func number() throws(SupConError) -> Int {
            Int(
                Int64(
                    bitPattern: try take(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }))
        }
        let count = try number()
        try check(count >= 0 && count <= rest.count / 8)
        var labels: [Int] = []
        for _ in 0..<count { labels.append(try number()) }
        var names: [String]?
        if try number() != 0 {
            var found: [String] = []
            for _ in 0..<count {
                found.append(String(decoding: try take(try number()), as: UTF8.self))
            }
            names = found
        }
        try check(zip(labels, labels.dropFirst()).allSatisfy { $0 < $1 })
        self.init(labels: labels, names: names)
    }
}
