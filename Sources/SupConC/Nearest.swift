import CSupCon
import SupCon

@c @implementation
public func supcon_nearest(
    _ context: OpaquePointer?, _ gallery: UnsafePointer<Float>?, _ gallery_count: Int64,
    _ queries: UnsafePointer<Float>?, _ query_count: Int64, _ dimension: Int64,
    _ options: UnsafePointer<supcon_nearest_options>?, _ indices: UnsafeMutablePointer<Int64>?,
    _ similarities: UnsafeMutablePointer<Float>?
) -> supcon_status {
    status { () throws(SupConError) in
        try nearest(
            gallery: try needed(gallery, "gallery"),
            count: try count(gallery_count, "gallery_count"), queries: queries,
            queryCount: queries == nil ? 0 : try count(query_count, "query_count"),
            dimension: try count(dimension, "dimension"),
            options: try NearestOptions(options), indices: try needed(indices, "indices"),
            similarities: try needed(similarities, "similarities"),
            context: try ContextHandle.context(context))
    }
}
