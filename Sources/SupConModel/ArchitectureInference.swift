import SupConNetwork
import SupConTensor
import SupConVision

extension NetworkConfiguration {
    /// Infers the network to which these tensors belong from their names and shapes; `path` is for
    /// messages. Errors: format.
    init(recognizing tensors: ParameterNames, path: RawPath) throws(SupConError) {
        self.init()
        let shapes = TensorShapes(tensors: tensors, path: path)
        let isDeepStem = try recognizeStem(shapes)
        architecture = try Self.architecture(shapes, isDeepStem: isDeepStem, width: width)
        try recognizeHead(shapes)
        if let shape = try shapes["fc.weight", rank: 2] { classes = shape[0] }
        do throws(SupConError) { try validate() } catch {
            throw SupConError(.format, "\(path): by its tensors' shapes \(error.message)")
        }
    }

    /// Sets the stem, the width and the channels. Returns whether the stem is a deep one. Errors:
    /// format.
    private mutating func recognizeStem(_ shapes: TensorShapes) throws(SupConError) -> Bool {
        let (path, names) = (shapes.path, shapes.tensors.names)
        let deep = try shapes["conv1.0.weight", rank: 4]
        let deepest = try shapes["conv1.6.weight", rank: 4]
        let plain = try shapes["conv1.weight", rank: 4]
        guard let first = deep ?? plain else {
            let some = names.prefix(3).map(SafetensorsFile.short).joined(separator: ", ")
            throw SupConError(
                .format,
                """
                \(path) has no tensor conv1.weight, so that it is no ResNet that this library \
                knows; its tensors are \(some)\(names.count > 3 ? ", …" : "")
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
        return deep != nil
    }

    /// Returns the architecture with these blocks. Errors: format.
    private static func architecture(_ shapes: TensorShapes, isDeepStem: Bool, width: Int)
        throws(SupConError) -> Architecture
    {
        let blocks = Self.blocks(shapes.tensors)
        let hasBottlenecks = shapes.tensors["layer1.0.conv3.weight"] != nil
        // With a CIFAR stem a deep variant is recognized by its 3×3 shortcuts.
        let shortcut = try shapes["layer2.0.downsample.0.weight", rank: 4]
        let isDeep =
            isDeepStem || shapes.tensors.hasAveragedShortcuts || shortcut?[2] == 3
        let alike = Architecture.allCases.filter {
            $0.blocks == blocks && $0.hasBottlenecks == hasBottlenecks && $0.isDeep == isDeep
        }
        // Among architectures with these blocks the shape of the 3×3 convolutions decides; if none
        // fits, the check of all tensors reports the one that does not.
        let second = try shapes["layer1.0.conv2.weight", rank: 4]
        let first = isDeepStem ? try shapes["conv1.0.weight", rank: 4]?[0] : nil
        let fitting = alike.first {
            let inner = $0.innerChannels(stageWidth: width)
            return second.map { [$0[0], $0[1]] } == [inner, inner / $0.groups]
                && (first == nil || first == $0.deepStemChannels(width: width).first)
        }
        guard let found = fitting ?? alike.first else {
            throw SupConError(
                .format,
                """
                \(shapes.path) has \(blocks) \(hasBottlenecks ? "bottleneck" : "basic") blocks in \
                its stages; expected those of one of \
                \(Architecture.allCases.map(\.rawValue).joined(separator: ", "))
                """
            )
        }
        return found
    }

    /// Sets the kind of projection head, and its widths. Errors: format.
    private mutating func recognizeHead(_ shapes: TensorShapes) throws(SupConError) {
        let lastLayers: [(kind: HeadKind, name: String)] = [
            (.linear, "head.weight"), (.mlp3BN, "head.6.weight"), (.mlp3, "head.4.weight"),
            (.mlpBN, "head.3.weight"), (.mlp, "head.2.weight"),
        ]
        head = .none
        if let last = lastLayers.first(where: { shapes.tensors[$0.name] != nil }) {
            head = last.kind
            if let shape = try shapes[last.name, rank: 2] { projectionDimension = shape[0] }
        }
        if let shape = try shapes["head.0.weight", rank: 2] {
            headHidden = shape[0] == embeddingDimension ? 0 : shape[0]
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

/// Tensor shapes are those of a file's tensors; `path` is for messages.
private struct TensorShapes {
    let tensors: ParameterNames
    let path: RawPath

    /// The shape of a tensor; nil: there is none of that name. Errors: format (another rank, or a
    /// side of 0).
    subscript(_ name: String, rank rank: Int) -> [Int]? {
        get throws(SupConError) {
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
    }
}
