import SupConTensor

/// The residual networks of He et al., "Deep residual learning for image recognition" (arXiv:1512.03385), and ResNet-200 of the paper's TensorFlow reference.
public enum Architecture: String, CaseIterable, Sendable {
    case resnet18, resnet34, resnet50, resnet101, resnet152, resnet200

    /// Residual blocks in each of the four stages.
    public var blocks: [Int] {
        switch self {
        case .resnet18: [2, 2, 2, 2]
        case .resnet34, .resnet50: [3, 4, 6, 3]
        case .resnet101: [3, 4, 23, 3]
        case .resnet152: [3, 8, 36, 3]
        case .resnet200: [3, 24, 36, 3]
        }
    }

    /// Bottleneck blocks (1×1, 3×3, 1×1) instead of basic ones (3×3, 3×3).
    public var hasBottlenecks: Bool { self != .resnet18 && self != .resnet34 }

    /// A block's output channels over its inner ones.
    public var expansion: Int { hasBottlenecks ? 4 : 1 }

    /// The architecture of that name. Errors: argument.
    public init(named name: String) throws(SupConError) {
        guard let found = Architecture(rawValue: name) else {
            throw SupConError(.argument, "architecture is \"\(name)\"; expected one of \(Self.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self = found
    }
}

/// What stands before the first stage.
public enum Stem: String, Sendable, CaseIterable {
    /// 7×7 convolution of stride 2 and 3×3 max pool of stride 2: a sixteenth of the area goes on.
    case imagenet
    /// 3×3 convolution of stride 1, no pool: for images of some 32 pixels.
    case cifar

    /// CIFAR's up to 64 pixels, ImageNet's above: there CIFAR's would cost 16 times the work and memory.
    public static func suiting(height: Int, width: Int) -> Stem { max(height, width) <= 64 ? .cifar : .imagenet }
}

/// The projection head between the encoder's output r and the loss.
public enum HeadKind: String, Sendable, CaseIterable {
    case none
    case linear
    /// Linear, ReLU, linear.
    case mlp
    /// Linear, batch norm, ReLU, linear.
    case mlpBN = "mlp_bn"
}
