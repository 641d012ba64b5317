import CSupCon
import SupCon

extension supcon_loss_options {
    init(_ options: ContrastiveOptions) {
        self = .empty
        temperature = options.temperature
        form = options.form.rawValue
        denominator = options.denominator.rawValue
        anchors = options.anchors.rawValue
        reduction = options.reduction.rawValue
        scale = options.scale
        normalize = options.normalize ? 1 : 0
        (positives_cap, seed) = (Int32(options.positivesCap), options.seed)
    }
}

extension ContrastiveOptions {
    /// NULL: the defaults. Errors: argument.
    init(_ pointer: UnsafePointer<supcon_loss_options>?) throws(SupConError) {
        let options = try supcon_loss_options.read(pointer, defaults: supcon_loss_options(ContrastiveOptions()))
        self.init()
        temperature = options.temperature
        form = try choice(options.form, "form")
        denominator = try choice(options.denominator, "denominator")
        anchors = try choice(options.anchors, "anchors")
        reduction = try choice(options.reduction, "reduction")
        scale = options.scale
        normalize = try flag(options.normalize, "normalize")
        (positivesCap, seed) = (Int(options.positives_cap), options.seed)
        try validate()
    }
}

@c @implementation
public func supcon_loss_options_init(_ options: UnsafeMutablePointer<supcon_loss_options>?) { options?.pointee = supcon_loss_options(ContrastiveOptions()) }

@c @implementation
public func supcon_loss_result_init(_ result: UnsafeMutablePointer<supcon_loss_result>?) { result?.pointee = .empty }

@c @implementation
public func supcon_loss(
    _ context: OpaquePointer?, _ features: UnsafePointer<Float>?, _ samples: Int64, _ views: Int64, _ dimension: Int64, _ labels: UnsafePointer<Int64>?,
    _ mask: UnsafePointer<Float>?, _ options: UnsafePointer<supcon_loss_options>?, _ result: UnsafeMutablePointer<supcon_loss_result>?,
    _ per_anchor: UnsafeMutablePointer<Float>?, _ gradient: UnsafeMutablePointer<Float>?
) -> supcon_status {
    status { () throws(SupConError) in
        let features = try needed(features, "features")
        let options = try ContrastiveOptions(options)
        try require(labels == nil || mask == nil, .argument, "both labels and mask are given; expected one of them, or neither")
        try supcon_loss_result.check(result)
        let loss = try ContrastiveLoss(
            options, samples: try count(samples, "samples"), views: try count(views, "views"), dimension: try count(dimension, "dimension"),
            context: ContextHandle.context(context))
        let positives: Positives = if let labels { .labels(labels) } else if let mask { .mask(mask) } else { .views }
        let found = try loss.evaluate(features: features, positives: positives, perAnchor: per_anchor, gradient: gradient)
        guard let result else { return }
        var value = supcon_loss_result.empty
        (value.loss, value.anchors, value.anchors_without_positive) = (found.loss, Int64(found.anchors), Int64(found.anchorsWithoutPositive))
        try supcon_loss_result.write(value, to: result)
    }
}
