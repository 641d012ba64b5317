import CKernels
import SupConTensor

/// Pair weights are the weights w of all pairs, in O(samples) memory: a class for every contrast,
/// or the caller's mask with the sums of its rows.
struct PairWeights {
    let layout: PairLayout
    /// The class of each contrast, given by the index of the first sample (or extra contrast,
    /// counted after the samples) that has it. Unused with a mask.
    let classes: Buffer<Int32>
    /// The inverse of each mask row's maximum, [samples].
    let maskScale: Buffer<Double>
    /// The sum of the (scaled) weights of each anchor's positives, and the number of its negatives;
    /// [anchors].
    let totals: Buffer<Double>
    let negatives: Buffer<Int>
    /// The choice of the positives that count; nil: all of them do.
    let choice: PositiveChoice?
    private(set) var mask: UnsafePointer<Float>?
    /// The current number of contrasts, of samples and extra ones.
    private(set) var contrasts: Int
    /// The first of the contrasts that an anchor of the same class ignores.
    private(set) var neutralFrom = Int.max

    /// The number of contrasts of each class: of samples, and extra ones.
    private let members: Buffer<Int32>
    private let extraMembers: Buffer<Int32>
    private let table: Buffer<Int32>
    private let tableBits: Int

    /// Makes the weights. At most `positivesCap` positives count, chosen by `seed`; 0: all count.
    /// Errors: memory.
    init(_ layout: PairLayout, positivesCap: Int, seed: UInt64) throws(SupConError) {
        self.layout = layout
        contrasts = layout.samples * layout.views
        classes = try Buffer(layout.contrasts)
        maskScale = try Buffer(layout.samples)
        totals = try Buffer(layout.anchors)
        negatives = try Buffer(layout.anchors)
        let names = layout.samples + layout.extra
        members = try Buffer(names)
        extraMembers = try Buffer(names)
        tableBits = Int.bitWidth - names.leadingZeroBitCount + 1
        table = try Buffer(1 << tableBits)
        choice =
            positivesCap > 0 && positivesCap < layout.contrasts
            ? try PositiveChoice(layout, limit: positivesCap, seed: seed) : nil
    }

    /// Returns the bytes needed; nil if the number overflows.
    static func byteCount(_ layout: PairLayout, positivesCap: Int) -> Int? {
        let names = layout.samples + layout.extra
        let own = layout.contrasts * 4 + layout.samples * 8 + layout.anchors * 16 + names * (8 + 16)
        guard positivesCap > 0, positivesCap < layout.contrasts else { return own }
        return PositiveChoice.byteCount(layout, limit: positivesCap).map { own + $0 }
    }

    /// Prepares an evaluation. `draw` seeds the choice among positives beyond the cap. Errors:
    /// argument (of the mask).
    mutating func prepare(
        _ positives: Positives, extra: ExtraContrasts = ExtraContrasts(), draw: Int, threads: Int
    ) throws(SupConError) {
        contrasts = layout.samples * layout.views + extra.count
        neutralFrom = extra.arePositives ? .max : layout.samples * layout.views
        switch positives {
        case .views:
            mask = nil
            count(extra) { Int32(truncatingIfNeeded: $0) }
        case .labels(let labels):
            mask = nil
            table.start.update(repeating: -1, count: 1 << tableBits)
            let (table, shift, last, samples) = (
                table.start, UInt64(64 - tableBits), (1 << tableBits) - 1, layout.samples
            )
            func label(_ name: Int) -> Int64 {
                name < samples ? labels[name] : extra.labels?[name - samples] ?? 0
            }
            count(extra) { name in
                // A hash table with open addressing, at most half full, and Fibonacci hashing.
                let own = label(name)
                var slot = Int(
                    truncatingIfNeeded: (UInt64(bitPattern: own) &* 0x9E37_79B9_7F4A_7C15) >> shift)
                while table[slot] >= 0 && label(Int(table[slot])) != own {
                    slot = (slot + 1) & last
                }
                if table[slot] < 0 { table[slot] = Int32(truncatingIfNeeded: name) }
                return table[slot]
            }
        case .mask(let mask):
            try measure(mask, threads: threads)
            self.mask = mask
        }
        if let choice {
            if let mask {
                choice.choose(
                    mask: mask, scale: maskScale.start, totals: totals.start, draw: draw,
                    threads: threads)
            } else {
                choice.choose(
                    classes: classes.start, contrasts: min(contrasts, neutralFrom),
                    totals: totals.start, draw: draw, threads: threads)
            }
        }
    }

