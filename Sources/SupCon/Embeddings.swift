import SupConEvaluation
import SupConModel
import SupConTensor
import SupConTraining
import SupConVision

/// Embeddings are rows of numbers, one for each image: the output of a model, and the input of
/// measures.
public struct Embeddings: Sendable, Equatable {
    /// All rows, one after another: [count, dimension].
    public let values: [Float]
    /// The number of rows.
    public let count: Int
    /// The length of a row.
    public let dimension: Int

    /// Makes rows of `dimension` numbers. Errors: shape (the numbers do not fill whole rows).
    public init(_ values: [Float], dimension: Int) throws(SupConError) {
        try require(
            dimension >= 1 && values.count % dimension == 0, .shape,
            "there are \(values.count) numbers; expected whole rows of dimension \(dimension)")
        (self.values, self.dimension, count) = (values, dimension, values.count / dimension)
    }

    /// The row of image `row`, 0 to count − 1.
    public subscript(row: Int) -> ArraySlice<Float> {
        values[row * dimension..<(row + 1) * dimension]
    }

    fileprivate func withFeatures<R>(_ body: (Features) throws(SupConError) -> R)
        throws(SupConError) -> R
    {
        try values.withUnsafeBufferPointer { (values) throws(SupConError) in
            guard count > 0, let start = values.baseAddress else {
                throw SupConError(.argument, "there are no features; expected a row or more")
            }
            return try body(Features(start, count: count, dimension: dimension))
        }
    }
}

extension Model {
    /// Embeds all images of a data set, in their order. Any number of threads may embed at once.
    ///
    /// Errors: shape (channels), state (the model lacks that output, or is being trained), memory,
    /// io and format (a file that has become unreadable), canceled (by the model's context).
    public func embed(_ dataset: Dataset, _ options: EmbedOptions = EmbedOptions())
        throws(SupConError) -> Embeddings
    {
        try rows(dataset.count, options) { (rows) throws(SupConError) in
            try embed(dataset, options, into: rows)
        }
    }

    /// Embeds images in memory, in their order. Any number of threads may embed at once.
    ///
    /// Errors: argument (pixels that are not finite), shape (channels), state (the model lacks that
    /// output, or is being trained), memory, canceled (by the model's context).
    public func embed(_ images: ImageBatch, _ options: EmbedOptions = EmbedOptions())
        throws(SupConError) -> Embeddings
    {
        try rows(images.count, options) { (rows) throws(SupConError) in
            try embed(images, options, into: rows)
        }
    }

    /// Computes another output from features, the encoder's output for images as `embed` gives it
    /// with `normalize` false: a projection, or what the classifier says. It saves embedding these
    /// images again. Any number of threads may do so at once.
    ///
    /// Errors: shape (the dimension is not `embeddingDimension`), argument (a feature that is not
    /// finite, or the option `flip`), state (the model lacks that output, or is being trained),
    /// memory, canceled.
    public func forwardHead(_ features: Embeddings, _ options: EmbedOptions = EmbedOptions())
        throws(SupConError) -> Embeddings
    {
        try features.withFeatures { (own) throws(SupConError) in
            try rows(features.count, options) { (rows) throws(SupConError) in
                try forwardHead(own, options, into: rows)
            }
        }
    }

    /// Fits the linear classifier as `fitClassifier(_:_:stop:)` does, but on features, the
    /// encoder's output for the images of the data set in their order, as `embed` gives it with
    /// `normalize` false; with the option `flip`, behind these the rows of the flipped images. It
    /// saves embedding these images again.
    ///
    /// Errors: shape (not a row of `embeddingDimension` numbers for each image, or two with
    /// `flip`), argument (a feature that is not finite), state (no labels, or the model is in
    /// use), memory, canceled.
    @discardableResult public func fitClassifier(
        _ dataset: Dataset, features: Embeddings,
        _ options: ClassifierOptions = ClassifierOptions(),
        stop: (FitProgress) -> Bool = { _ in false }
    ) throws(SupConError) -> Float {
        try features.withFeatures { (own) throws(SupConError) in
            try fitClassifier(dataset, features: own, options, stop: stop)
        }
    }

    private func rows(
        _ count: Int, _ options: EmbedOptions,
        _ fill: (UnsafeMutablePointer<Float>) throws(SupConError) -> Void
    ) throws(SupConError) -> Embeddings {
        let dimension = outputDimension(options.output)
        try require(
            dimension > 0, .state, "the model has no output \"\(options.output)\"")
        let (elements, overflow) = count.multipliedReportingOverflow(by: dimension)
        try require(
            count >= 0 && !overflow && elements < 1 << 58, .memory,
            "\(count) rows of dimension \(dimension) are larger than memory")
        let values = try filled(elements, "the embeddings of \(count) images", context, fill)
        return try Embeddings(values, dimension: dimension)
    }
}

/// Returns an array of `count` elements that `fill` writes. Errors: memory; those of `fill`.
func filled(
    _ count: Int, _ what: @autoclosure () -> String, _ context: ExecutionContext,
    _ fill: (UnsafeMutablePointer<Float>) throws(SupConError) -> Void
) throws(SupConError) -> [Float] {
    try context.checkMemory(count * 4, for: what())
    var values = [Float](repeating: 0, count: count)
    try values.withUnsafeMutableBufferPointer { (buffer) throws(SupConError) in
        if let start = buffer.baseAddress { try fill(start) }
    }
    return values
}
