import SupConNetwork
import SupConTensor
import SupConVision
import Synchronization

/// A model is a network and the description of the images that it takes. Any number of threads may
/// embed, save and query it; training and fitting need exclusive use (`exclusive`).
public final class Model: Sendable {
    /// The threads and the memory that the model's calls use.
    public let context: ExecutionContext
    /// The height of the images that the network sees, in pixels.
    public let imageHeight: Int
    /// The width of the images that the network sees, in pixels.
    public let imageWidth: Int
    /// The mean of each channel, of pixels scaled to 0 to 1.
    public let mean: [Float]
    /// The standard deviation of each channel, of pixels scaled to 0 to 1.
    public let std: [Float]
    /// The way in which images of another shape are brought to the model's size.
    public let resizing: Resizing
    /// The precision in which the encoder computes.
    public let precision: Precision
    /// The precision that the caller or a file has chosen; nil: neither has.
    let precisionPreference: Precision?
    let lock = ModelLock()
    let plans = PlanPool()
    private let content: Mutex<Content>

    private struct Content {
        var network: Network
        var classNames: [String]
        var quantization: Quantization?
    }

    /// The network; `setClasses` and `resetHead` replace it.
    package var network: Network { content.withLock { $0.network } }
    package var configuration: NetworkConfiguration { network.configuration }
    /// The names of the classifier's classes; empty if they have none.
    public var classNames: [String] { content.withLock { $0.classNames } }
    /// The number of channels of its images, 1 to 4.
    public var channels: Int { mean.count }
    /// The quantization with which the encoder embeds in int8; nil: it embeds in `precision`.
    package var quantization: Quantization? { content.withLock { $0.quantization } }

    init(
        _ network: Network, imageHeight: Int, imageWidth: Int, mean: [Float], std: [Float],
        resizing: Resizing, classNames: [String], precision: Precision, preference: Precision?,
        quantization: Quantization? = nil, context: ExecutionContext
    ) {
        (self.context, self.imageHeight, self.imageWidth) = (context, imageHeight, imageWidth)
        (self.mean, self.std) = (
            Array(mean.prefix(network.configuration.channels)),
            Array(std.prefix(network.configuration.channels))
        )
        self.resizing = resizing
        (self.precision, precisionPreference) = (precision, preference)
        content = Mutex(
            Content(network: network, classNames: classNames, quantization: quantization))
    }

    /// Makes a model with random weights. Errors: argument, memory, unsupported (bf16 that this
    /// build or CPU lacks).
    public convenience init(
        _ options: ModelOptions = ModelOptions(), context: ExecutionContext = .default
    ) throws(SupConError) {
        try options.validate()
        let configuration = options.configuration
        let precision = options.precision ?? Engine.fastestPrecision
        try Engine.standard.check(precision)
        let size = "images of \(options.imageHeight)×\(options.imageWidth)"
        if options.stem == nil {
            let stem =
                configuration.stem == .cifar
                ? "CIFAR's (3×3, stride 1)" : "ImageNet's (7×7, stride 2, max pool)"
            Log.write(.info, "the stem is \(stem), which suits \(size)")
        }
        Pixels.warnOfScale(
            mean: Array(options.mean.prefix(options.channels)),
            std: Array(options.std.prefix(options.channels)))
        Self.warnOfLargeImages(
            configuration.stem, height: options.imageHeight, width: options.imageWidth)
        try Self.checkMemory(configuration, context)
        self.init(
            try Network(configuration, seed: options.seed), imageHeight: options.imageHeight,
            imageWidth: options.imageWidth, mean: options.mean, std: options.std,
            resizing: options.resizing ?? .squash, classNames: [], precision: precision,
            preference: options.precision, context: context)
    }

    static func warnOfLargeImages(_ stem: Stem, height: Int, width: Int) {
        guard stem == .cifar, Stem.suiting(height: height, width: width) == .imagenet else {
            return
        }
        Log.write(
            .warning,
            """
            the CIFAR stem keeps images of \(height)×\(width) at full size: 16 times the work \
            and memory of the ImageNet stem, which is made for more than 64 pixels
            """
        )
    }

    /// Checks the memory before it is allocated for the parameters. Errors: argument, memory.
    static func checkMemory(_ configuration: NetworkConfiguration, _ context: ExecutionContext)
        throws(SupConError)
    {
        let bytes = try Network.parameterShapes(of: configuration).reduce(0) {
            $0 + $1.shape.reduce(4, *)
        }
        try context.checkMemory(
            bytes,
            for:
                """
                a \(configuration.architecture.rawValue) of width \(configuration.width) with \
                \(bytes / 4) parameters
                """
        )
    }
}

// MARK: one at a time

