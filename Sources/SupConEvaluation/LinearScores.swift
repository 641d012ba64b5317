import SupConTensor

/// Linear scores are W x̂ + b of normalized rows, computed tile by tile: rows [n, dimension], W
/// [classes, dimension], b [classes] or zeros.
struct LinearScores {
    let weight: [Float]
    let bias: [Float]
    let classes: Int

    init(weight: [Float], bias: [Float], classes: Int) {
        (self.weight, self.bias, self.classes) = (weight, bias, classes)
    }

    /// Makes the scores of a softmax objective's variables: W [classes, dimension], to be
    /// multiplied by `factor`, then b.
    init(_ variables: AlignedBuffer, classes: Int, dimension: Int, factor: Double) {
        let values = variables.values(of: Double.self), weights = classes * dimension
        weight = (0..<weights).map { Float(factor * values[$0]) }
        bias = (weights..<weights + classes).map { Float(values[$0]) }
        self.classes = classes
    }

    /// Writes the scores of `count` rows x [count, dimension] to [count, classes].
    func write(
        _ count: Int, of x: UnsafePointer<Float>, dimension: Int,
        to scores: UnsafeMutablePointer<Float>
    ) {
        for i in 0..<count {
            for c in 0..<classes { scores[i * classes + c] = bias[c] }
        }
        weight.withUnsafeBufferPointer { weight in
            guard let weight = weight.baseAddress else { return }
            MatrixProduct.multiply(
                transposeB: true, m: count, n: classes, k: dimension, a: x, lda: dimension,
                b: weight, ldb: dimension, beta: 1, c: scores, ldc: classes)
        }
    }

    /// Returns the guess for each row by its scores. `truth` returns the index of a row's class,
    /// nil if it has none; `probabilities` receives softmax(scores / temperature). Errors: memory.
    func guesses(
        _ rows: CheckedRows, present: PresentClasses, truth: (Int) -> Int?,
        probabilities: ProbabilityRows? = nil, temperature: Float = 1,
        context: ExecutionContext
    ) throws(SupConError) -> Guesses {
        let (classes, dimension) = (classes, rows.dimension)
        let tileRows = min(max((1 << 18) / max(classes, dimension), 16), 512)
        let tiles = try Tiles(
            count: rows.count, tileRows: tileRows,
            scratchBytes: tileRows * (dimension + classes) * 4, for: "scores of \(classes) classes",
            context: context)
        return try Guesses(rows: rows.count, classes: present) { guesses throws(SupConError) in
            tiles.run { _, range, scratch in
                let x = scratch.assumingMemoryBound(to: Float.self),
                    scores = x + tileRows * dimension
                rows.copyUnit(range, into: x)
                write(range.count, of: x, dimension: dimension, to: scores)
                for (i, row) in range.enumerated() {
                    guesses[row] = Guess(
                        scores: scores + i * classes, count: classes, truth: truth(row))
                    probabilities?.writeSoftmax(
                        of: scores + i * classes, temperature: temperature, row: row, present)
                }
            }
        }
    }
}
