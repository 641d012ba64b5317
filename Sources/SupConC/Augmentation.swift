import CSupCon
import SupCon

extension supcon_augmentation_options {
    init(_ options: AugmentationOptions) {
        self = .empty
        kind = options.kind.rawValue
        (crop_scale_min, crop_scale_max) = (options.cropScaleMin, options.cropScaleMax)
        (crop_ratio_min, crop_ratio_max) = (options.cropRatioMin, options.cropRatioMax)
        (flip_probability, jitter_probability) = (
            options.flipProbability, options.jitterProbability
        )
        (brightness, contrast, saturation, hue) = (
            options.brightness, options.contrast, options.saturation, options.hue
        )
        (gray_probability, blur_probability) = (options.grayProbability, options.blurProbability)
        (blur_sigma_min, blur_sigma_max) = (options.blurSigmaMin, options.blurSigmaMax)
        (randaugment_operations, randaugment_magnitude) = (
            Int32(options.randAugmentOperations), options.randAugmentMagnitude
        )
        (warp_probability, warp_strength) = (options.warpProbability, options.warpStrength)
        (fill, cutout) = (options.fill, options.cutout)
    }
}

extension AugmentationOptions {
    /// NULL: the defaults. Errors: argument.
    init(_ pointer: UnsafePointer<supcon_augmentation_options>?) throws(SupConError) {
        let options = try supcon_augmentation_options.read(
            pointer, defaults: supcon_augmentation_options(.defaults(.simclr)))
        self = .defaults(try choice(options.kind, "kind"))
        (cropScaleMin, cropScaleMax) = (options.crop_scale_min, options.crop_scale_max)
        (cropRatioMin, cropRatioMax) = (options.crop_ratio_min, options.crop_ratio_max)
        (flipProbability, jitterProbability) = (
            options.flip_probability, options.jitter_probability
        )
        (brightness, contrast, saturation, hue) = (
            options.brightness, options.contrast, options.saturation, options.hue
        )
        (grayProbability, blurProbability) = (options.gray_probability, options.blur_probability)
        (blurSigmaMin, blurSigmaMax) = (options.blur_sigma_min, options.blur_sigma_max)
        (randAugmentOperations, randAugmentMagnitude) = (
            Int(options.randaugment_operations), options.randaugment_magnitude
        )
        (warpProbability, warpStrength) = (options.warp_probability, options.warp_strength)
        (fill, cutout) = (options.fill, options.cutout)
        try validate()
    }
}

@c @implementation
public func supcon_augmentation_options_init_sized(
    _ options: UnsafeMutablePointer<supcon_augmentation_options>?, _ size: Int
) {
    supcon_augmentation_options(.defaults(.simclr)).initialize(options, size)
}

@c @implementation
public func supcon_augmentation_options_copy_sized(
    _ to: UnsafeMutablePointer<supcon_augmentation_options>?, _ size: Int,
    _ from: UnsafePointer<supcon_augmentation_options>?
) {
    supcon_augmentation_options.copy(
        from, to, size, defaults: supcon_augmentation_options(.defaults(.simclr)))
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
        let number = try count(index_count, "index_count", least: 1)
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
