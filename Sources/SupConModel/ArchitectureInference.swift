import SupConNetwork
import SupConTensor
import SupConVision

extension NetworkConfiguration {
    /// Infers the network to which these tensors belong from their names and shapes; `path` is for
    /// messages. Errors: format.
    init(recognizing tensors: ParameterNames, path: RawPath) throws(SupConError) {
        self.init()
        func shape(_ name: String, rank: Int) throws(SupConError) -> [Int]? {
            guard let entry = tensors[name] else { return nil }
            try require(
                entry.shape.count == rank && !entry.shape.contains(0), .format,
                """
                \(path): tensor \(name) has shape \(entry.shape.prefix(8)); expected \(rank) \
                sides of 1 or more
                """
            )
            return entry.shape
        }
        let deep = try shape("conv1.0.weight", rank: 4)
        let deepest = try shape("conv1.6.weight", rank: 4)
        let plain = try shape("conv1.weight", rank: 4)
        guard let first = deep ?? plain else {
            let some = tensors.names.prefix(3).map(SafetensorsFile.short).joined(separator: ", ")
            throw SupConError(
                .format,
                """
                \(path) has no tensor conv1.weight, so that it is no ResNet that this library \
                knows; its tensors are \(some)\(tensors.names.count > 3 ? ", …" : "")
                """
            )
        }
        (width, channels) = (deepest?[0] ?? first[0], first[1])
        switch (first[2], first[3]) {
        case (3, 3): stem = deep == nil ? .cifar : .imagenet
        case (7, 7) where deep == nil: stem = .imagenet
        default:
            throw SupConError(
                .format,
                """
                \(path): tensor conv1\(deep == nil ? "" : ".0").weight has shape \(first); \
                expected \
                a kernel of 3×3 (CIFAR stem, deep stem) or 7×7 (ImageNet stem)
                """
            )
        }
        let blocks = Self.blocks(tensors)
        let hasBottlenecks = tensors["layer1.0.conv3.weight"] != nil
        // With a CIFAR stem the 3×3 shortcuts tell a deep variant.
        let shortcut = try shape("layer2.0.downsample.0.weight", rank: 4)
        let isDeep = deep != nil || shortcut?[2] == 3
        let alike = Architecture.allCases.filter {
            $0.blocks == blocks && $0.hasBottlenecks == hasBottlenecks && $0.isDeep == isDeep
        }
        // Among those of as many blocks the shape of the 3×3 convolutions decides; if none fits,
        // the check of all tensors says which does not.
        let second = try shape("layer1.0.conv2.weight", rank: 4)
        let width = width
        let fitting = alike.first {
            let inner = $0.innerChannels(stageWidth: width)
            return second.map { [$0[0], $0[1]] } == [inner, inner / $0.groups]
                && (deep.map { $0[0] } ?? 0)
                    == (deep == nil ? 0 : $0.deepStemChannels(width: width).first)
        }
        guard let found = fitting ?? alike.first else {
            throw SupConError(
                .format,
                """
                \(path) has \(blocks) \(hasBottlenecks ? "bottleneck" : "basic") blocks in \
                its stages; expected those of one of \
                \(Architecture.allCases.map(\.rawValue).joined(separator: ", "))
                """
            )
        }
        architecture = found
        let last: String
        if tensors["head.weight"] != nil {
            (head, last) = (.linear, "head.weight")
        } else if tensors["head.6.weight"] != nil {
            (head, last) = (.mlp3BN, "head.6.weight")
        } else if tensors["head.4.weight"] != nil {
            (head, last) = (.mlp3, "head.4.weight")
        } else if tensors["head.3.weight"] != nil {
            (head, last) = (.mlpBN, "head.3.weight")
        } else if tensors["head.2.weight"] != nil {
            (head, last) = (.mlp, "head.2.weight")
        } else {
            (head, last) = (.none, "")
        }
        if let shape = try shape(last, rank: 2) { projectionDimension = shape[0] }
        if let shape = try shape("head.0.weight", rank: 2) {
            headHidden = shape[0] == embeddingDimension ? 0 : shape[0]
        }
        if let shape = try shape("fc.weight", rank: 2) { classes = shape[0] }
        do throws(SupConError) { try validate() } catch {
            throw SupConError(.format, "\(path): by its tensors' shapes \(error.message)")
        }
    }

    /// Returns the number of residual blocks per stage: one more than the largest M of "layerN.M.".
    private static func blocks(_ tensors: ParameterNames) -> [Int] {
        var blocks = [0, 0, 0, 0]
        for name in tensors.names where name.hasPrefix("layer") {
            let parts = name.dropFirst("layer".count).split(separator: ".", maxSplits: 2)
            guard parts.count == 3, let stage = Int(parts[0]), (1...4).contains(stage),
                let block = Int(parts[1]), (0..<1000).contains(block)
            else { continue }
            blocks[stage - 1] = max(blocks[stage - 1], block + 1)
        }
        return blocks
    }
}