extension Model {
    /// Runs `body`, which may change the network's parameters, while nobody else uses the model:
    /// other calls get a state error meanwhile. Errors: state (in use), and those of `body`.
    /// - Parameter keepsEncoder: true if `body` does not change the encoder, so that its
    ///   quantization remains valid; otherwise the model embeds in `precision` from then on.
    package func exclusive<R>(keepsEncoder: Bool = false, _ body: () throws(SupConError) -> R)
        throws(SupConError) -> R
    {
        try lock.exclusive { () throws(SupConError) -> R in
            if !keepsEncoder { setQuantization(nil) }
            // Training needs the memory, and makes its own plans to embed with.
            plans.removeAll()
            defer { plans.weightsChanged() }
            return try body()
        }
    }

    /// Runs `body`, which only reads, concurrently with others that only read. Errors: state
    /// (training), and those of `body`.
    package func shared<R>(_ body: () throws(SupConError) -> R) throws(SupConError) -> R {
        try lock.shared(body)
    }

    /// Returns a copy with memory of its own, whose calls use `context`. Errors: state (training),
    /// memory.
    package func copy(context: ExecutionContext) throws(SupConError) -> Model {
        try shared { () throws(SupConError) in
            let current = content.withLock { $0 }
            try Self.checkMemory(current.network.configuration, context)
            return Model(
                try current.network.copy(), imageHeight: imageHeight, imageWidth: imageWidth,
                mean: mean, std: std, resizing: resizing, classNames: current.classNames,
                precision: precision, preference: precisionPreference,
                quantization: current.quantization, context: context)
        }
    }

    /// Sets the quantization; only within `exclusive`.
    func setQuantization(_ quantization: Quantization?) {
        content.withLock { $0.quantization = quantization }
        plans.removeAll()
    }

    /// Throws unless it is called within `exclusive`. Errors: state.
    func requireExclusive(_ what: String) throws(SupConError) {
        try require(
            lock.isExclusive, .state, "\(what) needs the model alone; call it inside exclusive")
    }

    /// Replaces the classifier by a new random "fc" for `classes` classes (0: none), with these
    /// names (none, or one each); only within `exclusive`. Errors: argument, state, memory.
    package func setClasses(_ classes: Int, names: [String], seed: UInt64) throws(SupConError) {
        try requireExclusive("setting classes")
        try require(
            names.isEmpty || names.count == classes, .argument,
            """
            there are \(names.count) class names for \(classes) classes; expected one each, \
            or none
            """
        )
        var changed = configuration
        changed.classes = classes
        try renew(.classifier, as: changed, names: names, seed: seed)
    }

    /// Replaces the projection head by a new random one. With the same seed it is the head that a
    /// new model has. Weights of torchvision and timm have no head, so that a run contrasts the
    /// encoder's output itself; why a head is used: arXiv:2002.05709, section 4.2. Errors:
    /// argument, state (in use), memory.
    /// - Parameters:
    ///   - hidden: the width of the hidden layers; 0: as wide as the encoder's output
    ///   - projectionDimension: the dimension of z, 1 to 65536
    public func resetHead(
        _ head: HeadKind = ModelOptions().head, hidden: Int = ModelOptions().headHidden,
        projectionDimension: Int = ModelOptions().projectionDimension, seed: UInt64 = 0
    ) throws(SupConError) {
        try exclusive(keepsEncoder: true) { () throws(SupConError) in
            var changed = configuration
            (changed.head, changed.headHidden, changed.projectionDimension) = (
                head, hidden, projectionDimension
            )
            try renew(.head, as: changed, names: classNames, seed: seed)
        }
    }

    /// Makes head or classifier anew; only within `exclusive`. Errors: argument, memory.
    private func renew(
        _ part: ParameterStore.Part, as changed: NetworkConfiguration, names: [String],
        seed: UInt64
    ) throws(SupConError) {
        try Self.checkMemory(changed, context)
        let renewed = try network.renewing(part, as: changed, seed: seed)
        content.withLock { ($0.network, $0.classNames) = (renewed, names) }
        plans.removeAll()
    }

    /// A snapshot is a copy of the parameters, to which a model can return.
    package struct Snapshot: Sendable {
        package let values: AlignedBuffer
        fileprivate let network: Network
    }

    /// Returns a copy of all parameters. `earlier` is a snapshot that is no longer needed, whose
    /// memory is reused. Errors: memory.
    package func snapshot(over earlier: Snapshot? = nil) throws(SupConError) -> Snapshot {
        let network = network
        let values: AlignedBuffer
        if let earlier, earlier.network === network {
            values = earlier.values
        } else {
            values = try AlignedBuffer(Float.self, count: network.parameters.count)
        }
        values.floats.update(from: network.parameters.values, count: network.parameters.count)
        return Snapshot(values: values, network: network)
    }

    /// Restores the parameters; only within `exclusive`. Errors: state (a snapshot of another
    /// network: head or classes have changed since).
    package func restore(_ snapshot: Snapshot) throws(SupConError) {
        try requireExclusive("restoring parameters")
        try require(
            network === snapshot.network, .state,
            "the snapshot is of the network before its head or classifier was replaced")
        network.parameters.values.update(
            from: snapshot.values.floats, count: network.parameters.count)
    }
}
