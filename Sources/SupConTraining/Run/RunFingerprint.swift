import SupConLoss
import SupConVision

/// The options that a checkpoint's run and its continuation must share, by their names.
///
/// Every option counts but those that the table (Sources/Options) lets differ, so that a new one is
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
            // The same as the first, spelled out, is the same.
            ("augmentation_second", options.augmentationSecond ?? options.augmentation),
        ] {
            entries += augmentation.resumeEntries.map { ("\(name).\($0.key)", $0.value) }
        }
        return entries
    }
}
