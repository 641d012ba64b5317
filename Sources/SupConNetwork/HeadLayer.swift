/// A head layer is a layer after the encoder's output r: one of the projection head, or the
/// classifier.
package enum HeadLayer {
    /// A linear layer y = relu?(x Wᵀ + b).
    case linear(name: String, inputs: Int, outputs: Int, relu: Bool)
    /// A batch norm y = relu(BN(x)).
    case norm(name: String, channels: Int)

    package static let classifierName = "fc"

    /// Returns the layers of the projection head, in order. Names are SupContrast's: the positions
    /// in its nn.Sequential.
    static func head(of configuration: NetworkConfiguration) -> [HeadLayer] {
        let (r, hidden, z) = (
            configuration.embeddingDimension, configuration.hiddenWidth,
            configuration.projectionDimension
        )
        switch configuration.head {
        case .none: return []
        case .linear: return [.linear(name: "head", inputs: r, outputs: z, relu: false)]
        case .mlp:
            return [
                .linear(name: "head.0", inputs: r, outputs: hidden, relu: true),
                .linear(name: "head.2", inputs: hidden, outputs: z, relu: false),
            ]
        case .mlpBN:
            return [
                .linear(name: "head.0", inputs: r, outputs: hidden, relu: false),
                .norm(name: "head.1", channels: hidden),
                .linear(name: "head.3", inputs: hidden, outputs: z, relu: false),
            ]
        case .mlp3:
            return [
                .linear(name: "head.0", inputs: r, outputs: hidden, relu: true),
                .linear(name: "head.2", inputs: hidden, outputs: hidden, relu: true),
                .linear(name: "head.4", inputs: hidden, outputs: z, relu: false),
            ]
        case .mlp3BN:
            return [
                .linear(name: "head.0", inputs: r, outputs: hidden, relu: false),
                .norm(name: "head.1", channels: hidden),
                .linear(name: "head.3", inputs: hidden, outputs: hidden, relu: false),
                .norm(name: "head.4", channels: hidden),
                .linear(name: "head.6", inputs: hidden, outputs: z, relu: false),
            ]
        }
    }

    /// Returns the classifier, if there is one.
    static func classifier(of configuration: NetworkConfiguration) -> HeadLayer? {
        configuration.classes > 0
            ? .linear(
                name: classifierName, inputs: configuration.embeddingDimension,
                outputs: configuration.classes, relu: false) : nil
    }

    static func layers(of configuration: NetworkConfiguration) -> [HeadLayer] {
        head(of: configuration) + [classifier(of: configuration)].compactMap { $0 }
    }
}
