import CSupCon
import SupCon

// Retrieval, calibration, corruption errors, geometry and out-of-distribution scores.

@c @implementation
public func supcon_retrieval_scores_init_sized(
    _ scores: UnsafeMutablePointer<supcon_retrieval_scores>?, _ size: Int
) {
    supcon_retrieval_scores.empty.initialize(scores, size)
}

@c @implementation
public func supcon_retrieval(
    _ context: OpaquePointer?, _ gallery: UnsafePointer<Float>?,
    _ gallery_labels: UnsafePointer<Int64>?, _ gallery_count: Int64,
    _ queries: UnsafePointer<Float>?,
    _ query_labels: UnsafePointer<Int64>?, _ query_count: Int64, _ dimension: Int64,
    _ scores: UnsafeMutablePointer<supcon_retrieval_scores>?
) -> supcon_status {
    status { () throws(SupConError) in
        let scores = try needed(scores, "scores")
        try supcon_retrieval_scores.check(scores)
        let galleryLabels = UnsafeBufferPointer(
            start: try needed(gallery_labels, "gallery_labels"),
            count: try count(gallery_count, "gallery_count"))
        let queryLabels =
            queries == nil
            ? UnsafeBufferPointer(start: nil, count: 0)
            : UnsafeBufferPointer(
                start: try needed(query_labels, "query_labels"),
                count: try count(query_count, "query_count"))
        let found = try retrieval(
            gallery: try needed(gallery, "gallery"), galleryLabels: galleryLabels, queries: queries,
            queryLabels: queryLabels,
            dimension: try count(dimension, "dimension"),
            context: try ContextHandle.context(context))
        var value = supcon_retrieval_scores.empty
        (value.precision_at_1, value.r_precision, value.map_at_r) = (
            found.precisionAt1, found.rPrecision, found.mapAtR
        )
        (value.queries, value.queries_without_match) = (
            Int64(found.queries), Int64(found.queriesWithoutMatch)
        )
        try supcon_retrieval_scores.write(value, to: scores)
    }
}

@c @implementation
public func supcon_calibration_scores_init_sized(
    _ scores: UnsafeMutablePointer<supcon_calibration_scores>?, _ size: Int
) { supcon_calibration_scores.empty.initialize(scores, size) }

@c @implementation
public func supcon_calibration(
    _ probabilities: UnsafePointer<Float>?, _ labels: UnsafePointer<Int64>?, _ row_count: Int64,
    _ classes: Int64,
    _ options: UnsafePointer<supcon_calibration_options>?,
    _ scores: UnsafeMutablePointer<supcon_calibration_scores>?,
    _ bin_counts: UnsafeMutablePointer<Int64>?, _ bin_confidences: UnsafeMutablePointer<Double>?,
    _ bin_accuracies: UnsafeMutablePointer<Double>?
) -> supcon_status {
    status { () throws(SupConError) in
        let options = try CalibrationOptions(options)
        try supcon_calibration_scores.check(scores)
        let labels = UnsafeBufferPointer(
            start: try needed(labels, "labels"), count: try count(row_count, "count"))
        let found = try calibration(
            probabilities: try needed(probabilities, "probabilities"), labels: labels,
            classes: try count(classes, "classes"), bins: options.bins)
        for (b, bin) in found.bins.enumerated() {
            bin_counts?[b] = Int64(bin.count)
            bin_confidences?[b] = bin.confidence
            bin_accuracies?[b] = bin.accuracy
        }
        guard let scores else { return }
        var value = supcon_calibration_scores.empty
        (value.expected_calibration_error, value.maximum_calibration_error) = (
            found.expectedCalibrationError, found.maximumCalibrationError
        )
        (value.accuracy, value.confidence) = (found.accuracy, found.confidence)
        (value.negative_log_likelihood, value.brier_score) = (
            found.negativeLogLikelihood, found.brierScore
        )
        try supcon_calibration_scores.write(value, to: scores)
    }
}

@c @implementation
public func supcon_corruption_scores_init_sized(
    _ scores: UnsafeMutablePointer<supcon_corruption_scores>?, _ size: Int
) { supcon_corruption_scores.empty.initialize(scores, size) }

