import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// How the linear classifier of a model is fitted: the options of the linear probe.
public typealias ClassifierOptions = SoftmaxRegression.Options

extension Model {
    /// Fits the linear classifier "fc" on the frozen encoder's output r for the unaugmented images of a labelled data set, by L-BFGS, and keeps it with the names of its classes.
    /// Errors: argument, state (no labels, or the model is in use), shape, memory, cancelled, io, format.
    public func fitClassifier(_ dataset: Dataset, _ options: ClassifierOptions = ClassifierOptions(), stop: (Int) -> Bool = { _ in false }) throws(SupConError) {
        try options.validate()
        guard let labels = dataset.labels else { throw SupConError(.state, "the data set has no labels; expected one for each image to fit a classifier on") }
        try require(dataset.classes > 1, .state, "the data set has \(dataset.classes) class; expected 2 or more to fit a classifier")
        let names = try dataset.classNameList()
        try exclusive(keepsEncoder: true) { () throws(SupConError) in
            let dimension = outputDimension(.encoder)
            let count = dataset.count.multipliedReportingOverflow(by: dimension)
            try require(!count.overflow, .memory, "\(dataset.count) rows of \(dimension) numbers are more than memory")
            try context.checkMemory(count.partialValue * 4, for: "the encoder's output for \(dataset.count) images")
            let rows = try AlignedBuffer(Float.self, count: count.partialValue)
            var embedding = EmbedOptions()
            // What the classifier takes.
            embedding.normalize = configuration.normalizesFeatures
            try embedWhileExclusive(dataset, embedding, into: rows.floats)
            let numbers = labels.map { Int64($0) }
            let fitted = try numbers.withUnsafeBufferPointer { (labels) throws(SupConError) in
                try SoftmaxRegression(
                    rows: rows.floats, labels: labels, dimension: dimension, classes: dataset.classes, scaling: .scaled, options: options, context: context, stop: stop)
            }
            try setClasses(dataset.classes, names: names, seed: 0)
            let parameters = network.parameters
            guard let weight = parameters.entry(named: HeadLayer.classifierName + ".weight"), let bias = parameters.entry(named: HeadLayer.classifierName + ".bias") else {
                throw SupConError(.internal, "the classifier that was just set is not there")
            }
            for (i, value) in fitted.weight.enumerated() { parameters.pointer(weight)[i] = value }
            for (i, value) in fitted.bias.enumerated() { parameters.pointer(bias)[i] = value }
        }
    }
}

extension Dataset {
    /// The names of all classes. Errors: argument (more classes than a classifier can have).
    func classNameList() throws(SupConError) -> [String] {
        try require(classes <= mostClasses, .argument, "the largest label is \(classes - 1); expected at most \(mostClasses - 1) where a classifier is trained")
        return (0..<classes).map { className($0) ?? "\($0)" }
    }
}
