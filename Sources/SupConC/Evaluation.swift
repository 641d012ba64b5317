import CSupCon
import SupCon

@c @implementation
public func supcon_scores_init_sized(
    _ scores: UnsafeMutablePointer<supcon_scores>?, _ size: Int
) {
    supcon_scores.empty.initialize(scores, size)
}

@c @implementation
public func supcon_evaluate(
    _ context: OpaquePointer?, _ train: UnsafePointer<Float>?,
    _ train_labels: UnsafePointer<Int64>?, _ train_count: Int64, _ test: UnsafePointer<Float>?,
    _ test_labels: UnsafePointer<Int64>?, _ test_count: Int64, _ dimension: Int64,
    _ options: UnsafePointer<supcon_evaluate_options>?,
    _ scores: UnsafeMutablePointer<supcon_scores>?, _ predictions: UnsafeMutablePointer<Int64>?,
    _ probabilities: UnsafeMutablePointer<Float>?,
    _ probability_capacity: Int64, _ confusion: UnsafeMutablePointer<Int64>?,
    _ confusion_capacity: Int64
) -> supcon_status {
    status { () throws(SupConError) in
        let options = try EvaluateOptions(options)
        let (train, test) = (try needed(train, "train"), try needed(test, "test"))
        let trainLabels = UnsafeBufferPointer(
            start: try needed(train_labels, "train_labels"),
            count: try count(train_count, "train_count"))
        let testLabels = UnsafeBufferPointer(
            start: try needed(test_labels, "test_labels"),
            count: try count(test_count, "test_count"))
        try supcon_scores.check(scores)
        let rows = try probabilities.map { (start) throws(SupConError) in
            UnsafeMutableBufferPointer(
                start: start, count: try capacity(probability_capacity, "probability_capacity"))
        }
        // All arguments are checked before anything is computed or written.
        // More rows are refused below.
        if confusion != nil, max(train_count, test_count) < 1 << 31 {
            let classes = try evaluationClasses(
                trainLabels, testLabels, context: try ContextHandle.context(context)
            ).count
            try require(
                confusion_capacity >= Int64(classes * classes), .shape,
                """
                confusion_capacity is \(confusion_capacity); expected \(classes * classes) for \
                \(classes) classes
                """
            )
        }
        let found = try evaluate(
            train: train, trainLabels: trainLabels, test: test, testLabels: testLabels,
            dimension: try count(dimension, "dimension"), options: options,
            probabilities: rows, context: try ContextHandle.context(context))
        if let confusion { found.writeConfusion(confusion) }
        if let predictions {
            for (row, label) in found.predictions.enumerated() { predictions[row] = Int64(label) }
        }
        guard let scores else { return }
        var value = supcon_scores.empty
        (value.top1, value.top5, value.classes) = (found.top1, found.top5, Int64(found.classes))
        value.l2 = found.l2 ?? -1
        try supcon_scores.write(value, to: scores)
    }
}
