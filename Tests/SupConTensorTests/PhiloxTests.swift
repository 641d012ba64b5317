import Foundation
import SupConTensor
import Testing

@Suite struct PhiloxTests {
    /// Compares with the known answers published with Random123 (kat_vectors, philox4x32 10).
    @Test func agreesWithPublishedVectors() {
        #expect(
            Philox.block(counter: SIMD4(repeating: 0), key: SIMD2(repeating: 0))
                == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
        #expect(
            Philox.block(counter: SIMD4(repeating: ~0), key: SIMD2(repeating: ~0))
                == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
        #expect(
            Philox.block(
                counter: SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
                key: SIMD2(0xa409_3822, 0x299f_31d0))
                == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
    }

    @Test func streamsOfDifferentNamesDiffer() {
        var seen = Set<UInt64>()
        for epoch in 0..<4 {
            for sample in 0..<16 {
                for view in 0..<4 {
                    var stream = Philox(
                        seed: 7, purpose: .test, epoch: epoch, sample: sample, view: view)
                    seen.insert(stream.next())
                }
            }
        }
        #expect(seen.count == 4 * 16 * 4)
    }

    @Test func uniformAndNormalHaveTheirMoments() {
        var stream = Philox(seed: 1, purpose: .test)
        let n = 200_000
        let u = (0..<n).map { _ in Double(stream.uniform()) }
        #expect(
            abs(u.reduce(0, +) / Double(n) - 0.5) < 0.003 && u.allSatisfy { (0..<1).contains($0) })
        let z = (0..<n).map { _ in Double(stream.normal()) }
        #expect(
            abs(z.reduce(0, +) / Double(n)) < 0.01
                && abs(z.reduce(0) { $0 + $1 * $1 } / Double(n) - 1) < 0.02)
    }

    @Test func permutationHoldsEachIndexOnce() {
        var stream = Philox(seed: 3, purpose: .test)
        let order = stream.permutation(1000)
        #expect(order.sorted() == Array(0..<1000) && order != Array(0..<1000))
    }
}

/// Compares many normal variates with the stream's own blocks in double precision.
@Suite struct NormalFillTests {
    @Test func isBoxAndMullerOfTheStreamsBlocks() {
        let seed: UInt64 = 0x1234_5678_9ABC_DEF0
        let (count, deviation): (Int, Float) = (1000, 0.5)
        var found = [Float](repeating: 99, count: count + 1)
        Philox(seed: seed, purpose: .test, epoch: 3, sample: 5, view: 2).fill(
            &found, count: count, deviation: deviation)
        #expect(found[count] == 99)
        var stream = Philox(seed: seed, purpose: .test, epoch: 3, sample: 5, view: 2)
        for group in 0..<(count / 64) {
            let blocks = (0..<16).map { _ in
                (stream.next32(), stream.next32(), stream.next32(), stream.next32())
            }
            for (lane, (a, b, c, d)) in blocks.enumerated() {
                for (pair, (r, angle)) in [(a, b), (c, d)].enumerated() {
                    let
                        radius =
                            Double(deviation)
                            * (-2 * log((Double(r >> 8) + 1) / 16_777_216)).squareRoot(),
                        turn = Double(angle) / 4_294_967_296 * 2 * Double.pi
                    let at = group * 64 + 32 * pair + lane
                    #expect(
                        abs(Double(found[at]) - radius * cos(turn)) < 1e-6 * max(radius, 1)
                            && abs(Double(found[at + 16]) - radius * sin(turn)) < 1e-6
                                * max(radius, 1)
                    )
                }
            }
        }
        // A shorter request is its beginning.
        var short = [Float](repeating: 0, count: 70)
        Philox(seed: seed, purpose: .test, epoch: 3, sample: 5, view: 2).fill(
            &short, count: 70, deviation: deviation)
        #expect(short == Array(found.prefix(70)))
    }

    @Test func hasTheMomentsOfTheNormalLaw() {
        let n = 400_000
        var z = [Float](repeating: 0, count: n)
        Philox(seed: 9, purpose: .test).fill(&z, count: n, deviation: 2)
        func moment(_ k: Int) -> Double {
            var sum = 0.0
            for x in z { sum += pow(Double(x) / 2, Double(k)) }
            return sum / Double(n)
        }
        #expect(
            abs(moment(1)) < 0.008 && abs(moment(2) - 1) < 0.012 && abs(moment(3)) < 0.02
                && abs(moment(4) - 3) < 0.08)
        // Neither half of a pair tells the other.
        var products = 0.0
        for group in 0..<(n / 64) {
            for lane in 0..<16 {
                products += Double(z[group * 64 + lane] * z[group * 64 + lane + 16])
            }
        }
        #expect(abs(products / Double(n / 4) / 4) < 0.02)
    }
}
