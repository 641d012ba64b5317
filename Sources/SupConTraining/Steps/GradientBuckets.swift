import SupConTensor

/// Gradient buckets are the pieces in which a step's gradients are summed over the ranks, from the
/// last layer to the first. Each is passed on as soon as the backward pass has completed it, while
/// that continues with the layers before it.
struct GradientBuckets {
    /// The buckets in the order of their completion, from the end of the gradients to the start.
    let buckets: [Range<Int>]
    /// The number of buckets that have been passed on in this pass.
    private var handedOn = 0

    /// Divides `count` gradients. `offsets` are those from which on the gradients are final, in the
    /// order of the backward pass.
    init(_ count: Int, completedFrom offsets: [Int]) {
        // Few enough elements that most of the exchange is behind the backward pass, and so many
        // that a message is worth its latency.
        let least = max(count / 8, 1 << 12)
        var (buckets, end): ([Range<Int>], Int) = ([], count)
        for offset in offsets
        where offset < end && (offset == offsets.last || end - offset >= least) {
            buckets.append(offset..<end)
            end = offset
        }
        self.buckets = buckets
    }

    /// The elements of the largest bucket.
    var largest: Int { buckets.lazy.map(\.count).max() ?? 0 }

    mutating func begin() { handedOn = 0 }

    /// Passes on the buckets that are complete now that all gradients from `offset` on are final.
    mutating func complete(from offset: Int, _ body: (_ bucket: Range<Int>) -> Void) {
        while handedOn < buckets.count, buckets[handedOn].lowerBound >= offset {
            body(buckets[handedOn])
            handedOn += 1
        }
    }
}
