import CSupCon
import SupCon

final class DatasetHandle: Sendable {
    let dataset: Dataset
    let strings = CStrings()
    init(_ dataset: Dataset) { self.dataset = dataset }

    static func dataset(_ handle: OpaquePointer?) throws(SupConError) -> Dataset {
        try object(handle, DatasetHandle.self, "dataset").dataset
    }
}

@c @implementation
public func supcon_dataset_free(_ dataset: OpaquePointer?) { release(dataset, DatasetHandle.self) }

@c @implementation
public func supcon_dataset_info_init_sized(
    _ info: UnsafeMutablePointer<supcon_dataset_info>?, _ size: Int
) {
    supcon_dataset_info.empty.initialize(info, size)
}

@c @implementation
public func supcon_dataset_get_info(
    _ dataset: OpaquePointer?, _ info: UnsafeMutablePointer<supcon_dataset_info>?
) -> supcon_status {
    status { () throws(SupConError) in
        let dataset = try DatasetHandle.dataset(dataset)
        var value = supcon_dataset_info.empty
        value.labeled = dataset.labels == nil ? 0 : 1
        (value.count, value.classes, value.channels) = (
            Int64(dataset.count), Int64(dataset.classes), Int64(dataset.channels)
        )
        (value.height, value.width) = (Int64(dataset.height ?? 0), Int64(dataset.width ?? 0))
        value.skipped = Int64(dataset.skipped.count)
        value.target_dimension = Int64(dataset.targets?.dimension ?? 0)
        let median = dataset.medianSize
        (value.median_height, value.median_width) = (Int64(median.height), Int64(median.width))
        try supcon_dataset_info.write(value, to: try needed(info, "info"))
    }
}

@c @implementation
public func supcon_dataset_class_name(_ dataset: OpaquePointer?, _ class_index: Int64)
    -> UnsafePointer<CChar>?
{
    object(ifAny: dataset, DatasetHandle.self).flatMap { handle in
        handle.dataset.className(Int(class_index)).flatMap { handle.strings[$0] }
    }
}

@c @implementation
public func supcon_dataset_get_class_labels(
    _ dataset: OpaquePointer?, _ labels: UnsafeMutablePointer<Int64>?, _ capacity: Int64
) -> supcon_status {
    status { () throws(SupConError) in
        let own = try DatasetHandle.dataset(dataset).classLabels
        let labels = try needed(labels, "labels")
        try require(
            capacity >= Int64(own.count), .shape,
            "capacity is \(capacity); expected \(own.count), one for each class")
        for (i, label) in own.enumerated() { labels[i] = Int64(label) }
    }
}

@c @implementation
public func supcon_dataset_skipped(_ dataset: OpaquePointer?, _ index: Int64) -> UnsafePointer<
    CChar
>? {
    guard let handle = object(ifAny: dataset, DatasetHandle.self),
        handle.dataset.skipped.indices.contains(Int(index))
    else { return nil }
    return handle.strings[handle.dataset.skipped[Int(index)]]
}

@c @implementation
public func supcon_dataset_path(_ dataset: OpaquePointer?, _ index: Int64) -> UnsafePointer<CChar>?
{
    object(ifAny: dataset, DatasetHandle.self)?.dataset.pathPointer(Int(index))
}

@c @implementation
public func supcon_dataset_get_labels(
    _ dataset: OpaquePointer?, _ labels: UnsafeMutablePointer<Int64>?, _ capacity: Int64
) -> supcon_status {
    status { () throws(SupConError) in
        let dataset = try DatasetHandle.dataset(dataset)
        guard let own = dataset.labels else {
            throw SupConError(.state, "the data set has no labels")
        }
        let labels = try needed(labels, "labels")
        try require(
            capacity >= Int64(own.count), .shape,
            "capacity is \(capacity); expected \(own.count), one for each image")
        for (i, label) in own.enumerated() { labels[i] = Int64(label) }
    }
}

@c @implementation
public func supcon_dataset_get_targets(
    _ dataset: OpaquePointer?, _ targets: UnsafeMutablePointer<Double>?, _ capacity: Int64
) -> supcon_status {
    status { () throws(SupConError) in
        guard let own = try DatasetHandle.dataset(dataset).targets?.values else {
            throw SupConError(.state, "the data set has no targets")
        }
        let targets = try needed(targets, "targets")
        try require(
            capacity >= Int64(own.count), .shape,
            "capacity is \(capacity); expected \(own.count), a row for each image")
        for (i, value) in own.enumerated() { targets[i] = value }
    }
}

@c @implementation
public func supcon_dataset_subset(
    _ dataset: OpaquePointer?, _ indices: UnsafePointer<Int64>?, _ index_count: Int64,
    _ subset: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(subset, "subset") { () throws(SupConError) in
        let number = try listCount(index_count, "count")
        let (dataset, indices) = (
            try DatasetHandle.dataset(dataset), try needed(indices, "indices")
        )
        return DatasetHandle(try dataset.subset((0..<number).map { Int(indices[$0]) }))
    }
}

@c @implementation
public func supcon_dataset_split(
    _ dataset: OpaquePointer?, _ fraction: Double, _ seed: UInt64,
    _ first: UnsafeMutablePointer<OpaquePointer?>?, _ second: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    first?.pointee = nil
    second?.pointee = nil
    return status { () throws(SupConError) in
        let (first, second) = (try needed(first, "first"), try needed(second, "second"))
        let parts = try DatasetHandle.dataset(dataset).split(fraction: fraction, seed: seed)
        first.pointee = retained(DatasetHandle(parts.first))
        second.pointee = retained(DatasetHandle(parts.second))
    }
}
