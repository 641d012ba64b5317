import CSupCon
import SupCon

/// Returns a copy of the [count] labels; NULL gives none. Errors: memory.
func numbers(_ pointer: UnsafePointer<Int64>?, _ count: Int) throws(SupConError) -> [Int]? {
    guard let labels = pointer else { return nil }
    try Dataset.checkListMemory(count, for: "\(count) labels")
    return (0..<count).map { Int(labels[$0]) }
}

private func paths(_ pointer: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int)
    throws(SupConError) -> [RawPath]
{
    let pointer = try needed(pointer, "paths")
    try checkStrings(pointer, count, "paths")
    var all: [RawPath] = []
    for i in 0..<count { all.append(try path(pointer[i], "paths[\(i)]")) }
    return all
}

@c @implementation
public func supcon_dataset_from_images(
    _ images: UnsafePointer<supcon_images>?, _ labels: UnsafePointer<Int64>?,
    _ options: UnsafePointer<supcon_dataset_options>?,
    _ dataset: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(dataset, "dataset") { () throws(SupConError) in
        let batch = try ImageBatch(images)
        return DatasetHandle(
            try .images(
                batch, labels: try numbers(labels, batch.count), options: DatasetOptions(options)))
    }
}

@c @implementation
public func supcon_dataset_from_folder(
    _ folder: UnsafePointer<CChar>?, _ options: UnsafePointer<supcon_dataset_options>?,
    _ dataset: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(dataset, "dataset") { () throws(SupConError) in
        DatasetHandle(try .folder(try path(folder, "path"), options: DatasetOptions(options)))
    }
}

@c @implementation
public func supcon_dataset_from_files(
    _ file_paths: UnsafePointer<UnsafePointer<CChar>?>?, _ file_count: Int64,
    _ labels: UnsafePointer<Int64>?, _ options: UnsafePointer<supcon_dataset_options>?,
    _ dataset: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(dataset, "dataset") { () throws(SupConError) in
        let number = try listCount(file_count, "count")
        return DatasetHandle(
            try .files(
                try paths(file_paths, number), labels: try numbers(labels, number),
                options: DatasetOptions(options)))
    }
}

@c @implementation
public func supcon_dataset_from_encoded(
    _ data: UnsafePointer<UnsafeRawPointer?>?, _ sizes: UnsafePointer<Int64>?,
    _ file_paths: UnsafePointer<UnsafePointer<CChar>?>?, _ image_count: Int64,
    _ labels: UnsafePointer<Int64>?, _ options: UnsafePointer<supcon_dataset_options>?,
    _ dataset: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(dataset, "dataset") { () throws(SupConError) in
        let number = try listCount(image_count, "count")
        let (data, sizes) = (try needed(data, "data"), try needed(sizes, "sizes"))
        if let file_paths { try checkStrings(file_paths, number, "paths") }
        var images: [EncodedImage] = []
        for i in 0..<number {
            let name = try path(ifAny: file_paths?[i], "paths[\(i)]")
            guard let bytes = data[i] else {
                guard let name else {
                    throw SupConError(
                        .argument, "data[\(i)] is NULL; expected bytes, or a path in paths[\(i)]")
                }
                images.append(EncodedImage(path: name))
                continue
            }
            try require(
                sizes[i] >= 0 && sizes[i] <= 1 << 40, .argument,
                "sizes[\(i)] is \(sizes[i]); expected the number of bytes at data[\(i)]")
            let piece = UnsafeRawBufferPointer(start: bytes, count: Int(sizes[i]))
            images.append(EncodedImage(bytes: piece, name: name ?? ""))
        }
        return DatasetHandle(
            try .encoded(
                images, labels: numbers(labels, number), options: DatasetOptions(options)))
    }
}

@c @implementation
public func supcon_dataset_from_idx(
    _ images_path: UnsafePointer<CChar>?, _ labels_path: UnsafePointer<CChar>?,
    _ options: UnsafePointer<supcon_dataset_options>?,
    _ dataset: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(dataset, "dataset") { () throws(SupConError) in
        DatasetHandle(
            try .idx(
                images: try path(images_path, "images_path"),
                labels: try path(ifAny: labels_path, "labels_path"),
                options: DatasetOptions(options)))
    }
}

@c @implementation
public func supcon_dataset_from_cifar(
    _ file_paths: UnsafePointer<UnsafePointer<CChar>?>?, _ file_count: Int64, _ classes: Int32,
    _ options: UnsafePointer<supcon_dataset_options>?,
    _ dataset: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(dataset, "dataset") { () throws(SupConError) in
        DatasetHandle(
            try .cifar(
                try paths(file_paths, try listCount(file_count, "count")),
                classes: Int(classes), options: DatasetOptions(options)))
    }
}

@c @implementation
public func supcon_dataset_from_callback(
    _ callback: supcon_batch_callback?, _ user_data: UnsafeMutableRawPointer?, _ image_count: Int64,
    _ height: Int64, _ width: Int64, _ channels: Int64,
    _ labels: UnsafePointer<Int64>?, _ dataset: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(dataset, "dataset") { () throws(SupConError) in
        let callback = try needed(callback, "callback")
        let number = try count(image_count, "count")
        // It is called on the thread that called the library, so its data stay on that thread.
        nonisolated(unsafe) let data = user_data
        return DatasetHandle(
            try .callback(
                count: number, height: Int(height), width: Int(width), channels: Int(channels),
                labels: try numbers(labels, number)
            ) { indices, pixels in
                indices.map { Int64($0) }.withUnsafeBufferPointer {
                    callback($0.baseAddress, Int64($0.count), pixels, data)
                } == 0
            })
    }
}
