import SupConTensor
import SupConVision

/// Start warnings say what a user will want to know of a run before an hour has passed.
enum StartWarnings {
    /// Writes the warnings to the log.
    static func write(_ dataset: Dataset, _ options: TrainOptions) {
        if let late = options.unfreezeEpochs.first(where: { $0 >= options.epochs }) {
            Log.write(
                .warning,
                """
                unfreeze_epochs has \(late), and the run ends after epoch \(options.epochs): no \
                stage is unfrozen there unless a longer run resumes this one
                """
            )
        }
        if options.positives.ofSets != nil, let targets = dataset.targets {
            let bare = (0..<targets.count).count { targets[$0].allSatisfy { $0 == 0 } }
            if bare > 0 {
                Log.write(
                    .warning,
                    """
                    \(bare) of \(targets.count) images have no label: their only positives \
                    are their own views
                    """
                )
            }
        }
        guard let labels = dataset.labels, options.objective == .supcon,
            options.positives == .classes
        else { return }
        var counts: [Int: Int] = [:]
        for label in labels { counts[label, default: 0] += 1 }
        if counts.count == 1 {
            Log.write(
                .warning,
                """
                all images are of one class: every view is a positive of every other, and the \
                loss can only pull them together
                """
            )
        }
        let single = counts.values.count { $0 == 1 }
        if single > 0 {
            Log.write(
                .warning,
                """
                \(single) of \(counts.count) classes have one image: its only positives are \
                its own views
                """
            )
        }
    }
}
