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
            let dimension = outputDimension(.encoder)
            let count = dataset.count.multipliedReportingOverflow(by: dimension)
            try require(
                !count.overflow, .memory,
                "\(dataset.count) rows of \(dimension) numbers are more than memory")
            try context.checkMemory(
                count.partialValue * 4, for: "the encoder's output for \(dataset.count) images")
            let rows = try AlignedBuffer(Float.self, count: count.partialValue)
            let classes = try embedInPieces(
                dataset, into: rows.floats, dimension: dimension, stop: stop)
            let fitted = try classes.withUnsafeBufferPointer { (labels) throws(SupConError) in
                try SoftmaxRegression(
                    rows: rows.floats, labels: labels, dimension: dimension,
                    classes: dataset.classes, scaling: .scaled, weights: dataset.weights,
                    options: options, context: context, watch: watch,
                    stop: { stop(.fitting(iteration: $0, of: $1)) })
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

    /// Writes r of all readable images, in pieces of about a second's work, and returns the classes
    /// of these images. Errors: canceled, and those of embedding.
    private func embedInPieces(
        _ dataset: Dataset, into rows: UnsafeMutablePointer<Float>, dimension: Int,
        stop: (FitProgress) -> Bool
    ) throws(SupConError) -> [Int64] {
        var embedding = EmbedOptions()
        // The classifier's input is normalized in the same way.
        embedding.normalize = configuration.normalizesFeatures
        let piece = 256 * max(1, (1 << 22) / (256 * imageHeight * imageWidth))
        var classes: [Int64] = []
        for start in stride(from: 0, to: dataset.count, by: piece) {
            let end = min(start + piece, dataset.count)
            let part =
                end - start == dataset.count ? dataset : try dataset.subset(Array(start..<end))
            let found = try embedReadable(
                part, embedding, into: rows + classes.count * dimension
            ).images
            classes += (found.classIndices ?? []).map { Int64($0) }
            try require(
                !stop(.embedding(done: end, of: dataset.count)), .canceled,
                "stopped after embedding \(end) of \(dataset.count) images")
        }
        return classes
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
