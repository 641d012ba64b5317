import SupConTensor

/// What a network is made of; with the parameters it is the whole network.
package struct NetworkConfiguration: Sendable, Equatable {
    package var architecture = Architecture.resnet18
    package var stem = Stem.cifar
    /// Channels of the first stage; later stages have 2, 4 and 8 times as many.
    package var width = 64
    /// Of the images: 1 to 4.
    package var channels = 3
    /// The last γ of each residual block begins at 0, so that the block begins as the identity
    /// (Goyal et al., arXiv:1706.02677, §5.1).
    package var zeroInitLastGamma = false
    package var head = HeadKind.mlp
    /// 0: as wide as the encoder's output.
    package var headHidden = 0
    /// Dimension of z.
    package var projectionDimension = 128
    /// Of the linear classifier "fc"; 0: there is none.
    package var classes = 0
    /// Head and classifier take r/|r| instead of r, as in the paper.
    package var normalizesFeatures = false

    package init() {}

    /// Dimension of r.
    package var embeddingDimension: Int { width * 8 * architecture.expansion }
    /// The hidden layer's width that is used.
    package var hiddenWidth: Int { headHidden > 0 ? headHidden : embeddingDimension }

    /// Dimension of the rows that the loss contrasts: z, or r without a head.
    package var contrastedDimension: Int {
        head == .none ? embeddingDimension : projectionDimension
    }

    /// Errors: argument.
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
