import SupConVision

/// The images of a batch or chunk as a step takes them: with the pixels of their views, or with
/// where the feature cache has what the frozen stages made of them.
struct StepBatch {
    enum Views {
        /// View v of sample s is row s · views + v of [samples · views, height, width, channels].
        case pixels(UnsafePointer<Float>)
        /// The entry of each sample.
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

/// The batches of an epoch out of the feature cache, in the chunks and passes in which the loader
/// would give them.
struct CachedBatches {
    private var pieces: [StepBatch] = []
    private var position = 0

    /// `batches`: the entries of each.
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

    /// Returns the next piece; there are as many as the steps take.
    mutating func next() -> StepBatch {
        defer { position += 1 }
        return pieces[position]
    }
}