@c @implementation
public func supcon_corruption_error(
    _ errors: UnsafePointer<Double>?, _ baseline: UnsafePointer<Double>?, _ corruptions: Int64,
    _ severities: Int64, _ clean: Double, _ clean_baseline: Double,
    _ scores: UnsafeMutablePointer<supcon_corruption_scores>?,
    _ ratios: UnsafeMutablePointer<Double>?, _ relative_ratios: UnsafeMutablePointer<Double>?
) -> supcon_status {
    status { () throws(SupConError) in
        let (errors, baseline) = (try needed(errors, "errors"), try needed(baseline, "baseline"))
        let (rows, columns) = (
            try count(corruptions, "corruptions"),
            try count(severities, "severities")
        )
        try require(
            max(rows, columns) <= 1_000_000, .shape,
            """
            \(rows) corruptions of \(columns) severities are too many; expected at most a \
            million of each
            """
        )
        try Dataset.checkListMemory(
            rows * (columns + 1), for: "the errors of \(rows) corruptions")
        try supcon_corruption_scores.check(scores)
        try require(
            clean.isNaN == clean_baseline.isNaN, .argument,
            """
            clean is \(clean) and clean_baseline \(clean_baseline); expected numbers for \
            both, or NaN for both
            """
        )
        func table(_ values: UnsafePointer<Double>) -> [[Double]] {
            (0..<rows).map { c in (0..<columns).map { values[c * columns + $0] } }
        }
        let found = try corruptionError(
            table(errors), baseline: table(baseline),
            clean: clean.isNaN ? nil : (clean, clean_baseline))
        if let ratios { ratios.update(from: found.errors, count: rows) }
        if let relative_ratios {
            for c in 0..<rows { relative_ratios[c] = found.relativeErrors?[c] ?? .nan }
        }
        guard let scores else { return }
        var value = supcon_corruption_scores.empty
        (value.mean, value.relative_mean) = (found.mean, found.relativeMean ?? .nan)
        try supcon_corruption_scores.write(value, to: scores)
    }
}

@c @implementation
public func supcon_alignment(
    _ context: OpaquePointer?, _ rows: UnsafePointer<Float>?, _ labels: UnsafePointer<Int64>?,
    _ row_count: Int64, _ dimension: Int64,
    _ value: UnsafeMutablePointer<Double>?
) -> supcon_status {
    status { () throws(SupConError) in
        let (rows, value) = (try needed(rows, "rows"), try needed(value, "value"))
        let labels = UnsafeBufferPointer(
            start: try needed(labels, "labels"), count: try count(row_count, "count"))
        value.pointee =
            try alignment(
                rows, labels: labels, dimension: try count(dimension, "dimension"),
                context: try ContextHandle.context(context)) ?? .nan
    }
}

@c @implementation
public func supcon_uniformity(
    _ context: OpaquePointer?, _ rows: UnsafePointer<Float>?, _ row_count: Int64,
    _ dimension: Int64, _ value: UnsafeMutablePointer<Double>?
) -> supcon_status {
    status { () throws(SupConError) in
        let (rows, value) = (try needed(rows, "rows"), try needed(value, "value"))
        value.pointee =
            try uniformity(
                rows, count: try count(row_count, "count"),
                dimension: try count(dimension, "dimension"),
                context: try ContextHandle.context(context)) ?? .nan
    }
}

@c @implementation
public func supcon_ood_scores(
    _ context: OpaquePointer?, _ train: UnsafePointer<Float>?, _ train_count: Int64,
    _ queries: UnsafePointer<Float>?, _ query_count: Int64, _ dimension: Int64,
    _ options: UnsafePointer<supcon_ood_options>?, _ scores: UnsafeMutablePointer<Float>?
) -> supcon_status {
    status { () throws(SupConError) in
        let options = try OutOfDistributionOptions(options)
        try outOfDistributionScores(
            train: try needed(train, "train"),
            trainCount: try count(train_count, "train_count"), queries: queries,
            queryCount: queries == nil ? 0 : try count(query_count, "query_count"),
            dimension: try count(dimension, "dimension"), k: options.k,
            into: try needed(scores, "scores"), context: try ContextHandle.context(context))
    }
}

@c @implementation
public func supcon_detection_scores_init_sized(
    _ scores: UnsafeMutablePointer<supcon_detection_scores>?, _ size: Int
) {
    supcon_detection_scores.empty.initialize(scores, size)
}

@c @implementation
public func supcon_detection(
    _ inside: UnsafePointer<Float>?, _ inside_count: Int64, _ outside: UnsafePointer<Float>?,
    _ outside_count: Int64,
    _ scores: UnsafeMutablePointer<supcon_detection_scores>?
) -> supcon_status {
    status { () throws(SupConError) in
        let scores = try needed(scores, "scores")
        try supcon_detection_scores.check(scores)
        let found = try detection(
            inside: UnsafeBufferPointer(
                start: try needed(inside, "inside"),
                count: try count(inside_count, "inside_count")),
            outside: UnsafeBufferPointer(
                start: try needed(outside, "outside"),
                count: try count(outside_count, "outside_count")))
        var value = supcon_detection_scores.empty
        (value.auroc, value.fpr95, value.threshold) = (found.auroc, found.fpr95, found.threshold)
        try supcon_detection_scores.write(value, to: scores)
    }
}
