import SupConTensor

/// Linear scores are W x̂ + b of normalized rows, computed tile by tile: rows [n, dimension], W
/// [classes, dimension], b [classes] or zeros.
struct LinearScores {
    let weight: [Float]
    let bias: [Float]
    let classes: Int

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
            weight.withUnsafeBufferPointer { weight in
                guard let weight = weight.baseAddress else { return }
                tiles.run { _, range, scratch in
                    let x = scratch.assumingMemoryBound(to: Float.self),
                        scores = x + tileRows * dimension
                    rows.copyUnit(range, into: x)
                    for i in 0..<range.count {
                        for c in 0..<classes { scores[i * classes + c] = bias[c] }
                    }
                    MatrixProduct.multiply(
                        transposeB: true, m: range.count, n: classes, k: dimension, a: x,
                        lda: dimension, b: weight, ldb: dimension, beta: 1, c: scores,
                        ldc: classes)
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
}
