import CKernels
import SupConTensor

/// A prototype classifier predicts the nearest class mean by cosine. A class mean is the mean of
/// its normalized rows, normalized again. Classes without rows are never guessed; among equals the
/// lowest class is.
package struct Prototypes: Sendable {
    let present: PresentClasses
    let dimension: Int
    private let means: [Float]  // [classes present, dimension]

    /// Computes the class means of rows [labels.count, dimension] with any labels. Errors:
    /// argument, shape, memory.
    package init(
        rows: UnsafePointer<Float>, labels: UnsafeBufferPointer<Int64>, dimension: Int,
        context: ExecutionContext = .default
    ) throws(SupConError) {
        let checked = try CheckedRows(
            rows, count: labels.count, dimension: dimension, name: "training row", context: context)
        try self.init(checked, PresentClasses(labels, context: context), context: context)
    }

    init(_ rows: CheckedRows, _ present: PresentClasses, context: ExecutionContext)
        throws(SupConError)
    {
        let (count, dimension) = (present.count * rows.dimension, rows.dimension)
        try context.checkMemory(
            count * 12, for: "\(present.count) class means of dimension \(dimension)")
        let sums = try AlignedBuffer(Double.self, count: count)
        let sum = sums.values(of: Double.self)
        for row in 0..<rows.count {
            sc_add_scaled_f32_to_f64(
                rows.rows + row * dimension, rows.inverseLength(row),
                sum + Int(present.rowClasses[row]) * dimension, Int64(dimension))
        }
        for index in 0..<present.count {
            let mean = sum + index * dimension
            let length = sc_dot_f64(mean, mean, Int64(dimension)).squareRoot()
            if length > 0 { sc_scale_f64(mean, 1 / length, Int64(dimension)) }
        }
        means = (0..<count).map { Float(sum[$0]) }
        (self.present, self.dimension) = (present, dimension)
    }

    /// Returns the class of each of the queries [count, dimension]. Errors: argument, shape,
    /// memory.
    package func predict(
        _ queries: UnsafePointer<Float>, count: Int, context: ExecutionContext = .default
    ) throws(SupConError) -> [Int64] {
        let checked = try CheckedRows(
            queries, count: count, dimension: dimension, name: "query row", context: context)
        return try guesses(checked, truth: { _ in nil }, context: context).predictions
    }

    func guesses(
        _ rows: CheckedRows, truth: (Int) -> Int?, probabilities: ProbabilityRows? = nil,
        temperature: Float = 1, context: ExecutionContext
    ) throws(SupConError) -> Guesses {
        let scores = LinearScores(
            weight: means, bias: [Float](repeating: 0, count: present.count), classes: present.count
        )
        return try scores.guesses(
            rows, present: present, truth: truth, probabilities: probabilities,
            temperature: temperature, context: context)
    }
}