    /// Assigns every contrast the class that `classOf` returns for a sample or an extra contrast,
    /// and counts the classes.
    private func count(_ extra: ExtraContrasts, _ classOf: (Int) -> Int32) {
        let (samples, views) = (layout.samples, layout.views)
        let (classes, members, extraMembers) = (classes.start, members.start, extraMembers.start)
        members.update(repeating: 0, count: samples + extra.count)
        extraMembers.update(repeating: 0, count: samples + extra.count)
        for sample in 0..<samples {
            let own = classOf(sample)
            for view in 0..<views { classes[sample * views + view] = own }
            members[Int(own)] += Int32(truncatingIfNeeded: views)
        }
        for index in 0..<extra.count {
            guard extra.labels != nil else {
                classes[samples * views + index] = -1
                continue
            }
            let own = classOf(samples + index)
            classes[samples * views + index] = own
            extraMembers[Int(own)] += 1
        }
        for anchor in 0..<layout.anchors {
            let own = Int(classes[anchor * layout.classStride])
            let others = Int(members[own]) - (layout.selfStride > 0 ? 1 : 0)
            totals.start[anchor] = Double(
                others + (extra.arePositives ? Int(extraMembers[own]) : 0))
            negatives.start[anchor] = contrasts - Int(members[own]) - Int(extraMembers[own])
        }
    }

    /// Measures the rows of the mask. A sample's own entry weighs one view fewer.
    private func measure(_ mask: UnsafePointer<Float>, threads: Int) throws(SupConError) {
        let (samples, views, layout, totals, negatives, maskScale) = (
            layout.samples, layout.views, layout, totals.start, negatives.start, maskScale.start
        )
        let perSample = layout.anchors / samples
        Parallel.ranges(samples, grain: max(65536 / samples, 1), threads: threads) { range in
            for sample in range {
                let row = mask + sample * samples
                var (maximum, sum, positives): (Float, Double, Int64) = (0, 0, 0)
                var sound =
                    sc_mask_part(row, Int64(sample), &maximum, &sum, &positives)
                    & sc_mask_part(
                        row + sample + 1, Int64(samples - sample - 1), &maximum, &sum, &positives)
                (sum, positives) = (sum * Double(views), positives * Int64(views))
                let own = row[sample]
                sound &= own >= 0 && own.isFinite ? 1 : 0
                if views > 1 && own > 0 {
                    maximum = max(maximum, own)
                    sum += Double(own) * Double(views - 1)
                    positives += Int64(views - 1)
                }
                maskScale[sample] = maximum > 0 ? 1 / Double(maximum) : 0
                for anchor in (sample * perSample)..<((sample + 1) * perSample) {
                    totals[anchor] = sound == 0 ? .nan : sum * maskScale[sample]
                    negatives[anchor] = layout.contrasts - 1 - Int(positives)
                }
            }
        }
        if let sample = (0..<samples).first(where: { totals[$0 * perSample].isNaN }) {
            let row = mask + sample * samples
            let column = (0..<samples).first { !(row[$0] >= 0 && row[$0].isFinite) } ?? 0
            throw SupConError(
                .argument,
                """
                mask[\(sample)][\(column)] is \(row[column]); expected a finite weight of 0 \
                or more
                """
            )
        }
    }
}
