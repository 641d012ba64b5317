import CSupCon
import SupCon

@c @implementation
public func supcon_model_output_dimension(_ model: OpaquePointer?, _ output: Int32) -> Int64 {
    guard let handle = object(ifAny: model, ModelHandle.self),
        let output = EmbedOutput(rawValue: output)
    else { return 0 }
    return Int64(handle.model.outputDimension(output))
}

/// Returns a buffer for `rows` rows of the output. Errors: argument (NULL), state, shape.
private func buffer(
    _ embeddings: UnsafeMutablePointer<Float>?, _ name: String, _ capacity: Int64, rows: Int,
    _ model: Model, _ options: EmbedOptions
) throws(SupConError) -> UnsafeMutablePointer<Float> {
    let embeddings = try SupConC.needed(embeddings, name)
    let dimension = model.outputDimension(options.output)
    try require(
        dimension > 0, .state,
        """
        the model has no \(options.output) output: it lacks a \
        \(options.output == .projection ? "projection head" : "classifier")
        """
    )
    let needed = rows.multipliedReportingOverflow(by: dimension)
    try require(
        !needed.overflow && capacity >= Int64(needed.partialValue), .shape,
        """
        capacity is \(capacity) floats; expected \(needed.partialValue) for \(rows) rows of \
        \(dimension)
        """
    )
    return embeddings
}

@c @implementation
public func supcon_model_embed(
    _ model: OpaquePointer?, _ images: UnsafePointer<supcon_images>?,
    _ options: UnsafePointer<supcon_embed_options>?, _ embeddings: UnsafeMutablePointer<Float>?,
    _ capacity: Int64
) -> supcon_status {
    status { () throws(SupConError) in
        let (model, batch, options) = (
            try ModelHandle.model(model), try ImageBatch(images), try EmbedOptions(options)
        )
        try model.embed(
            batch, options,
            into: try buffer(embeddings, "embeddings", capacity, rows: batch.count, model, options))
    }
}

@c @implementation
public func supcon_model_embed_dataset(
    _ model: OpaquePointer?, _ dataset: OpaquePointer?,
    _ options: UnsafePointer<supcon_embed_options>?, _ embeddings: UnsafeMutablePointer<Float>?,
    _ capacity: Int64
) -> supcon_status {
    status { () throws(SupConError) in
        let (model, dataset, options) = (
            try ModelHandle.model(model), try DatasetHandle.dataset(dataset),
            try EmbedOptions(options)
        )
        try model.embed(
            dataset, options,
            into: try buffer(
                embeddings, "embeddings", capacity, rows: dataset.count, model, options))
    }
}

@c @implementation
public func supcon_model_quantize(_ model: OpaquePointer?, _ dataset: OpaquePointer?)
    -> supcon_status
{
    status { () throws(SupConError) in
        try ModelHandle.model(model).quantize(
            dataset == nil ? nil : try DatasetHandle.dataset(dataset))
    }
}

@c @implementation
public func supcon_model_forward_head(
    _ model: OpaquePointer?, _ features: UnsafePointer<Float>?, _ rows: Int64, _ dimension: Int64,
    _ options: UnsafePointer<supcon_embed_options>?, _ outputs: UnsafeMutablePointer<Float>?,
    _ capacity: Int64
) -> supcon_status {
    status { () throws(SupConError) in
        let (model, options) = (try ModelHandle.model(model), try EmbedOptions(options))
        let features = try Features(features, rows, dimension)
        try model.forwardHead(
            features, options,
            into: try buffer(outputs, "outputs", capacity, rows: features.count, model, options))
    }
}

extension Features {
    /// Makes features of a caller's. Errors: argument.
    fileprivate init(_ values: UnsafePointer<Float>?, _ rows: Int64, _ dimension: Int64)
        throws(SupConError)
    {
        self.init(
            try needed(values, "features"), count: try SupConC.count(rows, "rows"),
            dimension: try SupConC.count(dimension, "dimension"))
    }
}

@c @implementation
public func supcon_model_fit_classifier(
    _ model: OpaquePointer?, _ dataset: OpaquePointer?,
    _ options: UnsafePointer<supcon_classifier_options>?, _ l2: UnsafeMutablePointer<Float>?
) -> supcon_status {
    status { () throws(SupConError) in
        try fit(model, dataset, nil, options, l2)
    }
}

@c @implementation
public func supcon_model_fit_classifier_on_features(
    _ model: OpaquePointer?, _ dataset: OpaquePointer?, _ features: UnsafePointer<Float>?,
    _ rows: Int64, _ dimension: Int64, _ options: UnsafePointer<supcon_classifier_options>?,
    _ l2: UnsafeMutablePointer<Float>?
) -> supcon_status {
    status { () throws(SupConError) in
        try fit(model, dataset, Features(features, rows, dimension), options, l2)
    }
}

/// Fits a classifier on the features, or on the images if these are nil. Errors: those of both.
private func fit(
    _ model: OpaquePointer?, _ dataset: OpaquePointer?, _ features: Features?,
    _ options: UnsafePointer<supcon_classifier_options>?, _ l2: UnsafeMutablePointer<Float>?
) throws(SupConError) {
    let own = try ClassifierOptions(options)
    let options = try supcon_classifier_options.read(options)
    let (model, dataset) = (try ModelHandle.model(model), try DatasetHandle.dataset(dataset))
    let used = try model.fitClassifier(dataset, features: features, own) { progress in
        guard let hear = options.progress else { return false }
        switch progress {
        case .embedding(let done, let total):
            return hear(Int32(SUPCON_PHASE_EMBED), Int64(done), Int64(total), options.user_data)
                != 0
        case .fitting(let iteration, let total):
            return hear(
                Int32(SUPCON_PHASE_FIT), Int64(iteration), Int64(total), options.user_data) != 0
        }
    }
    l2?.pointee = used
}

@c @implementation
public func supcon_model_reset_head(
    _ model: OpaquePointer?, _ head: Int32, _ hidden: Int32, _ projectionDim: Int32, _ seed: UInt64
) -> supcon_status {
    status { () throws(SupConError) in
        try ModelHandle.model(model).resetHead(
            pick(heads, head, "head"), hidden: Int(hidden),
            projectionDimension: Int(projectionDim), seed: seed)
    }
}

@c @implementation
public func supcon_model_reset_classifier(_ model: OpaquePointer?, _ classes: Int32)
    -> supcon_status
{
    status { () throws(SupConError) in
        try ModelHandle.model(model).resetClassifier(classes: Int(classes))
    }
}
