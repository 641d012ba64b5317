import SupConTensor

/// Gradient buckets are the pieces in which a step's gradients are summed over the ranks, from the
/// last layer to the first: each is handed on as soon as the backward pass has completed it, while
/// that goes on with the layers before it.
struct GradientBuckets {
    /// In the order in which they are complete, from the end of the gradients to their beginning.
    let buckets: [Range<Int>]
    /// How many have been handed on in this pass.
    private var handedOn = 0

    /// Cuts `count` gradients. `offsets`: where they are final from, as the backward pass goes on.
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

    /// Hands on what is complete, now that all gradients from `offset` on are.
    mutating func complete(from offset: Int, _ body: (_ bucket: Range<Int>) -> Void) {
        while handedOn < buckets.count, buckets[handedOn].lowerBound >= offset {
            body(buckets[handedOn])
            handedOn += 1
        }
    }
}
