import SupConEvaluation
import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// The progress of fitting a classifier: images are embedded first, then iterations run, those of
/// choosing l2 among them, up to the given number.
public enum FitProgress: Sendable, Equatable {
    case embedding(done: Int, of: Int)
    case fitting(iteration: Int, of: Int)
}

/// The rows that a classifier is fitted on.
private struct FitRows {
    /// r of the images [classes.count, embeddingDimension].
    var values: UnsafePointer<Float>
    var classes: [Int64]
    var weights: [Float]?
    /// What `values` points into, unless that is the caller's.
    var memory: AlignedBuffer?
}

extension Model {
    /// Fits the linear classifier "fc" on the frozen encoder's output r for the unaugmented images
    /// of a labeled data set, by L-BFGS, and stores it with the names of its classes. Returns l2,
    /// the option or what was chosen.
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

    /// Fits the classifier as above, but on features of the images, in their order, unless these
    /// are nil. Errors: also argument (a feature that is not finite).
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
        return try exclusive(keepsEncoder: true) { () throws(SupConError) in
            let rows =
                if let features {
                    try rows(dataset, features)
                } else {
                    try rows(dataset, stop: stop)
                }
            let fitted = try withExtendedLifetime(rows.memory) { () throws(SupConError) in
                try rows.classes.withUnsafeBufferPointer { (labels) throws(SupConError) in
                    try SoftmaxRegression(
                        rows: rows.values, labels: labels, dimension: outputDimension(.encoder),
                        classes: dataset.classes, scaling: .scaled, weights: rows.weights,
                        options: options, context: context, watch: watch,
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
    private func rows(_ dataset: Dataset, _ features: Features) throws(SupConError) -> FitRows {
        try features.check(dimension: outputDimension(.encoder))
        try require(
            features.count == dataset.count, .shape,
            "there are \(features.count) features; expected one for each of \(dataset.count) images"
        )
        var rows = FitRows(
            values: features.values, classes: (dataset.classIndices ?? []).map { Int64($0) },
            weights: dataset.weights)
        if configuration.normalizesFeatures {
            let memory = try fitMemory(rows: features.count)
            L2Normalize(rows: features.count, dimension: features.dimension).forward(
                w: features.values, z: memory.floats)
            (rows.memory, rows.values) = (memory, UnsafePointer(memory.floats))
        }
        return rows
    }

    /// Embeds all readable images, in pieces of about a second's work. Errors: canceled, memory,
    /// and those of embedding.
    private func rows(_ dataset: Dataset, stop: (FitProgress) -> Bool) throws(SupConError)
        -> FitRows
    {
        let memory = try fitMemory(rows: dataset.count)
        var rows = FitRows(
            values: UnsafePointer(memory.floats), classes: [],
            weights: dataset.weights == nil ? nil : [], memory: memory)
        var embedding = EmbedOptions()
        // The classifier's input is normalized in the same way.
        embedding.normalize = configuration.normalizesFeatures
        let piece = 256 * max(1, (1 << 22) / (256 * imageHeight * imageWidth))
        for start in stride(from: 0, to: dataset.count, by: piece) {
            let end = min(start + piece, dataset.count)
            let part =
                end - start == dataset.count ? dataset : try dataset.subset(Array(start..<end))
            let found = try embedReadable(
                part, embedding,
                into: memory.floats + rows.classes.count * outputDimension(.encoder)
            ).images
            rows.classes += (found.classIndices ?? []).map { Int64($0) }
            rows.weights? += found.weights ?? []
            try require(
                !stop(.embedding(done: end, of: dataset.count)), .canceled,
                "stopped after embedding \(end) of \(dataset.count) images")
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
