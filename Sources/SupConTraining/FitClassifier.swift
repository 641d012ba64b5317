import SupConEvaluation
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// The progress of fitting a classifier: images are embedded first, with the option `flip` each
/// twice, then iterations run, those of choosing l2 among them, up to the given number.
public enum FitProgress: Sendable, Equatable {
    case embedding(done: Int, of: Int)
    case fitting(iteration: Int, of: Int)
}

/// The rows that a classifier is fitted on.
private struct FitRows {
    /// r of the images, and behind these of the flipped ones [classes.count, embeddingDimension].
    var values: UnsafePointer<Float>
    var classes: [Int64]
    var weights: [Float]?
    /// The rows of the images that the last rows show flipped.
    var flipped: [Int] = []
    /// What `values` points into, unless that is the caller's.
    var memory: AlignedBuffer?
}

extension Model {
    /// Fits the linear classifier "fc" on the frozen encoder's output r for the unaugmented images
    /// of a labeled data set, with the option `flip` also for the flipped ones, by L-BFGS, and
    /// stores it with the names of its classes. Returns l2, the option or what was chosen.
    ///
    /// `stop` is called on this thread with the progress, after some hundreds of images and after
    /// each iteration; if it returns true, the fit ends with an error, and the model stays
    /// unchanged. Errors: argument, state (no labels, or the model is in use), shape, memory,
    /// canceled, io, format.
    @discardableResult public func fitClassifier(
        _ dataset: Dataset, _ options: ClassifierOptions = ClassifierOptions(),
        stop: (FitProgress) -> Bool = { _ in false }
    ) throws(SupConError) -> Float {
        try fitClassifier(dataset, features: nil, options, stop: stop)
    }

    /// Fits the classifier as above, but on features of the images, in their order, and with the
    /// option `flip` behind these of the flipped ones, unless they are nil. Errors: also argument
    /// (a feature that is not finite).
    package func fitClassifier(
        _ dataset: Dataset, features: Features?, _ options: ClassifierOptions,
        stop: (FitProgress) -> Bool
    ) throws(SupConError) -> Float {
        let watch = context.watch()
        try options.validate()
        try require(
            dataset.labels != nil, .state,
            "the data set has no labels; expected one for each image to fit a classifier on")
        try require(
            dataset.classes > 1, .state,
            "the data set has \(dataset.classes) class; expected 2 or more to fit a classifier")
        let names = try dataset.classNameList()
        // Two rows of each image at most: labels, weights, and the folds of a choice of l2.
        try Dataset.checkListMemory(
            dataset.count, bytes: 128, for: "the labels of \(dataset.count) images",
            context: context)
        return try exclusive(keepsEncoder: true) { () throws(SupConError) in
            let rows =
                if let features {
                    try rows(dataset, features, flip: options.flip)
                } else {
                    try rows(dataset, flip: options.flip, stop: stop)
                }
            let fitted = try withExtendedLifetime(rows.memory) { () throws(SupConError) in
                try rows.classes.withUnsafeBufferPointer { (labels) throws(SupConError) in
                    try SoftmaxRegression(
                        rows: rows.values, labels: labels, dimension: outputDimension(.encoder),
                        classes: dataset.classes, scaling: .scaled, weights: rows.weights,
                        copies: rows.flipped, options: options, context: context, watch: watch,
                        stop: { stop(.fitting(iteration: $0, of: $1)) })
                }
            }
            try setClasses(dataset.classes, names: names, seed: 0)
            let parameters = network.parameters
            guard let weight = parameters.entry(named: HeadLayer.classifierName + ".weight"),
                let bias = parameters.entry(named: HeadLayer.classifierName + ".bias")
            else {
                throw SupConError(.internal, "the classifier that was just set is not there")
            }
            for (i, value) in fitted.weight.enumerated() { parameters.pointer(weight)[i] = value }
            for (i, value) in fitted.bias.enumerated() { parameters.pointer(bias)[i] = value }
            return fitted.l2
        }
    }

