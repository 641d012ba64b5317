import CKernels
import SupConTensor

/// The weights w of all pairs, in O(samples) memory: a class for every view, or the caller's mask with what its rows sum to.
struct PairWeights {
    let samples: Int
    let views: Int
    /// A view's class, named by the first sample that has it; [samples·views]. Used unless there is a mask.
    let classes: Room<Int32>
    /// 1 / the mask row's maximum; [samples].
    let maskScale: Room<Double>
    /// Sum of the (scaled) weights of a view's positives, and how many negatives it has; [samples].
    let totals: Room<Double>
    let negatives: Room<Int>
    private(set) var mask: UnsafePointer<Float>?

    private let members: Room<Int32>
    private let table: Room<Int32>
    private let tableBits: Int

    /// Errors: memory.
    init(samples: Int, views: Int) throws(SupConError) {
        (self.samples, self.views) = (samples, views)
        classes = try Room(samples * views)
        maskScale = try Room(samples)
        totals = try Room(samples)
        negatives = try Room(samples)
        members = try Room(samples)
        tableBits = Int.bitWidth - samples.leadingZeroBitCount + 1
        table = try Room(1 << tableBits)
    }

    static func byteCount(samples: Int, views: Int) -> Int { samples * views * 4 + samples * (8 * 3 + 4 + 16) }

    /// Errors: argument (of the mask).
    mutating func prepare(_ positives: Positives, threads: Int) throws(SupConError) {
        switch positives {
        case .views:
            mask = nil
            count { Int32(truncatingIfNeeded: $0) }
        case .labels(let labels):
            mask = nil
            table.start.update(repeating: -1, count: 1 << tableBits)
            let (table, shift, last) = (table.start, UInt64(64 - tableBits), (1 << tableBits) - 1)
            count { sample in
                // Open addressing in a table at most half full; Fibonacci hashing.
                var place = Int(truncatingIfNeeded: (UInt64(bitPattern: labels[sample]) &* 0x9E37_79B9_7F4A_7C15) >> shift)
                while table[place] >= 0 && labels[Int(table[place])] != labels[sample] { place = (place + 1) & last }
                if table[place] < 0 { table[place] = Int32(truncatingIfNeeded: sample) }
                return table[place]
            }
        case .mask(let mask):
            try measure(mask, threads: threads)
            self.mask = mask
        }
    }

    /// Gives every view the class that `classOf` says, and counts.
    private func count(_ classOf: (Int) -> Int32) {
        let (classes, members, totals, negatives) = (classes.start, members.start, totals.start, negatives.start)
        members.update(repeating: 0, count: samples)
        for sample in 0..<samples {
            let own = classOf(sample)
            for view in 0..<views { classes[sample * views + view] = own }
            members[Int(own)] += 1
        }
        for sample in 0..<samples {
            let positives = Int(members[Int(classes[sample * views])]) * views - 1
            totals[sample] = Double(positives)
            negatives[sample] = samples * views - 1 - positives
        }
    }

    /// What the rows of the mask hold, the entry of the sample itself apart: it weighs one view fewer.
    private func measure(_ mask: UnsafePointer<Float>, threads: Int) throws(SupConError) {
        let (samples, views, totals, negatives, maskScale) = (self.samples, self.views, totals.start, negatives.start, maskScale.start)
        Parallel.ranges(samples, grain: max(65536 / samples, 1), threads: threads) { range in
            for sample in range {
                let row = mask + sample * samples
                var (maximum, sum, positives): (Float, Double, Int64) = (0, 0, 0)
                var sound = sc_mask_part(row, Int64(sample), &maximum, &sum, &positives) & sc_mask_part(row + sample + 1, Int64(samples - sample - 1), &maximum, &sum, &positives)
                (sum, positives) = (sum * Double(views), positives * Int64(views))
                let own = row[sample]
                sound &= own >= 0 && own.isFinite ? 1 : 0
                if views > 1 && own > 0 {
                    maximum = max(maximum, own)
                    sum += Double(own) * Double(views - 1)
                    positives += Int64(views - 1)
                }
                maskScale[sample] = maximum > 0 ? 1 / Double(maximum) : 0
                totals[sample] = sound == 0 ? .nan : sum * maskScale[sample]
                negatives[sample] = samples * views - 1 - Int(positives)
            }
        }
        if let sample = (0..<samples).first(where: { totals[$0].isNaN }) {
            let row = mask + sample * samples
            let column = (0..<samples).first { !(row[$0] >= 0 && row[$0].isFinite) } ?? 0
            throw SupConError(.argument, "mask[\(sample)][\(column)] is \(row[column]); expected a finite weight of 0 or more")
        }
    }
}
