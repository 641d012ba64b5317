import SupConVision

/// A step batch holds the images of a batch or chunk in the form that a step takes: the pixels of
/// their views, or the positions of the frozen stages' output in the feature cache.
struct StepBatch {
    enum Views {
        /// The pixels [samples · views, height, width, channels], where view v of sample s is row s
        /// · views + v.
        case pixels(UnsafePointer<Float>)
        /// The cache entry of each sample.
        case cached([Int])
    }
    /// The indices of the images in the training set.
    let indices: [Int]
    let views: Views

    init(_ batch: LoadedBatch) { (indices, views) = (batch.indices, .pixels(batch.pixels)) }

    init(_ indices: [Int], cached entries: [Int]) {
        (self.indices, views) = (indices, .cached(entries))
    }
}

/// The batches of an epoch, read from the feature cache in the chunks and passes in which the
/// loader would deliver them.
struct CachedBatches {
    private var pieces: [StepBatch] = []
    private var position = 0

    /// Makes the sequence from the cache entries of each batch.
    init(_ cache: FeatureCache, _ batches: [[Int]], chunks: Loader.Chunks) {
        for entries in batches {
            for _ in 0..<chunks.passes {
                for start in stride(from: 0, to: entries.count, by: chunks.size) {
                    let piece = Array(entries[start..<min(start + chunks.size, entries.count)])
                    pieces.append(StepBatch(piece.map { cache.image($0) }, cached: piece))
                }
            }
        }
    }

    /// Returns the next chunk. There are as many as the steps take.
    mutating func next() -> StepBatch {
        defer { position += 1 }
        return pieces[position]
    }
}
