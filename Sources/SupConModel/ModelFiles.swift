import SupConNetwork
import SupConTensor
import SupConVision

// MARK: saving

extension Model {
    var metadata: ModelMetadata {
        ModelMetadata(
            configuration: configuration, imageHeight: imageHeight, imageWidth: imageWidth,
            mean: mean, std: std, resizing: resizing, classNames: classNames,
            precision: precisionPreference,
            quantization: quantization)
    }

    /// Saves the model as a safetensors file that PyTorch reads with `load_state_dict`: the
    /// parameters have torchvision's names, and the configuration is in the metadata. Errors:
    /// argument, io, state (training).
    public func save(_ path: RawPath) throws(SupConError) {
        try shared { () throws(SupConError) in try write(path) }
    }

    /// Saves the model at a path, as `save` of a `RawPath` does.
    public func save(_ path: String) throws(SupConError) { try save(RawPath(path)) }

    /// Saves the model within `exclusive`, for a caller that has exclusive use of it. Errors:
    /// argument, io, state.
    package func saveWhileExclusive(_ path: RawPath) throws(SupConError) {
        try requireExclusive("saving while training")
        try write(path)
    }

    private func write(_ path: RawPath) throws(SupConError) {
        // Each batch norm of PyTorch also has a count of its steps, which load_state_dict requires.
        let steps = try AlignedBuffer(byteCount: 8)
        let (network, metadata) = (network, metadata)
        try Safetensors.write(
            path, network.parameters.tensors(batchesTracked: steps), metadata: metadata.pairs)
        // The elements are in the network's memory.
        withExtendedLifetime((network, steps)) {}
    }
}

extension ParameterStore {
    fileprivate func tensors(batchesTracked steps: AlignedBuffer) -> [Safetensors.Tensor] {
        entries.map { Safetensors.Tensor($0.name, shape: $0.shape, pointer($0)) }
            + entries.filter { $0.role == .runningMean }.map {
                Safetensors.Tensor(
                    $0.name.dropLast("running_mean".count) + "num_batches_tracked", .i64, [],
                    UnsafeRawBufferPointer(start: steps.pointer, count: steps.byteCount))
            }
    }
}

// MARK: loading

extension Model {
    /// Loads a model from a safetensors file: one that this library has written, or one with the
    /// parameter names of torchvision, timm or SupContrast. timm's variants d and t are exact for
    /// images whose sides are multiples of 32; its anti-aliased ResNets, which have the parameters
    /// of others, are refused where timm's config.json lies beside the file. Errors: argument (an
    /// option contradicts the file), io, format, memory, unsupported.
    public static func load(
        _ path: String, _ options: LoadOptions = LoadOptions(), context: ExecutionContext = .default
    ) throws(SupConError) -> Model {
        try load(RawPath(path), options, context: context)
    }

    /// Loads a model from a path that need not be UTF-8. Errors: those of `load` of a string.
    public static func load(
        _ path: RawPath, _ options: LoadOptions = LoadOptions(),
        context: ExecutionContext = .default
    ) throws(SupConError) -> Model {
        let file = try SafetensorsFile(path, context: context)
        let tensors = try ParameterNames(file)
        let said: ModelMetadata?
        do throws(SupConError) { said = try ModelMetadata(file.metadata) } catch {
            throw SupConError(error.kind, "\(path) cannot be loaded: \(error.message)")
        }
        let metadata: ModelMetadata
        if let said {
            metadata = said
        } else {
            metadata = try recognized(tensors, options, path: path)
        }
        try check(options, against: metadata, path: path)
        let precision = try precision(options.precision, metadata.precision, path: path)
        let configuration = metadata.configuration
        try check(tensors, against: configuration, path: path)
        warnOfLargeImages(
            configuration.stem, height: metadata.imageHeight, width: metadata.imageWidth)
        try checkMemory(configuration, context)
        let network = try Network(zeros: configuration)
        for entry in network.parameters.entries {
            guard let stored = tensors[entry.name] else { continue }
            let values = network.parameters.pointer(entry)
            if tensors.isAveraged(stored, entry.shape) {
                try widen(stored, of: file, into: values)
            } else {
                try file.read(stored, into: values)
            }
            try check(values, entry, path: path)
        }
        Pixels.warnOfScale(mean: metadata.mean, std: metadata.std)
        return Model(
            network, imageHeight: metadata.imageHeight, imageWidth: metadata.imageWidth,
            mean: metadata.mean, std: metadata.std, resizing: metadata.resizing,
            classNames: metadata.classNames,
            precision: precision, preference: options.precision ?? metadata.precision,
            quantization: options.precision == nil
                ? usable(metadata.quantization, path: path) : nil, context: context)
    }

