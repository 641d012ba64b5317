import SupConTensor
import SupConVision

extension Model {
    /// Embeds as `embedWhileExclusive` does, but leaves out images that have become unreadable, if
    /// the data set skips such images. Returns the embedded images, in order, and their indices in
    /// the data set. Errors: those of `embedWhileExclusive`; format if no image is left.
    package func embedReadable(
        _ dataset: Dataset, _ options: EmbedOptions, into rows: UnsafeMutablePointer<Float>
    ) throws(SupConError) -> (images: Dataset, indices: [Int]) {
        let found = try usingReadable(dataset) { (images) throws(SupConError) in
            try embedWhileExclusive(images, options, into: rows)
        }
        return (found.images, found.indices)
    }

    /// Returns what `body` makes of a data set, or of the images that are readable, if some are
    /// not and the data set skips such images; and these images, in order, and their indices in the
    /// data set. `body` is called again whenever images turn out unreadable. Errors: those of
    /// `body`; format if no image is left.
    func usingReadable<R>(
        _ dataset: Dataset, _ body: (Dataset) throws(SupConError) -> R
    ) throws(SupConError) -> (result: R, images: Dataset, indices: [Int]) {
        var (images, indices, hiccups) = (dataset, Array(0..<dataset.count), 0)
        while true {
            do throws(SupConError) {
                return (try body(images), images, indices)
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
