import SupConLoss
import SupConVision

/// The options that a checkpoint's run and its continuation must share, by their names.
///
/// Every option counts but those that are listed as free to change, so that a new one is compared
/// until somebody decides otherwise.
enum RunFingerprint {
    /// A resumed run may be longer, take other rates from here on, and be watched otherwise.
    static let free: Set<String> = [
        "epochs", "learning_rate", "reference_batch", "schedule", "warmup_steps", "warmup_epochs",
        "warmup_start", "schedules_after_warmup", "final_rate", "milestones", "gamma",
        "exponential_factor", "exponential_epochs", "validation_every", "patience",
        "checkpoint_folder", "resume", "loader_threads", "stops_on_collapse", "restores_best",
    ]
    /// Options of the loss that training sets itself, or does not use.
    private static let unusedInLoss: Set<String> = ["seed", "normalize"]

    static func entries(_ options: TrainOptions) -> [(key: String, value: String)] {
        var entries: [(key: String, value: String)] = []
        for (name, value) in fields(options) where !free.contains(name) {
            switch value {
            case let loss as ContrastiveOptions:
                guard options.objective.isContrastive else { continue }
                entries += fields(loss).filter { !unusedInLoss.contains($0.name) }.map {
                    ($0.name, "\($0.value)")
                }
            case let augmentation as AugmentationOptions:
                entries += described(augmentation, name)
            case let second as AugmentationOptions?:
                // The same as the first, spelled out, is the same.
                entries += described(second ?? options.augmentation, name)
            default:
                if options.queueMode == .off, ["queue_size", "key_momentum"].contains(name) {
                    continue
                }
                entries.append((name, "\(value)"))
            }
        }
        return entries
    }

    private static func described(_ augmentation: AugmentationOptions, _ prefix: String)
        -> [(key: String, value: String)]
    {
        fields(augmentation).map { ("\(prefix).\($0.name)", "\($0.value)") }
    }

    /// The stored properties by the names of the options: "batchSize" is batch_size.
    private static func fields(_ value: Any) -> [(name: String, value: Any)] {
        Mirror(reflecting: value).children.compactMap { child in
            child.label.map { label in
                (
                    label.reduce(into: "") { name, letter in
                        name += letter.isUppercase ? "_" + letter.lowercased() : String(letter)
                    }, child.value
                )
            }
        }
    }
}
