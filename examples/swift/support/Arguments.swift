import SupCon

/// The three examples share `--name value` options, data sets by name, and a failure that
/// ends the program with one sentence.
public struct Arguments {
    public var plain: [String] = []
    private var named: [String: String] = [:]

    public init(_ arguments: ArraySlice<String> = CommandLine.arguments.dropFirst(), usage: String)
        throws(SupConError)
    {
        var rest = arguments
        while let first = rest.popFirst() {
            guard first.hasPrefix("--") else {
                plain.append(first)
                continue
            }
            if first == "--help" { throw SupConError(.canceled, usage) }
            guard let value = rest.popFirst() else {
                throw SupConError(.argument, "\(first) needs a value\n\(usage)")
            }
            named[String(first.dropFirst(2))] = value
        }
    }

    public func text(_ name: String, _ fallback: String) -> String { named[name] ?? fallback }

    public func number<N: LosslessStringConvertible>(_ name: String, _ fallback: N)
        throws(SupConError) -> N
    {
        guard let text = named[name] else { return fallback }
        guard let value = N(text) else {
            throw SupConError(.argument, "--\(name) is \"\(text)\"; expected a number")
        }
        return value
    }
}

/// Opens a folder with one folder per class, or "IMAGES,LABELS", a pair of IDX files, gzipped or
/// not.
public func openDataset(_ name: String) throws(SupConError) -> Dataset {
    let parts = name.split(separator: ",").map(String.init)
    let dataset =
        parts.count == 2
        ? try Dataset.idx(images: parts[0], labels: parts[1]) : try Dataset.folder(name)
    for line in dataset.skipped { print("left out \(line)") }
    print(
        """
        \(dataset.count) images, \(dataset.classes) classes, \(dataset.channels) \
        \(dataset.channels == 1 ? "channel" : "channels")
        """
    )
    return dataset
}

/// Runs a program's body. An error is printed, and the exit status is then 1.
public func run(_ body: () throws(SupConError) -> Void) -> Int32 {
    do throws(SupConError) {
        try body()
        return 0
    } catch {
        print(error.message)
        return error.kind == .canceled ? 0 : 1
    }
}
