import SupConModel
import SupConNetwork
import SupConTensor

/// The agreement of ranks is checked before a run's first step: options, data, model, and compute
/// kernels must be the same everywhere. After an epoch the weights are compared.
enum RankAgreement {
    /// The options that concern a single rank only.
    private static let own: Set<String> = ["resume", "loader_threads"]

    /// Compares every rank's run with rank 0's. Errors: argument (on every rank: it names the
    /// difference and the rank), io.
    static func check(_ plan: RunPlan) throws(SupConError) {
        let ranks = plan.ranks
        guard !ranks.isAlone else { return }
        let separator = "\u{1f}"
        let mine = entries(plan)
        let bytes = Array(
            mine.flatMap { [$0.key, $0.value] }.joined(separator: separator).utf8)
        var count = Int64(bytes.count)
        try ranks.broadcast(&count, byteCount: 8)
        guard let size = Int(exactly: count), (0...1 << 24).contains(size) else {
            throw SupConError(.io, "rank 0's description has \(count) bytes: it is of another kind")
        }
        let text = try AlignedBuffer(byteCount: size)
        if ranks.isFirst { text.pointer.copyMemory(from: bytes, byteCount: size) }
        try ranks.broadcast(text.pointer, byteCount: size)
        let first = String(
            decoding: UnsafeRawBufferPointer(start: text.pointer, count: size), as: UTF8.self
        )
        .split(separator: separator, omittingEmptySubsequences: false).map(String.init)
        try ranks.together { () throws(SupConError) in try compare(mine, first) }
    }

    /// Compares entries with `first`, rank 0's alternating keys and values. Errors: argument.
    private static func compare(_ mine: [(key: String, value: String)], _ first: [String])
        throws(SupConError)
    {
        var theirs: [String: String] = [:]
        for index in stride(from: 0, to: first.count - 1, by: 2) {
            theirs[first[index]] = first[index + 1]
        }
        for (key, value) in mine {
            try require(
                theirs[key] == value, .argument,
                """
                \(key) is \(value) here and \(theirs[key] ?? "not there") at rank 0; expected \
                the same at all ranks
                """
            )
        }
        try require(
            theirs.count == mine.count, .argument,
            "rank 0 is of another version; expected the same at all ranks")
    }

    /// Describes this rank's run by names and values.
    private static func entries(_ plan: RunPlan) -> [(key: String, value: String)] {
        let (model, options) = (plan.model, plan.options)
        return plan.runDescription + options.freeEntries.filter { !own.contains($0.key) } + [
            ("images of the data set", "\(plan.training.count)"),
            ("classes of the data set", "\(plan.training.classes)"),
            (
                "the data set",
                plan.training.joinedWorld == nil ? "of all ranks" : "of joined parts"
            ),
            ("network", "\(model.configuration)"),
            ("image size", "\(model.imageHeight)×\(model.imageWidth)"),
            ("pixel normalization", "\(model.mean) \(model.std)"),
            ("precision", model.precision.rawValue),
            ("int8", model.quantization.map { "\($0)" } ?? "off"),
            ("engine", Engine.standard.versionedName),
            // Other kernels give results that differ in their last bits, and ranks drift apart.
            ("instruction set", CPUFeatures.instructionSet),
        ]
    }

    /// Compares the parameters of all ranks. Errors: state (they differ), io.
    static func checkParameters(_ plan: RunPlan, epoch: Int) throws(SupConError) {
        let ranks = plan.ranks
        guard !ranks.isAlone else { return }
        let parameters = plan.network.parameters
        let own = fingerprint(parameters)
        let (_, reports) = try ranks.together({ own }) {
            [Double($0 >> 32), Double($0 & 0xFFFF_FFFF)]
        }
        guard let other = reports.firstIndex(where: { $0 != reports[0] }) else { return }
        throw SupConError(
            .state,
            """
            after epoch \(epoch) rank \(other) has other weights than rank 0: the collectives \
            must give all ranks the same bytes
            """
        )
    }

    /// Returns the FNV-1a hash of all parameters, word by word.
    private static func fingerprint(_ parameters: ParameterStore) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for i in 0..<parameters.count {
            hash = (hash ^ UInt64(parameters.values[i].bitPattern)) &* 0x0000_0100_0000_01B3
        }
        return hash
    }
}
