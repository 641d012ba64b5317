import Glibc
import SupConTensor

/// Probability rows are the caller's buffer [rows, classes], which several threads fill, a row
/// each.
struct ProbabilityRows: @unchecked Sendable {
    private let values: UnsafeMutablePointer<Float>
    private let classes: Int

    /// Fills the buffer with zeros. Errors: shape.
    init(_ buffer: UnsafeMutableBufferPointer<Float>, rows: Int, classes: Int) throws(SupConError) {
        let (needed, overflow) = rows.multipliedReportingOverflow(by: classes)
        guard !overflow, buffer.count >= needed, let values = buffer.baseAddress else {
            throw SupConError(
                .shape,
                """
                the buffer holds \(buffer.count) probabilities; expected \(rows) rows × \
                \(classes) classes
                """
            )
        }
        values.update(repeating: 0, count: needed)
        (self.values, self.classes) = (values, classes)
    }

    func row(_ index: Int) -> UnsafeMutablePointer<Float> { values + index * classes }

    /// Writes softmax(scores / temperature) over the classes that are present, computed in f64.
    func writeSoftmax(
        of scores: UnsafePointer<Float>, temperature: Float, row index: Int,
        _ present: PresentClasses
    ) {
        var most = -Float.infinity
        for c in 0..<present.count { most = max(most, scores[c]) }
        func weight(_ c: Int) -> Double { exp(Double(scores[c] - most) / Double(temperature)) }
        var sum = 0.0
        for c in 0..<present.count { sum += weight(c) }
        let row = row(index)
        for c in 0..<present.count { row[Int(present.classes[c])] = Float(weight(c) / sum) }
    }
}
