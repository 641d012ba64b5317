import SupConTensor
import SupConVision

/// A training split divides the data set of a run into images to train on and images held out for
/// validation.
struct TrainingSplit {
    let training: Dataset
    /// The held-out images; nil: none.
    let validation: Dataset?

    /// Splits the data set, and checks that it satisfies the options: channels, labels, targets,
    /// enough images. Errors: argument (targets), shape (channels), state.
    init(
        _ dataset: Dataset, _ options: TrainOptions, channels: Int, context: ExecutionContext
    ) throws(SupConError) {
        try require(
            dataset.channels == channels, .shape,
            """
            the data set's images have \(dataset.channels) channels; expected \(channels), as the \
            model takes
            """
        )
        try options.positives.check(dataset.targets)
        if options.trainsClassifier
            || (options.objective == .supcon && options.positives == .classes)
            || options.imagesPerClass > 0
        {
            let with =
                (options.jointClassifier ? " with joint_classifier" : "")
                + (options.imagesPerClass > 0 ? " with images_per_class" : "")
            try require(
                dataset.labels != nil, .state,
                "the data set has no labels, which \(options.objective)\(with) needs")
        }
        var (training, validation): (Dataset, Dataset?) = (dataset, nil)
        if options.validationFraction > 0, dataset.labels != nil || options.positives != .classes {
            let parts = try dataset.split(
                fraction: options.validationFraction, seed: options.seed, context: context)
            training = parts.first
            validation = parts.second.count > 0 ? parts.second : nil
        }
        let lack =
            dataset.labels == nil && options.positives == .classes ? "no labels" : "too few images"
        try require(
            validation != nil || (options.patience == 0 && !options.restoresBest), .state,
            """
            patience and restore_best need a validation split, but the data set has \(lack) for \
            one
            """
        )
        try require(
            training.count >= max(2, options.batchSize), .state,
            """
            there are \(training.count) images to train \
            on\(validation.map { " (\($0.count) more are held out)" } ?? ""), fewer than one \
            batch of \(max(2, options.batchSize))
            """
        )
        (self.training, self.validation) = (training, validation)
    }
}
