import SupConTensor

/// A network is an encoder, its projection head and its classifier: a configuration and its
/// parameters. Plans run it. Many threads may read its parameters at once; one may change them
/// while no other reads.
package final class Network: Sendable {
    package let configuration: NetworkConfiguration
    package let parameters: ParameterStore

    /// Makes a network with random weights: convolutions by He et al. (arXiv:1502.01852) with
    /// fan-out, linear layers uniform in ±1/√in, as in PyTorch. Errors: argument, memory.
    package init(_ configuration: NetworkConfiguration, seed: UInt64) throws(SupConError) {
        try configuration.validate()
        self.configuration = configuration
        parameters = try ParameterStore(Self.declarations(configuration))
        for (index, entry) in parameters.entries.enumerated() {
            try initialize(entry, index: index, seed: seed)
        }
    }

    /// Makes a network of zeros, into which parameters will be read. Errors: argument, memory.
    package init(zeros configuration: NetworkConfiguration) throws(SupConError) {
        try configuration.validate()
        self.configuration = configuration
        parameters = try ParameterStore(Self.declarations(configuration))
    }

    /// Returns name and shape of every parameter of a network of `configuration`, without
    /// allocating memory for them. Errors: argument.
    package static func parameterShapes(of configuration: NetworkConfiguration) throws(SupConError)
        -> [(name: String, shape: [Int])]
    {
        try configuration.validate()
        return declarations(configuration).map { ($0.name, $0.shape) }
    }

    private init(_ configuration: NetworkConfiguration, copying other: ParameterStore)
        throws(SupConError)
    {
        self.configuration = configuration
        parameters = try ParameterStore(Self.declarations(configuration))
        parameters.copyValues(from: other)
    }

    /// Returns a copy with memory of its own. Errors: memory.
    package func copy() throws(SupConError) -> Network {
        try Network(configuration, copying: parameters)
    }

    /// Returns a copy whose head or classifier, `part`, is as `changed` describes it, with the
    /// random weights that a new network of this seed has. Errors: argument, memory.
    package func renewing(
        _ part: ParameterStore.Part, as changed: NetworkConfiguration, seed: UInt64
    ) throws(SupConError) -> Network {
        try changed.validate()
        let network = try Network(changed, copying: parameters)
        for (index, entry) in network.parameters.entries.enumerated() where entry.part == part {
            try network.initialize(entry, index: index, seed: seed)
        }
        return network
    }

    /// The number of elements that one random stream fills, so that a parameter is the same on any
    /// number of threads.
    private static let chunk = 1 << 16

    /// Initializes a parameter. Errors: internal.
    private func initialize(_ entry: ParameterStore.Entry, index: Int, seed: UInt64)
        throws(SupConError)
    {
        let values = parameters.pointer(entry)
        switch entry.role {
        case .convolution:
            let deviation = (2 / Float(entry.shape[0] * entry.shape[2] * entry.shape[3]))
                .squareRoot()
            eachChunk(entry, index, seed) { random, range in
                random.fill(values + range.lowerBound, count: range.count, deviation: deviation)
            }
        case .linearWeight, .bias:
            let inputs =
                entry.role == .linearWeight
                ? entry.shape[1]
                : try parameters.declared(entry.name.dropLast("bias".count) + "weight").shape[1]
            let bound = 1 / Float(inputs).squareRoot()
            eachChunk(entry, index, seed) { random, range in
                for i in range { values[i] = random.uniform(-bound, bound) }
            }
        case .normWeight:
            values.update(
                repeating: entry.isLastGamma && configuration.zeroInitLastGamma ? 0 : 1,
                count: entry.count)
        case .runningVariance:
            values.update(repeating: 1, count: entry.count)
        case .normBias, .runningMean:
            values.update(repeating: 0, count: entry.count)
        }
    }

    private func eachChunk(
        _ entry: ParameterStore.Entry, _ index: Int, _ seed: UInt64,
        _ body: (inout Philox, Range<Int>) -> Void
    ) {
        let chunks = (entry.count + Self.chunk - 1) / Self.chunk
        Parallel.chunks(chunks, threads: Parallel.availableThreads) { chunk in
            var random = Philox(seed: seed, purpose: .initialWeights, epoch: chunk, sample: index)
            body(&random, (chunk * Self.chunk)..<min((chunk + 1) * Self.chunk, entry.count))
        }
    }

    private static func declarations(_ configuration: NetworkConfiguration) -> [ParameterStore
        .Declaration]
    {
        var all: [ParameterStore.Declaration] = []
        func norm(
            _ name: String, _ channels: Int, _ part: ParameterStore.Part, depth: Int,
            isLast: Bool = false
        ) {
            let roles: [(String, ParameterStore.Role)] = [
                ("weight", .normWeight), ("bias", .normBias), ("running_mean", .runningMean),
                ("running_var", .runningVariance),
            ]
            for (suffix, role) in roles {
                all.append(
                    .init(
                        name: "\(name).\(suffix)", shape: [channels], role: role, part: part,
                        depth: depth, isLastGamma: isLast && role == .normWeight))
            }
        }
        // The shapes of parameters do not depend on the image's size, so any size will do.
        let graph = ComputeGraph(configuration, height: 64, width: 64)
        for case .convolutionNorm(let layer) in graph.layers {
            let outputs = graph.values[layer.output].channels
            all.append(
                .init(
                    name: layer.convolutionName + ".weight",
                    shape: [
                        outputs, graph.values[layer.input].channels / layer.groups,
                        layer.kernel, layer.kernel,
                    ],
                    role: .convolution, part: .encoder, depth: layer.stage))
            norm(
                layer.normName, outputs, .encoder, depth: layer.stage, isLast: layer.isLastOfBlock)
        }
        for layer in HeadLayer.layers(of: configuration) {
            switch layer {
            case .linear(let name, let inputs, let outputs, _):
                let part: ParameterStore.Part =
                    name == HeadLayer.classifierName ? .classifier : .head
                all.append(
                    .init(
                        name: name + ".weight", shape: [outputs, inputs], role: .linearWeight,
                        part: part))
                all.append(.init(name: name + ".bias", shape: [outputs], role: .bias, part: part))
            case .norm(let name, let channels):
                norm(name, channels, .head, depth: ParameterStore.headDepth)
            }
        }
        return all
    }
}
