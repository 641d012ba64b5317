import SupConLoss
import SupConVision

/// The fingerprint of a run consists of the options that a checkpoint's run and its continuation
/// must share, by name.
///
/// Every option counts unless the table (Sources/Options) lets it differ, so that a new option is
/// compared until somebody decides otherwise.
enum RunFingerprint {
    static func entries(_ options: TrainOptions) -> [(key: String, value: String)] {
        var entries = options.resumeEntries
        if options.queueMode == .off {
            entries.removeAll { ["queue_size", "key_momentum"].contains($0.key) }
        }
        if options.objective.isContrastive { entries += options.loss.resumeEntries }
        for (name, augmentation) in [
            ("augmentation", options.augmentation),
            // A default that is spelled out equals the default.
            ("augmentation_second", options.augmentationSecond ?? options.augmentation),
        ] {
            entries += augmentation.resumeEntries.map { ("\(name).\($0.key)", $0.value) }
        }
        return entries
    }
}
