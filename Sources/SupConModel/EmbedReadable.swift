import SupConTensor
import SupConVision

extension Model {
    /// Embeds as `embedWhileExclusive` does, but leaves out images that have become unreadable, if
    /// the data set skips such images. Returns the embedded images, in order, and their indices in
    /// the data set. Errors: those of `embedWhileExclusive`; format if no image is left.
    package func embedReadable(
        _ dataset: Dataset, _ options: EmbedOptions, into rows: UnsafeMutablePointer<Float>
    ) throws(SupConError) -> (images: Dataset, indices: [Int]) {
        var (images, indices, hiccups) = (dataset, Array(0..<dataset.count), 0)
        while true {
            do throws(SupConError) {
                try embedWhileExclusive(images, options, into: rows)
                return (images, indices)
            } catch {
                guard dataset.skipsUnreadable, error.isOfFile else { throw error }
                let found = try images.readable(context: context)
                if found.images.count == images.count {
                    // The files are readable again, as happens on file systems, but not for ever.
                    hiccups += 1
                    guard hiccups < 4 else { throw error }
                    continue
                }
                guard found.images.count > 0 else { throw error }
                Log.write(
                    .warning,
                    """
                    \(found.unreadable.count) of \(images.count) images have become unreadable and \
                    are left out; the first: \(found.unreadable[0])
                    """
                )
                (images, indices) = (found.images, found.indices.map { indices[$0] })
            }
        }
    }
}
