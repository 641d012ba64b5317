import CSupCon
import SupCon

@c @implementation
public func supcon_corrupt(
    _ context: OpaquePointer?, _ images: UnsafePointer<supcon_images>?, _ corruption: Int32,
    _ severity: Int32, _ seed: UInt64,
    _ corrupted: UnsafeMutablePointer<UInt8>?
) -> supcon_status {
    status { () throws(SupConError) in
        try corrupt(
            try ImageBatch(images), try choice(corruption, "corruption"), severity: Int(severity),
            seed: seed, into: try needed(corrupted, "corrupted"),
            context: try ContextHandle.context(context))
    }
}

@c @implementation
public func supcon_dataset_corrupt(
    _ dataset: OpaquePointer?, _ corruption: Int32, _ severity: Int32, _ seed: UInt64,
    _ height: Int64, _ width: Int64,
    _ corrupted: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(corrupted, "corrupted") { () throws(SupConError) in
        let size = height == 0 && width == 0 ? nil : (height: Int(height), width: Int(width))
        return DatasetHandle(
            try DatasetHandle.dataset(dataset).corrupted(
                try choice(corruption, "corruption"), severity: Int(severity), seed: seed,
                size: size))
    }
}
