import SupConTensor

/// A network configuration describes a network without its parameters.
package struct NetworkConfiguration: Sendable, Equatable {
    package var architecture = Architecture.resnet18
    package var stem = Stem.cifar
    /// The channels of the first stage; later stages have 2, 4 and 8 times as many.
    package var width = 64
    /// The channels of the images, 1 to 4.
    package var channels = 3
    /// Whether the last γ of each residual block begins at 0, so that the block begins as the
    /// identity (Goyal et al., arXiv:1706.02677, §5.1).
    package var zeroInitLastGamma = false
    package var head = HeadKind.mlp
    /// The width of the head's hidden layers; 0: the encoder's output dimension.
    package var headHidden = 0
    /// The dimension of z.
    package var projectionDimension = 128
    /// The number of classes of the linear classifier "fc"; 0: there is none.
    package var classes = 0
    /// Whether head and classifier take r/|r| instead of r, as in the paper.
    package var normalizesFeatures = false

    package init() {}

    /// The dimension of r.
    package var embeddingDimension: Int { width * 8 * architecture.expansion }
    /// The width of the hidden layers, with the default resolved.
    package var hiddenWidth: Int { headHidden > 0 ? headHidden : embeddingDimension }

    /// The dimension of the rows that the loss contrasts: z, or r without a head.
    package var contrastedDimension: Int {
        head == .none ? embeddingDimension : projectionDimension
    }

    /// Throws unless all values are valid. Errors: argument.
    package func validate() throws(SupConError) {
        try require(
            (1...4).contains(channels), .argument, "channels is \(channels); expected 1 to 4")
        try require(
            (1...1024).contains(width), .argument,
            "width is \(width); expected 1 to 1024 channels in the first stage")
        try require(
            architecture.innerChannels(stageWidth: width) > 0, .argument,
            """
            width is \(width); expected \
            \((64 + architecture.widthPerGroup - 1) / architecture.widthPerGroup) or more for \
            \(architecture.rawValue), whose convolutions have \(architecture.groups) groups
            """
        )
        try require(
            !architecture.isDeep || architecture.deepStemChannels(width: width).first > 0,
            .argument,
            """
            width is \(width); expected 3 or more for \(architecture.rawValue), which has a deep \
            stem
            """
        )
        try require(
            (0...65536).contains(headHidden), .argument,
            "head_hidden is \(headHidden); expected up to 65536, or 0 for the encoder's width")
        try require(
            head == .none || (1...65536).contains(projectionDimension), .argument,
            "projection_dim is \(projectionDimension); expected 1 to 65536")
        try require(
            (0...1_000_000).contains(classes), .argument,
            "classes is \(classes); expected 0 to 1000000")
    }
}
