import SupConEvaluation
import SupConModel
import SupConTensor
import SupConVision

extension Model {
    /// Returns, for each image, the index of the classifier's output for the image's class.
    ///
    /// If the classifier's classes have names, a class of the data set is matched by its name, so
    /// that a data set with fewer classes, or with classes in another order, continues with the
    /// existing classifier. If they have none, labels are output indices. Errors: shape (a class
    /// that the classifier lacks), state (no labels).
    func classifierOutputs(of dataset: Dataset) throws(SupConError) -> [Int] {
        guard let indices = dataset.classIndices else {
            throw SupConError(.state, "the data set has no labels, which a classifier needs")
        }
        let outputs = try classifierOutputs(ofClasses: dataset)
        return indices.map { outputs[$0] }
    }

    /// Returns the index of the output for each class of the data set. Errors: shape.
    private func classifierOutputs(ofClasses dataset: Dataset) throws(SupConError) -> [Int] {
        let count = network.configuration.classes
        let advice = "give it a new one (resetClassifier, supcon_model_reset_classifier)"
        let names = classNames
        if names.isEmpty {
            let labels = dataset.classLabels
            if let label = labels.first(where: { !(0..<count).contains($0) }) {
                throw SupConError(
                    .shape,
                    """
                    the data set has the label \(label); the model's classifier has \(count) \
                    classes without names, labels 0 to \(count - 1): \(advice)
                    """
                )
            }
            return labels
        }
        let wanted = try dataset.classNameList()
        if wanted == names { return Array(0..<count) }
        // If two classes have the same name, the first counts.
        let known = Dictionary(zip(names, 0...)) { first, _ in first }
        var outputs: [Int] = []
        for name in wanted {
            guard let output = known[name] else {
                throw SupConError(
                    .shape,
                    """
                    the data set has \(wanted.count) classes, one of which, “\(name)”, is not \
                    among \
                    the \(count) of the model's classifier (the first is “\(names[0])”): \(advice)
                    """
                )
            }
            outputs.append(output)
        }
        return outputs
    }
}

extension Dataset {
    /// Returns the names of all classes. Errors: argument (more classes than a classifier can
    /// have).
    func classNameList() throws(SupConError) -> [String] {
        try require(
            classes <= mostClasses, .argument,
            """
            the data set has \(classes) classes; expected at most \(mostClasses) where a \
            classifier \
            is trained
            """
        )
        return (0..<classes).map { className($0) ?? "\($0)" }
    }
}
