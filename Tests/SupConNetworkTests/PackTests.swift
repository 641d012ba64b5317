import CKernels
import SupConTensor
import Testing

/// Compares packed weights, element by element, with the place that their order gives them, on CPUs
/// that have AVX512-BF16.
@Suite(.enabled(if: sc_has_bf16_pairs() != 0)) struct PackTests {
    struct Case: Sendable {
        var (outputs, inputs, taps, lanes, rows): (Int, Int, Int, Int, Int)
        var pairsOfOutputs: Bool

        /// The numbers of lanes and pairs, with those that fill the last block of lanes.
        var lanesInAll: Int {
            ((pairsOfOutputs ? inputs : outputs) + lanes - 1) / lanes * lanes
        }
        var pairs: Int { (pairsOfOutputs ? outputs : inputs) / 2 }

        /// The order in which blocks of lanes follow each other, then taps, then blocks of rows.
        var order: sc_order {
            let block = 2 * lanes * rows
            return sc_order(
                outputs: Int64(outputs), inputs: Int64(inputs), taps: Int64(taps),
                lanes: Int64(lanes), rows: Int64(rows),
                lane_stride: Int64(2 * lanes * pairs * taps), row_stride: Int64(block),
                tap_stride: Int64(2 * lanes * pairs), pairs_of_outputs: pairsOfOutputs ? 1 : 0)
        }

        /// Returns the place of a lane's number of a pair, 0 or 1, and a tap.
        func place(lane: Int, pair: Int, number: Int, tap: Int) -> Int {
            let (block, inBlock) = lane.quotientAndRemainder(dividingBy: lanes)
            return ((block * taps + tap) * pairs + pair) * lanes * 2 + inBlock * 2 + number
        }
    }

    static let cases = [48, 64, 16].flatMap { lanes in
        [1, 8, 16].flatMap { rows in
            [1, 9].flatMap { taps in
                [false, true].map {
                    Case(
                        outputs: 96, inputs: 160, taps: taps, lanes: lanes, rows: rows,
                        pairsOfOutputs: $0)
                }
            }
        }
    }

    @Test(arguments: cases, [1, 2, 5]) func putsEachWeightInItsPlace(_ it: Case, parts: Int) throws
    {
        var random = Philox(seed: 1, purpose: .test)
        let weights = (0..<(it.outputs * it.inputs * it.taps)).map { _ in random.normal() }
        let count = it.lanesInAll * it.pairs * 2 * it.taps
        let packed = try GuardedBuffer(byteCount: count * 2)
        packed.poison()
        let found = packed.pointer.assumingMemoryBound(to: UInt16.self)
        var order = it.order
        for part in 0..<parts { sc_pack(&order, weights, found, Int32(part), Int32(parts)) }
        #expect(packed.isIntact)
        var wrong = 0
        for lane in 0..<it.lanesInAll {
            for pair in 0..<it.pairs {
                for number in 0..<2 {
                    let (o, i) =
                        it.pairsOfOutputs ? (2 * pair + number, lane) : (lane, 2 * pair + number)
                    for tap in 0..<it.taps {
                        let isThere = o < it.outputs && i < it.inputs
                        let weight = isThere ? weights[(o * it.inputs + i) * it.taps + tap] : 0
                        let place = it.place(lane: lane, pair: pair, number: number, tap: tap)
                        if found[place] != roundedToBF16(weight) { wrong += 1 }
                    }
                }
            }
        }
        #expect(wrong == 0, "\(wrong) of \(count)")
    }

    /// Rounds to the nearest number with 8 significant bits, to an even one of two.
    private func roundedToBF16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        return UInt16(truncatingIfNeeded: (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
    }
}
