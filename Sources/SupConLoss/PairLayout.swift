/// Who is compared with whom. Contrasts are the views of the samples, sample by sample, then
/// `extra` others (a queue's). Anchors are either some of these views, or rows of their own, one
/// for each sample, whose views the contrasts then are (keys).
struct PairLayout {
    var samples: Int
    var views: Int
    /// Anchor a is contrast a·selfStride; 0: anchors are no contrasts.
    var selfStride: Int
    /// At most.
    var extra = 0

    var anchors: Int { selfStride == 1 ? samples * views : samples }
    var contrasts: Int { samples * views + extra }
    /// From an anchor to the next, in contrasts of the same class.
    var classStride: Int { selfStride == 1 ? 1 : views }

    func sample(ofAnchor anchor: Int) -> Int { selfStride == 1 ? anchor / views : anchor }
    /// The contrast that is the anchor itself; −1: none.
    func own(_ anchor: Int) -> Int { selfStride > 0 ? anchor * selfStride : -1 }
}

/// Contrasts that are nobody's views.
struct ExtraContrasts {
    var count = 0
    /// [count]; nil: they have none, and are negatives of all.
    var labels: UnsafePointer<Int64>?
    /// Whether those of an anchor's label are its positives; otherwise they take no part for it.
    var arePositives = false
}
