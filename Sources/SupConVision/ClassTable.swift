import SupConTensor

/// The classes of a data set: class c is the c-th of its labels in ascending order.
///
/// Labels are any integers (ids, product numbers, hashes): nothing here grows with the largest. A
/// subset keeps its parent's table, so that its classes stay the parent's, and what a model has
/// learned on one part holds on the other.
struct ClassTable: Sendable, Equatable {
    /// The label of each class, ascending.
    let labels: [Int]
    /// nil: classes are called by their labels.
    let names: [String]?

    /// A data set without labels has no classes.
    static let none = ClassTable(labels: [], names: nil)

    private init(labels: [Int], names: [String]?) { (self.labels, self.names) = (labels, names) }

    /// Classes whose labels are 0 to `count` - 1; `names`: nil, or one each.
    init(count: Int, names: [String]? = nil) {
        self.init(labels: Array(0..<count), names: names)
    }

    /// The classes of `labels`, those that occur; nil: none. Errors: shape (not as many labels as
    /// images), memory.
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

    /// Labels are class indices already.
    private var isDense: Bool { labels.first == 0 && labels.last == labels.count - 1 }

    /// The class of a label; nil: none has it.
    func index(of label: Int) -> Int? {
        if isDense { return labels.indices.contains(label) ? label : nil }
        var (low, high) = (0, labels.count)
        while low < high {
            let middle = (low + high) / 2
            if labels[middle] < label { low = middle + 1 } else { high = middle }
        }
        return low < labels.count && labels[low] == label ? low : nil
    }

    /// The classes of `all`, labels that are in the table.
    func indices(of all: [Int]) -> [Int] { isDense ? all : all.map { index(of: $0) ?? 0 } }

    /// The name of a class: its own, or its label; nil: there is no such class.
    func name(_ index: Int) -> String? {
        guard labels.indices.contains(index) else { return nil }
        return names?[index] ?? String(labels[index])
    }

    /// Returns the table with these names: one for each class, in order; or more, and then labels
    /// are indices into the names. Errors: shape (fewer names than classes, or a label that is no
    /// index into more).
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