    /// Returns the description of a model from another program's file. Errors: argument, format.
    private static func recognized(_ tensors: ParameterNames, _ options: LoadOptions, path: RawPath)
        throws(SupConError) -> ModelMetadata
    {
        try TimmConfiguration.check(beside: path)
        let configuration = try NetworkConfiguration(recognizing: tensors, path: path)
        let side = configuration.stem == .cifar ? 32 : 224
        let (height, width) = (
            options.imageHeight == 0 ? side : options.imageHeight,
            options.imageWidth == 0 ? side : options.imageWidth
        )
        try Pixels.checkSize(height: height, width: width)
        let (mean, std) =
            options.meanStd
            ?? (configuration.channels == 3
                ? (Pixels.imageNetMean, Pixels.imageNetStd)
                : (
                    [Float](repeating: 0.5, count: configuration.channels),
                    [Float](repeating: 0.25, count: configuration.channels)
                ))
        try Normalization.check(mean: mean, std: std, channels: configuration.channels)
        if tensors.hasAveragedShortcuts && (height % 32 != 0 || width % 32 != 0) {
            Log.write(
                .warning,
                """
                \(path) has timm's shortcuts, which average 2×2 values: for images of \(height)×\
                \(width) those at the right and lower border differ from timm's; sides that are \
                multiples of 32 have none
                """
            )
        }
        return ModelMetadata(
            configuration: configuration, imageHeight: height, imageWidth: width, mean: mean,
            std: std, resizing: options.resizing ?? .squash)
    }

    /// Reads the 1×1 convolution of a shortcut [out, in, 1, 1] that follows a mean over 2×2 as the
    /// 3×3 convolution of stride 2 that equals both: a quarter of the weight at each of the four
    /// lower right places, and 0 at the others. Errors: io, memory.
    private static func widen(
        _ stored: SafetensorsFile.Entry, of file: SafetensorsFile,
        into values: UnsafeMutablePointer<Float>
    ) throws(SupConError) {
        let narrow = try AlignedBuffer(Float.self, count: stored.count)
        let weights = narrow.floats
        try file.read(stored, into: weights)
        for i in 0..<stored.count {
            for place in 0..<9 { values[9 * i + place] = 0 }
            for place in [4, 5, 7, 8] { values[9 * i + place] = weights[i] / 4 }
        }
        withExtendedLifetime(narrow) {}
    }

    /// Throws if options contradict the file. Errors: argument.
    private static func check(
        _ options: LoadOptions, against metadata: ModelMetadata, path: RawPath
    )
        throws(SupConError)
    {
        let configuration = metadata.configuration
        func agree(_ name: String, _ wanted: String, _ found: String) throws(SupConError) {
            try require(
                wanted == found, .argument, "\(name) is \(wanted), but \(path) has \(found)")
        }
        if let stem = options.stem { try agree("stem", stem.rawValue, configuration.stem.rawValue) }
        if let architecture = options.architecture {
            try agree("architecture", architecture.rawValue, configuration.architecture.rawValue)
        }
        if options.imageHeight != 0 {
            try agree("image_height", "\(options.imageHeight)", "\(metadata.imageHeight)")
        }
        if options.imageWidth != 0 {
            try agree("image_width", "\(options.imageWidth)", "\(metadata.imageWidth)")
        }
        if let resizing = options.resizing {
            try agree("resize", resizing.rawValue, metadata.resizing.rawValue)
        }
        guard let (mean, std) = options.meanStd else { return }
        try Normalization.check(mean: mean, std: std, channels: configuration.channels)
        for (name, wanted, found) in [("mean", mean, metadata.mean), ("std", std, metadata.std)] {
            for channel in 0..<configuration.channels
            where abs(wanted[channel] - found[channel]) > 1e-6 * max(1, abs(found[channel])) {
                try agree(
                    "\(name) of channel \(channel)", "\(wanted[channel])", "\(found[channel])")
            }
        }
    }

