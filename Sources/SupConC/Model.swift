import CSupCon
import SupCon

final class ModelHandle: Sendable {
    let model: Model
    let strings = CStrings()
    init(_ model: Model) { self.model = model }

    static func model(_ handle: OpaquePointer?) throws(SupConError) -> Model {
        try object(handle, ModelHandle.self, "model").model
    }
}

/// The cases that C knows by numbers, in the order of the header, with their words.
typealias Choices<T> = KeyValuePairs<String, T>
let stems: Choices<Stem?> = ["auto": nil, "imagenet": .imagenet, "cifar": .cifar]
let zeroInits: Choices<Bool?> = ["auto": nil, "on": true, "off": false]
let heads: Choices<HeadKind> = [
    "none": .none, "linear": .linear, "mlp": .mlp, "mlp_bn": .mlpBN, "mlp3": .mlp3,
    "mlp3_bn": .mlp3BN,
]
let resizings: Choices<Resizing?> = ["auto": nil, "squash": .squash, "crop": .crop]
let precisions: Choices<Precision?> = ["auto": nil, "f32": .f32, "bf16": .bf16]

func pick<T>(_ all: Choices<T>, _ number: Int32, _ field: String) throws(SupConError) -> T {
    guard all.indices.contains(Int(number)) else {
        throw noChoice(number, field, all.enumerated().map { (Int32($0.offset), $0.element.key) })
    }
    return all[Int(number)].value
}
func number<T: Equatable>(_ all: Choices<T>, _ value: T) -> Int32 {
    Int32(all.firstIndex { $0.value == value } ?? 0)
}

typealias FourFloats = (Float, Float, Float, Float)
func array(_ four: FourFloats) -> [Float] { [four.0, four.1, four.2, four.3] }
func four(_ values: [Float]) -> FourFloats {
    func at(_ i: Int) -> Float { values.indices.contains(i) ? values[i] : 0 }
    return (at(0), at(1), at(2), at(3))
}

enum ArchitectureNames {
    nonisolated(unsafe) static let byName = Dictionary(
        uniqueKeysWithValues: Architecture.allCases.map {
            ($0, StaticStrings.immortal($0.rawValue))
        })
    static subscript(_ architecture: Architecture) -> UnsafePointer<CChar>? {
        byName[architecture] ?? nil
    }
}

extension LoadOptions {
    /// Reads the caller's options; NULL gives the defaults. Errors: argument.
    init(_ pointer: UnsafePointer<supcon_load_options>?) throws(SupConError) {
        self.init()
        let options = try supcon_load_options.read(pointer)
        stem = try pick(stems, options.stem, "stem")
        if let name = options.architecture {
            architecture = try Architecture(named: text(name, "architecture"))
        }
        precision = try pick(precisions, options.precision, "precision")
        (imageHeight, imageWidth) = (Int(options.image_height), Int(options.image_width))
        if try flag(options.has_mean_std, "has_mean_std") {
            meanStd = (array(options.mean), array(options.std))
        }
        resizing = try pick(resizings, options.resize, "resize")
    }
}

@c @implementation
public func supcon_model_create(
    _ context: OpaquePointer?, _ options: UnsafePointer<supcon_model_options>?,
    _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(model, "model") { () throws(SupConError) in
        ModelHandle(
            try Model(try ModelOptions(options), context: try ContextHandle.context(context)))
    }
}

@c @implementation
public func supcon_model_load(
    _ context: OpaquePointer?, _ path: UnsafePointer<CChar>?,
    _ options: UnsafePointer<supcon_load_options>?, _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(model, "model") { () throws(SupConError) in
        ModelHandle(
            try Model.load(
                try SupConC.path(path, "path"), try LoadOptions(options),
                context: try ContextHandle.context(context)))
    }
}

@c @implementation
public func supcon_model_save(_ model: OpaquePointer?, _ path: UnsafePointer<CChar>?)
    -> supcon_status
{
    status { () throws(SupConError) in
        try ModelHandle.model(model).save(try SupConC.path(path, "path"))
    }
}

@c @implementation
public func supcon_model_free(_ model: OpaquePointer?) { release(model, ModelHandle.self) }

@c @implementation
public func supcon_model_info_init_sized(
    _ info: UnsafeMutablePointer<supcon_model_info>?, _ size: Int
) {
    supcon_model_info.empty.initialize(info, size)
}

@c @implementation
public func supcon_model_get_info(
    _ model: OpaquePointer?, _ info: UnsafeMutablePointer<supcon_model_info>?
) -> supcon_status {
    status { () throws(SupConError) in
        let model = try ModelHandle.model(model)
        let network = model.network
        let configuration = network.configuration
        var value = supcon_model_info.empty
        value.stem = number(stems, configuration.stem)
        value.architecture = ArchitectureNames[configuration.architecture]
        (value.width, value.channels) = (Int32(configuration.width), Int32(configuration.channels))
        (value.image_height, value.image_width) = (
            Int32(model.imageHeight), Int32(model.imageWidth)
        )
        value.head = number(heads, configuration.head)
        (value.head_hidden, value.projection_dim) =
            configuration.head == .none
            ? (0, 0) : (Int32(configuration.hiddenWidth), Int32(configuration.projectionDimension))
        value.classes = Int32(configuration.classes)
        value.precision = number(precisions, model.precision)
        value.embedding_dim = Int32(configuration.embeddingDimension)
        value.parameters = Int64(network.parameters.trainableCount)
        (value.mean, value.std) = (four(model.mean), four(model.std))
        value.int8 = model.quantization == nil ? 0 : 1
        value.normalize_features = configuration.normalizesFeatures ? 1 : 0
        value.resize = number(resizings, model.resizing)
        value.zero_init_last_gamma = number(zeroInits, configuration.zeroInitLastGamma)
        try supcon_model_info.write(value, to: try needed(info, "info"))
    }
}

@c @implementation
public func supcon_model_class_name(_ model: OpaquePointer?, _ class_index: Int64) -> UnsafePointer<
    CChar
>? {
    guard let handle = object(ifAny: model, ModelHandle.self) else { return nil }
    let names = handle.model.classNames
    return names.indices.contains(Int(class_index)) ? handle.strings[names[Int(class_index)]] : nil
}
