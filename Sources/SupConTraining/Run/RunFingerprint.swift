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
        "warmup_start", "schedule_after_warmup", "final_rate", "milestones", "gamma",
        "exponential_factor", "exponential_epochs", "validation_every", "patience",
        "checkpoint_folder", "resume", "loader_threads", "stop_on_collapse", "restore_best",
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

    /// Options whose names are not those of their properties.
    private static let names = [
        "decays_norm_and_bias": "decay_norm_and_bias",
        "schedules_after_warmup": "schedule_after_warmup",
        "freezes_norm": "freeze_norm", "stops_on_collapse": "stop_on_collapse",
        "restores_best": "restore_best",
        "rand_augment_operations": "randaugment_operations",
        "rand_augment_magnitude": "randaugment_magnitude",
    ]

    /// The stored properties by the names of the options: "batchSize" is batch_size.
    static func fields(_ value: Any) -> [(name: String, value: Any)] {
        Mirror(reflecting: value).children.compactMap { child in
            child.label.map { label in
                let name = label.reduce(into: "") { name, letter in
                    name += letter.isUppercase ? "_" + letter.lowercased() : String(letter)
                }
                return (names[name] ?? name, child.value)
            }
        }
    }
}
