import SupConTensor

/// A positive choice selects the positives that count where there are more than `limit`: first the
/// other views of the anchor's sample (so that with one positive the supervised loss becomes
/// SimCLR's without its false negatives, as in Khosla et al., arXiv:2004.11362, table 6), then a
/// uniformly random subset of the others.
///
/// The subset is drawn by Floyd's algorithm (Bentley and Floyd, "A sample of brilliance", CACM
/// 1987) from a stream for each (seed, draw, anchor), so that it does not depend on the number of
/// threads.
struct PositiveChoice {
    let limit: Int
    /// The chosen contrasts [anchors, limit]; the first `counts` of each row are used, in ascending
    /// order.
    let chosen: Buffer<Int32>
    let counts: Buffer<Int32>
    private let layout: PairLayout
    private let seed: UInt64
    /// The contrasts sorted by class, with the first index of each class and of each sample's
    /// views.
    private let order: Buffer<Int32>
    private let starts: Buffer<Int>
    private let viewStarts: Buffer<Int>

    /// Makes a choice of at most `limit` positives, 1 or more. Errors: memory.
    init(_ layout: PairLayout, limit: Int, seed: UInt64) throws(SupConError) {
        (self.layout, self.limit, self.seed) = (layout, limit, seed)
        chosen = try Buffer(layout.anchors * limit)
        counts = try Buffer(layout.anchors)
        order = try Buffer(layout.contrasts)
        starts = try Buffer(layout.samples + layout.extra + 2)
        viewStarts = try Buffer(layout.samples)
    }

    /// Returns the bytes needed; nil if the number overflows.
    static func byteCount(_ layout: PairLayout, limit: Int) -> Int? {
        let (elements, overflow) = (layout.anchors * 4).multipliedReportingOverflow(by: limit + 1)
        let (all, tooMuch) = elements.addingReportingOverflow(
            layout.contrasts * 4 + (2 * layout.samples + layout.extra + 2) * 8)
        return overflow || tooMuch ? nil : all
    }

    /// Chooses among the contrasts of the anchor's class below `contrasts`, and sets `totals`.
    func choose(
        classes: UnsafePointer<Int32>, contrasts: Int, totals: UnsafeMutablePointer<Double>,
        draw: Int, threads: Int
    ) {
        sort(classes, contrasts)
        let (starts, order, viewStarts) = (starts.start, order.start, viewStarts.start)
        Parallel.ranges(layout.anchors, grain: 16, threads: threads) { range in
            for anchor in range {
                let sample = layout.sample(ofAnchor: anchor)
                let own = Int(classes[sample * layout.views])
                let (first, ownStart, views) = (starts[own], viewStarts[sample], layout.views)
                pick(
                    anchor, ownCount: ownViews, others: starts[own + 1] - first - views, draw: draw
                ) { order[first + $0 < ownStart ? first + $0 : first + $0 + views] }
                totals[anchor] = Double(counts.start[anchor])
            }
        }
    }

    /// Chooses among the contrasts that the mask [samples, samples] weighs, and sets `totals` to
    /// the sums of their weights.
    func choose(
        mask: UnsafePointer<Float>, scale: UnsafePointer<Double>,
        totals: UnsafeMutablePointer<Double>, draw: Int, threads: Int
    ) {
        let (samples, views) = (layout.samples, layout.views)
        Parallel.ranges(layout.anchors, grain: 16, threads: threads) { range in
            var others: [Int32] = []
            var listed = -1
            for anchor in range {
                let sample = layout.sample(ofAnchor: anchor)
                let row = mask + sample * samples
                if listed != sample {
                    others.removeAll(keepingCapacity: true)
                    for other in 0..<samples where other != sample && row[other] > 0 {
                        others.append(Int32(truncatingIfNeeded: other))
                    }
                    listed = sample
                }
                pick(
                    anchor, ownCount: row[sample] > 0 ? ownViews : 0, others: others.count * views,
                    draw: draw
                ) {
                    others[$0 / views] * Int32(truncatingIfNeeded: views)
                        + Int32(truncatingIfNeeded: $0 % views)
                }
                var sum = 0.0
                for k in 0..<Int(counts.start[anchor]) {
                    sum +=
                        Double(row[Int(chosen.start[anchor * limit + k]) / views]) * scale[sample]
                }
                totals[anchor] = sum
            }
        }
    }

    private var ownViews: Int { layout.views - (layout.selfStride > 0 ? 1 : 0) }

    /// Sorts the contrasts by class, with a counting sort.
    private func sort(_ classes: UnsafePointer<Int32>, _ contrasts: Int) {
        let (starts, order, viewStarts, names) = (
            starts.start, order.start, viewStarts.start, layout.samples + layout.extra
        )
        starts.update(repeating: 0, count: names + 2)
        for contrast in 0..<contrasts where classes[contrast] >= 0 {
            starts[Int(classes[contrast]) + 2] += 1
        }
        for name in 0..<names { starts[name + 2] += starts[name + 1] }
        for contrast in 0..<contrasts where classes[contrast] >= 0 {
            let own = Int(classes[contrast])
            if contrast < layout.samples * layout.views, contrast % layout.views == 0 {
                viewStarts[contrast / layout.views] = starts[own + 1]
            }
            order[starts[own + 1]] = Int32(truncatingIfNeeded: contrast)
            starts[own + 1] += 1
        }
    }

    /// Chooses up to `limit` of an anchor's own other views, then of `others` candidates, which
    /// `candidate` lists in ascending order.
    private func pick(
        _ anchor: Int, ownCount: Int, others: Int, draw: Int, candidate: (Int) -> Int32
    ) {
        var random = Philox(seed: seed, purpose: .positives, epoch: draw, sample: anchor)
        let row = chosen.start + anchor * limit
        let (first, own) = (layout.sample(ofAnchor: anchor) * layout.views, layout.own(anchor))
        var count = 0
        /// Inserts a contrast into the ascending row. Returns false if it is already there.
        func insert(_ contrast: Int32) -> Bool {
            var (low, high) = (0, count)
            while low < high {
                let middle = (low + high) / 2
                if row[middle] < contrast { low = middle + 1 } else { high = middle }
            }
            if low < count && row[low] == contrast { return false }
            for k in stride(from: count, to: low, by: -1) { row[k] = row[k - 1] }
            row[low] = contrast
            count += 1
            return true
        }
        func drawSome(_ wanted: Int, of candidates: Int, _ name: (Int) -> Int32) {
            for last in (candidates - wanted)..<candidates {
                if !insert(name(random.index(below: last + 1))) { _ = insert(name(last)) }
            }
        }
        let fromOwn = min(limit, ownCount)
        drawSome(fromOwn, of: ownCount) {
            Int32(
                truncatingIfNeeded: own >= first && first + $0 >= own ? first + $0 + 1 : first + $0)
        }
        drawSome(min(limit - fromOwn, others), of: others, candidate)
        counts.start[anchor] = Int32(truncatingIfNeeded: count)
    }
}
