import SupConTensor

/// The architectures are the residual networks of He et al., "Deep residual learning for image
/// recognition" (arXiv:1512.03385), and ResNet-200 of the paper's TensorFlow reference; ResNeXts
/// (Xie et al., arXiv:1611.05431), whose 3×3 convolutions are grouped; and wide ResNets (Zagoruyko
/// and Komodakis, arXiv:1605.07146), whose 3×3 convolutions are wider. Names are torchvision's.
///
/// ResNet-26 and the names that end in d or t are timm's. A "d" variant (He et al.,
/// arXiv:1812.01187) begins with three 3×3 convolutions in place of one of 7×7, and its strided
/// shortcuts use all of their input, not a quarter. A "t" variant is a "d" variant with fewer
/// channels in the first convolution.
public enum Architecture: String, CaseIterable, Sendable {
    case resnet18, resnet34, resnet50, resnet101, resnet152, resnet200
    case resnext50_32x4d, resnext101_32x8d, resnext101_64x4d
    case wide_resnet50_2, wide_resnet101_2
    case resnet26
    case resnet10t, resnet14t, resnet26t
    case resnet18d, resnet26d, resnet34d, resnet50d, resnet101d, resnet152d, resnet200d

    /// The number of residual blocks in each of the four stages.
    package var blocks: [Int] {
        switch self {
        case .resnet10t, .resnet14t: [1, 1, 1, 1]
        case .resnet18, .resnet26, .resnet18d, .resnet26d, .resnet26t: [2, 2, 2, 2]
        case .resnet34, .resnet34d, .resnet50, .resnet50d, .resnext50_32x4d, .wide_resnet50_2:
            [3, 4, 6, 3]
        case .resnet101, .resnet101d, .resnext101_32x8d, .resnext101_64x4d, .wide_resnet101_2:
            [3, 4, 23, 3]
        case .resnet152, .resnet152d: [3, 8, 36, 3]
        case .resnet200, .resnet200d: [3, 24, 36, 3]
        }
    }

    /// Whether blocks are bottlenecks (1×1, 3×3, 1×1) instead of basic blocks (3×3, 3×3).
    package var hasBottlenecks: Bool {
        switch self {
        case .resnet10t, .resnet18, .resnet18d, .resnet34, .resnet34d: false
        default: true
        }
    }

    /// Whether this is a "d" or "t" variant, which has a deep stem for large images, and a 3×3
    /// convolution in shortcuts of stride 2. (timm's mean over 2×2 before a 1×1 convolution is a
    /// special case of it.)
    package var isDeep: Bool { isTiered || rawValue.hasSuffix("d") && groups == 1 }

    private var isTiered: Bool { rawValue.hasSuffix("t") }

    /// Returns the channels of the first two of a deep stem's three convolutions; the third has
    /// `width`.
    package func deepStemChannels(width: Int) -> (first: Int, second: Int) {
        (isTiered ? width * 3 / 8 : width / 2, width / 2)
    }

    /// The ratio of a block's output channels to the stage's.
    package var expansion: Int { hasBottlenecks ? 4 : 1 }

    /// The number of groups of the 3×3 convolutions.
    package var groups: Int {
        switch self {
        case .resnext50_32x4d, .resnext101_32x8d: 32
        case .resnext101_64x4d: 64
        default: 1
        }
    }

    /// The number of channels per group in a stage of 64 channels.
    var widthPerGroup: Int {
        switch self {
        case .resnext50_32x4d, .resnext101_64x4d: 4
        case .resnext101_32x8d: 8
        case .wide_resnet50_2, .wide_resnet101_2: 128
        default: 64
        }
    }

    /// Returns the channels of a block's inner convolutions in a stage of `width` channels; 0 if
    /// they are too few for the groups.
    package func innerChannels(stageWidth width: Int) -> Int { width * widthPerGroup / 64 * groups }

    /// Finds the architecture of a name, such as "resnet50". Errors: argument.
    public init(named name: String) throws(SupConError) {
        guard let found = Architecture(rawValue: name) else {
            throw SupConError(
                .argument,
                """
                architecture is \"\(name)\"; expected one of \
                \(Self.allCases.map(\.rawValue).joined(separator: ", "))
                """
            )
        }
        self = found
    }
}

/// A stem is the part of a network before the first stage.
public enum Stem: String, Sendable, CaseIterable {
    /// A 7×7 convolution of stride 2 and a 3×3 max pool of stride 2, which reduce the area to a
    /// sixteenth.
    case imagenet
    /// A 3×3 convolution of stride 1 without a pool, for images of about 32 pixels.
    case cifar

    /// Returns the stem that suits an image size: CIFAR's up to 64 pixels, ImageNet's above, where
    /// CIFAR's would cost 16 times the work and memory.
    public static func suiting(height: Int, width: Int) -> Stem {
        max(height, width) <= 64 ? .cifar : .imagenet
    }
}

/// The kinds of projection head between the encoder's output r and the loss.
public enum HeadKind: String, Sendable, CaseIterable {
    case none
    case linear
    /// A linear layer, ReLU, and a linear layer.
    case mlp
    /// A linear layer, batch norm, ReLU, and a linear layer.
    case mlpBN = "mlp_bn"
    /// Three linear layers with ReLU between them.
    case mlp3
    /// Three linear layers with batch norm and ReLU between them.
    case mlp3BN = "mlp3_bn"
}
