import CKernels
import SupConTensor
import Testing

/// Compares packed weights, element by element, with the place that their order gives them, on CPUs
/// that have AVX512-BF16.
@Suite(.enabled(if: sc_has_bf16_pairs() != 0)) struct PackTests {
    struct Case: Sendable {
        var (outputs, inputs, taps, lanes, rows): (Int, Int, Int, Int, Int)
        var lanesOfInputs: Bool
        var pairs: Bool

        /// The number of lanes with those that fill the last row.
        var laneCount: Int { ((lanesOfInputs ? inputs : outputs) + lanes - 1) / lanes * lanes }
        /// The numbers that stand together, and how many of these a lane has.
        var width: Int { pairs ? 2 : 1 }
        var rowCount: Int { (lanesOfInputs ? outputs : inputs) / width }

        /// The order in which rows of lanes follow each other, then taps, then blocks of rows.
        var order: sc_order {
            sc_order(
                outputs: Int64(outputs), inputs: Int64(inputs), taps: Int64(taps),
                lanes: Int64(lanes), rows: Int64(rows),
                lane_stride: Int64(lanes * rowCount * taps), row_stride: Int64(lanes * rows),
                tap_stride: Int64(lanes * rowCount), lanes_of_inputs: lanesOfInputs ? 1 : 0,
                pairs: pairs ? 1 : 0)
        }

        /// Returns the place of a number, 0 or 1, of a lane in a row, and a tap.
        func place(lane: Int, row: Int, number: Int, tap: Int) -> Int {
            let (block, inBlock) = lane.quotientAndRemainder(dividingBy: lanes)
            return (((block * taps + tap) * rowCount + row) * lanes + inBlock) * width + number
        }
    }

    static let cases = [48, 64, 16].flatMap { lanes in
        [1, 8, 16].flatMap { rows in
            [(1, true), (9, true), (1, false), (9, false)].flatMap { taps, pairs in
                [false, true].map {
                    Case(
                        outputs: 96, inputs: 160, taps: taps, lanes: lanes, rows: rows,
                        lanesOfInputs: $0, pairs: pairs)
                }
            }
        }
    }.filter { $0.pairs || $0.rows != 8 }

    @Test(arguments: cases, [1, 2, 5]) func putsEachWeightInItsPlace(_ it: Case, parts: Int) throws
    {
        var random = Philox(seed: 1, purpose: .test)
        let weights = (0..<(it.outputs * it.inputs * it.taps)).map { _ in random.normal() }
        let count = it.laneCount * it.rowCount * it.width * it.taps
        let packed = try GuardedBuffer(byteCount: count * (it.pairs ? 2 : 4))
        packed.poison()
        var order = it.order
        for part in 0..<parts {
            sc_pack(&order, weights, packed.pointer, Int32(part), Int32(parts))
        }
        #expect(packed.isIntact)
        let halves = packed.pointer.assumingMemoryBound(to: UInt16.self)
        let floats = packed.pointer.assumingMemoryBound(to: Float.self)
        var wrong = 0
        for lane in 0..<it.laneCount {
            for row in 0..<it.rowCount {
                for number in 0..<it.width {
                    let channel = it.width * row + number
                    let (o, i) = it.lanesOfInputs ? (channel, lane) : (lane, channel)
                    for tap in 0..<it.taps {
                        let isThere = o < it.outputs && i < it.inputs
                        let weight = isThere ? weights[(o * it.inputs + i) * it.taps + tap] : 0
                        let place = it.place(lane: lane, row: row, number: number, tap: tap)
                        let isRight =
                            it.pairs
                            ? halves[place] == roundedToBF16(weight) : floats[place] == weight
                        if !isRight { wrong += 1 }
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
