import CSupCon
import SupCon

@c @implementation
public func supcon_augmentation_options_copy_sized(
    _ to: UnsafeMutablePointer<supcon_augmentation_options>?, _ size: Int,
    _ from: UnsafePointer<supcon_augmentation_options>?
) {
    supcon_augmentation_options.copy(from, to, size)
}

@c @implementation
public func supcon_augment(
    _ context: OpaquePointer?, _ images: UnsafePointer<supcon_images>?,
    _ options: UnsafePointer<supcon_augmentation_options>?, _ seed: UInt64, _ epoch: Int64,
    _ view: Int64,
    _ height: Int64, _ width: Int64, _ views: UnsafeMutablePointer<Float>?
) -> supcon_status {
    status { () throws(SupConError) in
        try augment(
            try ImageBatch(images), try AugmentationOptions(options), seed: seed, epoch: Int(epoch),
            view: Int(view), height: Int(height), width: Int(width),
            into: try needed(views, "views"), context: try ContextHandle.context(context))
    }
}

@c @implementation
public func supcon_augment_dataset(
    _ context: OpaquePointer?, _ dataset: OpaquePointer?, _ indices: UnsafePointer<Int64>?,
    _ index_count: Int64, _ options: UnsafePointer<supcon_augmentation_options>?,
    _ seed: UInt64, _ epoch: Int64, _ view: Int64, _ height: Int64, _ width: Int64,
    _ views: UnsafeMutablePointer<Float>?
) -> supcon_status {
    status { () throws(SupConError) in
        let number = try listCount(index_count, "index_count")
        let (dataset, indices) = (
            try DatasetHandle.dataset(dataset), try needed(indices, "indices")
        )
        try augment(
            dataset, indices: (0..<number).map { Int(indices[$0]) },
            try AugmentationOptions(options), seed: seed, epoch: Int(epoch), view: Int(view),
            height: Int(height), width: Int(width), into: try needed(views, "views"),
            context: try ContextHandle.context(context))
    }
}
