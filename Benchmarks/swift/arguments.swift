import SupCon

/// The NAME=VALUE words of a command line, and the defaults of the others.
struct Arguments {
    private var values: [String: String] = [:]

    init(_ words: ArraySlice<String>) throws {
        for word in words {
            let pair = word.split(separator: "=", maxSplits: 1)
            try require(pair.count == 2, .argument, "\(word) is no NAME=VALUE")
            values[String(pair[0])] = String(pair[1])
        }
    }

    func text(_ name: String, _ standard: String) -> String { values[name] ?? standard }
    func number(_ name: String, _ standard: Int) -> Int {
        values[name].flatMap { Int($0) } ?? standard
    }

    /// The number of threads that compute.
    var threads: Int { number("threads", 2) }
    func context() throws -> ExecutionContext { try ExecutionContext(threads: threads) }

    /// Reads the arguments "architecture", "stem", "width" and "channels".
    func network() throws -> NetworkConfiguration {
        var configuration = NetworkConfiguration()
        configuration.architecture = try Architecture(named: text("architecture", "resnet18"))
        configuration.stem = Stem(rawValue: text("stem", "cifar")) ?? .cifar
        configuration.width = number("width", 64)
        configuration.channels = number("channels", 3)
        return configuration
    }

    /// Reads the argument "precision".
    func precision() throws -> Precision {
        let name = text("precision", "f32")
        guard let precision = Precision(rawValue: name) else {
            throw SupConError(.argument, "precision is \(name); expected f32 or bf16")
        }
        return precision
    }
}
