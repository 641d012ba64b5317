/// A pair layout defines which rows are compared. Contrasts are the views of the samples, sample by
/// sample, then `extra` others (those of a queue). Anchors are either some of these views, or
/// separate rows, one for each sample, of whose views (keys) the contrasts then consist.
struct PairLayout {
    var samples: Int
    var views: Int
    /// The stride with which anchors are contrasts: anchor a is contrast a·selfStride. 0: anchors
    /// are not contrasts.
    var selfStride: Int
    /// The largest number of extra contrasts.
    var extra = 0

    var anchors: Int { selfStride == 1 ? samples * views : samples }
    var contrasts: Int { samples * views + extra }
    /// The number of contrasts of one class from an anchor to the next.
    var classStride: Int { selfStride == 1 ? 1 : views }

    func sample(ofAnchor anchor: Int) -> Int { selfStride == 1 ? anchor / views : anchor }
    /// Returns the contrast that is the anchor itself; −1 if there is none.
    func own(_ anchor: Int) -> Int { selfStride > 0 ? anchor * selfStride : -1 }
}

/// Extra contrasts are not views of any sample.
struct ExtraContrasts {
    var count = 0
    /// The labels [count]; nil: they have none, and are negatives of all anchors.
    var labels: UnsafePointer<Int64>?
    /// Whether those with an anchor's label are its positives; otherwise the anchor ignores them.
    var arePositives = false
}
