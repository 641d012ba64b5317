import CSupCon
import SupCon

extension supcon_loss_result {
    init(_ found: ContrastiveResult) {
        self = .empty
        (loss, anchors, anchors_without_positive) = (
            found.loss, Int64(found.anchors), Int64(found.anchorsWithoutPositive)
        )
    }
}

@c @implementation
public func supcon_loss_result_init_sized(
    _ result: UnsafeMutablePointer<supcon_loss_result>?, _ size: Int
) {
    supcon_loss_result.empty.initialize(result, size)
}

@c @implementation
public func supcon_loss_options_copy_sized(
    _ to: UnsafeMutablePointer<supcon_loss_options>?, _ size: Int,
    _ from: UnsafePointer<supcon_loss_options>?
) {
    supcon_loss_options.copy(from, to, size)
}

@c @implementation
public func supcon_loss(
    _ context: OpaquePointer?, _ features: UnsafePointer<Float>?, _ samples: Int64, _ views: Int64,
    _ dimension: Int64, _ labels: UnsafePointer<Int64>?,
    _ mask: UnsafePointer<Float>?, _ options: UnsafePointer<supcon_loss_options>?,
    _ result: UnsafeMutablePointer<supcon_loss_result>?,
    _ per_anchor: UnsafeMutablePointer<Float>?, _ gradient: UnsafeMutablePointer<Float>?
) -> supcon_status {
    supcon_loss_weighted(
        context, features, samples, views, dimension, labels, mask, nil, options, result,
        per_anchor, gradient)
}

@c @implementation
public func supcon_loss_weighted(
    _ context: OpaquePointer?, _ features: UnsafePointer<Float>?, _ samples: Int64, _ views: Int64,
    _ dimension: Int64, _ labels: UnsafePointer<Int64>?,
    _ mask: UnsafePointer<Float>?, _ sample_weights: UnsafePointer<Float>?,
    _ options: UnsafePointer<supcon_loss_options>?,
    _ result: UnsafeMutablePointer<supcon_loss_result>?,
    _ per_anchor: UnsafeMutablePointer<Float>?, _ gradient: UnsafeMutablePointer<Float>?
) -> supcon_status {
    status { () throws(SupConError) in
        let context = try ContextHandle.context(context)
        let watch = context.watch()
        let features = try needed(features, "features")
        let options = try ContrastiveOptions(options)
        try require(
            labels == nil || mask == nil, .argument,
            "both labels and mask are given; expected one of them, or neither")
        try supcon_loss_result.check(result)
        let loss = try ContrastiveLoss(
            options, samples: try count(samples, "samples"), views: try count(views, "views"),
            dimension: try count(dimension, "dimension"), context: context)
        let positives: Positives =
            if let labels { .labels(labels) } else if let mask { .mask(mask) } else { .views }
        if let sample_weights {
            try checkWeights(UnsafeBufferPointer(start: sample_weights, count: loss.samples))
        }
        let found = try loss.evaluate(
            features: features, positives: positives, perAnchor: per_anchor, gradient: gradient,
            sampleWeights: sample_weights, watch: watch)
        if let result { try supcon_loss_result.write(supcon_loss_result(found), to: result) }
    }
}

@c @implementation
public func supcon_loss_queue(
    _ context: OpaquePointer?, _ queries: UnsafePointer<Float>?, _ samples: Int64,
    _ dimension: Int64, _ keys: UnsafePointer<Float>?, _ keys_per_query: Int64,
    _ labels: UnsafePointer<Int64>?, _ queue: UnsafePointer<Float>?, _ queue_count: Int64,
    _ queue_labels: UnsafePointer<Int64>?, _ queue_positives: Int32,
    _ options: UnsafePointer<supcon_loss_options>?,
    _ result: UnsafeMutablePointer<supcon_loss_result>?, _ per_query: UnsafeMutablePointer<Float>?,
    _ gradient: UnsafeMutablePointer<Float>?
) -> supcon_status {
    status { () throws(SupConError) in
        let context = try ContextHandle.context(context)
        let watch = context.watch()
        let (queries, keys) = (try needed(queries, "queries"), try needed(keys, "keys"))
        let options = try ContrastiveOptions(options)
        try require(
            options.anchors == .all, .argument,
            "anchors is \(options.anchors); expected all: every query is an anchor")
        try require(
            !options.normalize, .argument,
            "normalize is 1; expected 0, and queries and keys of length 1")
        try supcon_loss_result.check(result)
        let (queueCount, arePositives) = (
            try count(queue_count, "queue_count", least: 0),
            try flag(queue_positives, "queue_positives")
        )
        let loss = try QueueLoss(
            options, queries: try count(samples, "samples"),
            keysPerQuery: try count(keys_per_query, "keys_per_query"), queueCapacity: queueCount,
            dimension: try count(dimension, "dimension"), context: context)
        // The engine takes keys and queue in one buffer; it has checked their sizes.
        let own = loss.queries * loss.keysPerQuery * loss.dimension,
            others = queueCount * loss.dimension
        try context.checkMemory((own + others) * 4, for: "a copy of keys and queue")
        let contrasts = try AlignedBuffer(Float.self, count: own + others)
        contrasts.floats.update(from: keys, count: own)
        if others > 0 {
            (contrasts.floats + own).update(from: try needed(queue, "queue"), count: others)
        }
        let found = try loss.evaluate(
            queries: queries, contrasts: contrasts.floats,
            queue: .init(count: queueCount, labels: queue_labels, arePositives: arePositives),
            positives: labels.map { .labels($0) } ?? .views, perAnchor: per_query,
            gradient: gradient, watch: watch)
        if let result { try supcon_loss_result.write(supcon_loss_result(found), to: result) }
    }
}
