import CSupCon
import SupCon

@c @implementation
public func supcon_dataset_with_labels(
    _ dataset: OpaquePointer?, _ labels: UnsafePointer<Int64>?,
    _ changed: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(changed, "changed") { () throws(SupConError) in
        let dataset = try DatasetHandle.dataset(dataset)
        return DatasetHandle(try dataset.with(labels: try numbers(labels, dataset.count)))
    }
}

@c @implementation
public func supcon_dataset_with_weights(
    _ dataset: OpaquePointer?, _ weights: UnsafePointer<Float>?,
    _ changed: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(changed, "changed") { () throws(SupConError) in
        let dataset = try DatasetHandle.dataset(dataset)
        guard let weights else { return DatasetHandle(try dataset.with(weights: nil)) }
        try ExecutionContext.default.checkMemory(
            dataset.count * 4, for: "weights of \(dataset.count) images")
        return DatasetHandle(
            try dataset.with(
                weights: Array(UnsafeBufferPointer(start: weights, count: dataset.count))))
    }
}

@c @implementation
public func supcon_dataset_with_targets(
    _ dataset: OpaquePointer?, _ targets: UnsafePointer<Double>?, _ dimension: Int64,
    _ changed: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(changed, "changed") { () throws(SupConError) in
        let dataset = try DatasetHandle.dataset(dataset)
        guard let targets else { return DatasetHandle(try dataset.with(targets: nil)) }
        let dimension = try count(dimension, "dimension")
        let (elements, overflow) = dataset.count.multipliedReportingOverflow(by: dimension)
        try require(
            !overflow && elements <= Int.max / 64, .shape,
            "targets are [\(dataset.count), \(dimension)]: more than can be addressed")
        try ExecutionContext.default.checkMemory(
            elements * 8, for: "targets of \(dataset.count) images")
        return DatasetHandle(
            try dataset.with(
                targets: Targets(
                    Array(UnsafeBufferPointer(start: targets, count: elements)),
                    dimension: dimension
                )))
    }
}

@c @implementation
public func supcon_dataset_with_class_names(
    _ dataset: OpaquePointer?, _ names: UnsafePointer<UnsafePointer<CChar>?>?, _ name_count: Int64,
    _ changed: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(changed, "changed") { () throws(SupConError) in
        DatasetHandle(
            try DatasetHandle.dataset(dataset).with(classNames: try classNames(names, name_count)))
    }
}

@c @implementation
public func supcon_dataset_with_label_noise(
    _ dataset: OpaquePointer?, _ rate: Double, _ seed: UInt64,
    _ changed: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(changed, "changed") { () throws(SupConError) in
        DatasetHandle(try DatasetHandle.dataset(dataset).withLabelNoise(rate: rate, seed: seed))
    }
}

@c @implementation
public func supcon_dataset_per_class(
    _ dataset: OpaquePointer?, _ images: Int64, _ seed: UInt64,
    _ subset: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(subset, "subset") { () throws(SupConError) in
        DatasetHandle(
            try DatasetHandle.dataset(dataset).limited(
                perClass: try count(images, "images"), seed: seed))
    }
}

@c @implementation
public func supcon_dataset_long_tailed(
    _ dataset: OpaquePointer?, _ factor: Double, _ seed: UInt64,
    _ subset: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(subset, "subset") { () throws(SupConError) in
        DatasetHandle(try DatasetHandle.dataset(dataset).longTailed(factor: factor, seed: seed))
    }
}

@c @implementation
public func supcon_dataset_with_classes(
    _ dataset: OpaquePointer?, _ names: UnsafePointer<UnsafePointer<CChar>?>?, _ name_count: Int64,
    _ changed: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(changed, "changed") { () throws(SupConError) in
        DatasetHandle(
            try DatasetHandle.dataset(dataset).with(classes: try classNames(names, name_count)))
    }
}

/// Returns names of classes that came as strings. Errors: argument.
private func classNames(_ names: UnsafePointer<UnsafePointer<CChar>?>?, _ name_count: Int64)
    throws(SupConError) -> [String]
{
    let (number, names) = (try count(name_count, "count"), try needed(names, "names"))
    try require(
        number <= mostClasses, .argument,
        "count is \(number); expected at most \(mostClasses) names")
    try checkStrings(names, number, "names")
    var all: [String] = []
    for i in 0..<number { all.append(try text(names[i], "names[\(i)]")) }
    return all
}
