import CSupCon
import SupCon

@c @implementation
public func supcon_mask_from_multilabel(
    _ context: OpaquePointer?, _ labels: UnsafePointer<UInt8>?, _ samples: Int64,
    _ label_count: Int64, _ rule: Int32, _ mask: UnsafeMutablePointer<Float>?
) -> supcon_status {
    status { () throws(SupConError) in
        let (labels, mask) = (try needed(labels, "labels"), try needed(mask, "mask"))
        try PositiveMasks.fill(
            mask, multilabel: labels, samples: try count(samples, "samples"),
            count: try count(label_count, "label_count"), rule: try choice(rule, "rule"),
            context: try ContextHandle.context(context))
    }
}

@c @implementation
public func supcon_mask_from_values(
    _ context: OpaquePointer?, _ values: UnsafePointer<Double>?, _ samples: Int64,
    _ dimension: Int64, _ bandwidth: Double, _ mask: UnsafeMutablePointer<Float>?
) -> supcon_status {
    status { () throws(SupConError) in
        let (values, mask) = (try needed(values, "values"), try needed(mask, "mask"))
        try PositiveMasks.fill(
            mask, values: values, samples: try count(samples, "samples"),
            count: try count(dimension, "dimension"), bandwidth: bandwidth,
            context: try ContextHandle.context(context))
    }
}