    /// Returns the precision to compute in. Errors: unsupported.
    private static func precision(_ wanted: Precision?, _ said: Precision?, path: RawPath)
        throws(SupConError) -> Precision
    {
        if let wanted {
            try Engine.standard.check(wanted)
            return wanted
        }
        guard let said else { return Engine.fastestPrecision }
        do throws(SupConError) { try Engine.standard.check(said) } catch {
            Log.write(
                .warning, "\(path) is for \(said.rawValue), but \(error.message); computing in f32")
            return .f32
        }
        return said
    }

    /// Returns the file's quantization if this machine can use it.
    private static func usable(_ quantization: Quantization?, path: RawPath) -> Quantization? {
        guard let quantization else { return nil }
        do throws(SupConError) { try Engine.standard.checkInt8() } catch {
            Log.write(.warning, "\(path) is for int8, but \(error.message); embedding in floats")
            return nil
        }
        return quantization
    }

    /// Checks that every parameter is present in its shape, and nothing else; the message lists the
    /// first missing and unexpected tensors. Errors: format.
    private static func check(
        _ tensors: ParameterNames, against configuration: NetworkConfiguration, path: RawPath
    ) throws(SupConError) {
        let expected = try Network.parameterShapes(of: configuration)
        let what = "a \(configuration.architecture.rawValue) of width \(configuration.width)"
        let missing = expected.filter { tensors[$0.name] == nil }
        let known = Set(expected.map(\.name))
        let unknown = tensors.names.filter { !known.contains($0) }.compactMap { tensors[$0] }
        var complaints: [String] = []
        if !missing.isEmpty {
            complaints.append(
                "has no tensor \(listed(missing.map { ($0.name, $0.shape) })), which \(what) needs")
        }
        if !unknown.isEmpty {
            complaints.append(
                """
                has tensor \(listed(unknown.map { (SafetensorsFile.short($0.name), $0.shape) })), \
                none that \(what) has
                """
            )
        }
        try require(
            complaints.isEmpty, .format, "\(path) \(complaints.joined(separator: "; it "))")
        for (name, shape) in expected {
            guard let entry = tensors[name] else { continue }
            let stored =
                entry.name == name ? name : "\(SafetensorsFile.short(entry.name)) (\(name))"
            try require(
                entry.shape == shape || tensors.isAveraged(entry, shape), .format,
                """
                \(path): tensor \(stored) has shape \(entry.shape.prefix(8)); \(what) needs \
                \(shape)
                """
            )
            try require(
                entry.dtype.isFloat, .format,
                """
                \(path): tensor \(stored) has dtype \(entry.dtype.rawValue); expected one of \
                F64, F32, F16, BF16
                """
            )
        }
    }

    /// Lists the first eight tensors, and the number of the others.
    private static func listed(_ tensors: [(name: String, shape: [Int])]) -> String {
        let most = 8
        let named = tensors.prefix(most).map { "\($0.name) of shape \($0.shape.prefix(8))" }
        return named.joined(separator: ", ")
            + (tensors.count > most ? " and \(tensors.count - most) more" : "")
    }

    /// Checks that all values are finite. Errors: format.
    private static func check(
        _ values: UnsafePointer<Float>, _ entry: ParameterStore.Entry, path: RawPath
    ) throws(SupConError) {
        // The bits without the sign are ordered like magnitudes; infinity and NaN come last.
        var largest: UInt32 = 0
        for i in 0..<entry.count { largest = max(largest, values[i].bitPattern & 0x7FFF_FFFF) }
        if largest >= 0x7F80_0000,
            let index = (0..<entry.count).first(where: { !values[$0].isFinite })
        {
            throw SupConError(
                .format,
                """
                \(path): tensor \(entry.name) has \(values[index]) as number \(index); \
                expected finite numbers (a model whose training diverged?)
                """
            )
        }
        guard entry.role == .runningVariance,
            let smallest = (0..<entry.count).map({ values[$0] }).min()
        else { return }
        try require(
            smallest >= 0, .format,
            "\(path): tensor \(entry.name) has \(smallest); a variance is not negative")
    }
}