    /// Returns the caller's features, normalized if the classifier's input is. Errors: shape,
    /// argument, memory.
    private func rows(_ dataset: Dataset, _ features: Features, flip: Bool)
        throws(SupConError) -> FitRows
    {
        try features.check(dimension: outputDimension(.encoder))
        try require(
            features.count == dataset.count * (flip ? 2 : 1), .shape,
            """
            there are \(features.count) features; expected \(flip ? "two" : "one") for each of \
            \(dataset.count) images\(flip ? ", since flip is 1: first all, then all flipped" : "")
            """
        )
        var rows = FitRows(
            values: features.values, classes: (dataset.classIndices ?? []).map { Int64($0) },
            weights: dataset.weights)
        if flip {
            rows.classes += rows.classes
            rows.weights = rows.weights.map { $0 + $0 }
            rows.flipped = Array(0..<dataset.count)
        }
        if configuration.normalizesFeatures {
            let memory = try fitMemory(rows: features.count)
            L2Normalize(rows: features.count, dimension: features.dimension).forward(
                w: features.values, z: memory.floats)
            (rows.memory, rows.values) = (memory, UnsafePointer(memory.floats))
        }
        return rows
    }

    /// Embeds all readable images, then with `flip` all of them flipped, in pieces of about a
    /// second's work. Errors: canceled, memory, and those of embedding.
    private func rows(_ dataset: Dataset, flip: Bool, stop: (FitProgress) -> Bool)
        throws(SupConError) -> FitRows
    {
        let total = dataset.count * (flip ? 2 : 1)
        let memory = try fitMemory(rows: total)
        var rows = FitRows(
            values: UnsafePointer(memory.floats), classes: [],
            weights: dataset.weights == nil ? nil : [], memory: memory)
        var embedding = EmbedOptions()
        // The classifier's input is normalized in the same way.
        embedding.normalize = configuration.normalizesFeatures
        /// Embeds images behind the rows so far, and returns the indices of the readable ones.
        func add(_ images: Dataset, before: Int) throws(SupConError) -> [Int] {
            let piece = 256 * max(1, (1 << 22) / (256 * imageHeight * imageWidth))
            var readable: [Int] = []
            for start in stride(from: 0, to: images.count, by: piece) {
                let end = min(start + piece, images.count)
                let part =
                    end - start == images.count ? images : try images.subset(Array(start..<end))
                let found = try embedReadable(
                    part, embedding,
                    into: memory.floats + rows.classes.count * outputDimension(.encoder))
                rows.classes += (found.images.classIndices ?? []).map { Int64($0) }
                rows.weights? += found.images.weights ?? []
                readable += found.indices.map { start + $0 }
                try require(
                    !stop(.embedding(done: before + end, of: total)), .canceled,
                    "stopped after embedding \(before + end) of \(total) images")
            }
            return readable
        }
        let readable = try add(dataset, before: 0)
        if flip {
            embedding.flip = true
            let images =
                readable.count == dataset.count ? dataset : try dataset.subset(readable)
            rows.flipped = try add(images, before: dataset.count)
        }
        return rows
    }

    /// Returns memory for the rows of `rows` images. Errors: memory.
    private func fitMemory(rows: Int) throws(SupConError) -> AlignedBuffer {
        let dimension = outputDimension(.encoder)
        let count = rows.multipliedReportingOverflow(by: dimension)
        try require(
            !count.overflow, .memory, "\(rows) rows of \(dimension) numbers are more than memory")
        try context.checkMemory(
            count.partialValue * 4, for: "the encoder's output for \(rows) images")
        return try AlignedBuffer(Float.self, count: count.partialValue)
    }

    /// Replaces the classifier by a new random one for `classes` classes, named by their numbers.
    /// With 0 it is removed, and a run that trains a classifier makes one with the data set's
    /// classes and names. Transfer to other classes begins with this call. Errors: argument, state
    /// (in use), memory.
    public func resetClassifier(classes: Int = 0, seed: UInt64 = 0) throws(SupConError) {
        try require(
            (0...mostClasses).contains(classes), .argument,
            "classes is \(classes); expected 0 to \(mostClasses)")
        try exclusive { () throws(SupConError) in try setClasses(classes, names: [], seed: seed) }
    }
}
