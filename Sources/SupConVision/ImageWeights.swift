import SupConTensor

/// Weights set the contribution of each image to a loss: sample weights, or those of classes, image
/// by image.
extension Dataset {
    /// Returns the data set with these weights: one for each image, 0 or more; nil: all images
    /// weigh the same. Errors: argument, shape.
    public func with(weights: [Float]?) throws(SupConError) -> Dataset {
        if let weights {
            try require(
                weights.count == count, .shape,
                "there are \(weights.count) weights for \(count) images; expected one each")
            try checkWeights(weights)
        }
        return Dataset(
            source: source, picks: picks, labels: labels, targets: targets, weights: weights,
            classTable: classTable, channels: channels, skipped: skipped)
    }

    /// The weights, scaled to a mean of 1 so that they do not change the learning rate; nil if
    /// there are none, or all are 0.
    package var weightsOfMeanOne: [Float]? {
        guard let weights, case let sum = weights.reduce(0.0, { $0 + Double($1) }), sum > 0 else {
            return nil
        }
        return weights.map { Float(Double($0) * Double(count) / sum) }
    }
}
