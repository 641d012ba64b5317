import SupConTensor

/// An evaluation holds the accuracy of a method on test rows, and its predictions.
public struct Evaluation: Sendable {
    /// The fraction of the test rows whose label is the first guess.
    public let top1: Double
    /// The fraction of the test rows whose label is among the first five guesses, or among all of
    /// them if fewer classes have training rows.
    public let top5: Double
    /// The labels of training and test rows, ascending; class c has the label of index c.
    public let classLabels: [Int]
    /// The first guess for each test row, a label.
    public let predictions: [Int]
    /// The labels of the test rows.
    public let labels: [Int]
    /// The linear method's l2: the option, or what was chosen. nil for other methods.
    public let l2: Float?
    fileprivate let guesses: [Int64]
    fileprivate let truths: [Int64]

    /// The number of classes.
    public var classes: Int { classLabels.count }

    /// Counts the test rows by class (row) and guess (column) in `counts` [classes, classes], which
    /// is overwritten.
    package func writeConfusion<Count: FixedWidthInteger>(_ counts: UnsafeMutablePointer<Count>) {
        counts.update(repeating: 0, count: classes * classes)
        for (truth, guess) in zip(truths, guesses) {
            counts[Int(truth) * classes + Int(guess)] += 1
        }
    }

    /// Returns the counts of test rows, [classes, classes]: rows are the truth, columns the guess.
    /// Errors: memory.
    public func confusion(context: ExecutionContext = .default) throws(SupConError) -> [Int] {
        try require(classes < 1 << 28, .memory, "\(classes) classes are too many for a matrix")
        try context.checkMemory(
            classes * classes * 8, for: "a confusion matrix of \(classes) classes")
        return [Int](unsafeUninitializedCapacity: classes * classes) { buffer, filled in
            if let counts = buffer.baseAddress { writeConfusion(counts) }
            filled = classes * classes
        }
    }
}

/// Evaluates embeddings: fits a method on training rows, and predicts test rows. All rows are
/// normalized first; rows of zeros stay zero. A class without training rows is never guessed.
///
/// - Parameters:
///   - train, test: the rows [labels.count, dimension] f32.
///   - trainLabels, testLabels: any integers; class c is that of index c among the labels that
///     occur, ascending.
///   - probabilities: nil, or [testLabels.count, classes] to fill: softmax of the linear method's
///     logits; the fractions of the votes of knn; softmax of the prototypes' cosine / temperature.
///     A class without training rows gets 0.
///   - stop: called after each iteration of the linear method with its number and the largest
///     number of them; if it returns true, the fit ends with an error.
/// Errors: argument (elements that are not finite, options of the method), shape, memory, canceled.
package func evaluate(
    train: UnsafePointer<Float>, trainLabels: UnsafeBufferPointer<Int64>,
    test: UnsafePointer<Float>, testLabels: UnsafeBufferPointer<Int64>, dimension: Int,
    options: EvaluateOptions = EvaluateOptions(),
    probabilities: UnsafeMutableBufferPointer<Float>? = nil, context: ExecutionContext = .default,
    stop: (Int, Int) -> Bool = { _, _ in false }
) throws(SupConError) -> Evaluation {
    let watch = context.watch()
    let regression = ClassifierOptions(iterations: options.iterations, l2: options.l2)
    let neighbors = options.k == 0 ? min(20, max(trainLabels.count, 1)) : options.k
    let vote = NearestNeighbors.Vote(k: neighbors, temperature: options.temperature)
    switch options.method {
    case .linear: try regression.validate()
    case .knn: try vote.validate(gallery: trainLabels.count)
    case .prototypes:
        try require(
            options.temperature > 0 && options.temperature.isFinite, .argument,
            "temperature is \(options.temperature); expected more than 0")
    }
    let trainRows = try CheckedRows(
        train, count: trainLabels.count, dimension: dimension, name: "training row",
        context: context)
    let testRows = try CheckedRows(
        test, count: testLabels.count, dimension: dimension, name: "test row", context: context)
    let classLabels = try evaluationClasses(trainLabels, testLabels, context: context)
    // From here on a class is its index among these.
    let known = Dictionary(uniqueKeysWithValues: zip(classLabels, Int64(0)...))
    let truths = testLabels.map { known[$0] ?? 0 }
    let present = try trainLabels.map { known[$0] ?? 0 }.withUnsafeBufferPointer {
        (labels) throws(SupConError) in try PresentClasses(labels, context: context)
    }
    let truth = { (row: Int) in present.index(of: truths[row]) }
    let rows = try probabilities.map { (buffer) throws(SupConError) in
        try ProbabilityRows(buffer, rows: testRows.count, classes: classLabels.count)
    }

    let guesses: Guesses
    var l2: Float?
    switch options.method {
    case .linear:
        let fitted = try SoftmaxRegression(
            trainRows, labels: present.rowClasses, classes: present.count, scaling: .unit,
            options: regression, context: context, watch: watch, stop: stop)
        l2 = fitted.l2
        guesses = try LinearScores(weight: fitted.weight, bias: fitted.bias, classes: present.count)
            .guesses(
                testRows, present: present, truth: truth, probabilities: rows, context: context)
    case .knn:
        guesses = try NearestNeighbors(trainRows, present, context: context).guesses(
            testRows, truth: truth, vote: vote, probabilities: rows, context: context)
    case .prototypes:
        guesses = try Prototypes(trainRows, present, context: context).guesses(
            testRows, truth: truth, probabilities: rows, temperature: options.temperature,
            context: context)
    }
    return Evaluation(
        top1: Double(guesses.first) / Double(testRows.count),
        top5: Double(guesses.firstFive) / Double(testRows.count),
        classLabels: classLabels.map { Int($0) },
        predictions: guesses.predictions.map { Int(classLabels[Int($0)]) },
        labels: testLabels.map { Int($0) }, l2: l2,
        guesses: guesses.predictions, truths: truths)
}

/// Returns the classes of an evaluation: the labels of training and test rows, ascending. Errors:
/// memory.
package func evaluationClasses(
    _ trainLabels: UnsafeBufferPointer<Int64>, _ testLabels: UnsafeBufferPointer<Int64>,
    context: ExecutionContext = .default
) throws(SupConError) -> [Int64] {
    let train = try differentLabels(trainLabels, context: context)
    let test = try differentLabels(testLabels, context: context)
    return train == test ? train : Set(train).union(test).sorted()
}
