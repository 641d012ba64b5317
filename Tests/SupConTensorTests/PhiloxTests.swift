import SupConTensor
import Testing

@Suite struct PhiloxTests {
    /// The known answers published with Random123 (kat_vectors, philox4x32 10).
    @Test func agreesWithPublishedVectors() {
        #expect(Philox.block(counter: SIMD4(repeating: 0), key: SIMD2(repeating: 0)) == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
        #expect(Philox.block(counter: SIMD4(repeating: ~0), key: SIMD2(repeating: ~0)) == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
        #expect(
            Philox.block(counter: SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), key: SIMD2(0xa409_3822, 0x299f_31d0))
                == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
    }

    @Test func streamsOfDifferentNamesDiffer() {
        var seen = Set<UInt64>()
        for epoch in 0..<4 { for sample in 0..<16 { for view in 0..<4 {
            var stream = Philox(seed: 7, purpose: .test, epoch: epoch, sample: sample, view: view)
            seen.insert(stream.next())
        } } }
        #expect(seen.count == 4 * 16 * 4)
    }

    @Test func uniformAndNormalHaveTheirMoments() {
        var stream = Philox(seed: 1, purpose: .test)
        let n = 200_000
        let u = (0..<n).map { _ in Double(stream.uniform()) }
        #expect(abs(u.reduce(0, +) / Double(n) - 0.5) < 0.003 && u.allSatisfy { (0..<1).contains($0) })
        let z = (0..<n).map { _ in Double(stream.normal()) }
        #expect(abs(z.reduce(0, +) / Double(n)) < 0.01 && abs(z.reduce(0) { $0 + $1 * $1 } / Double(n) - 1) < 0.02)
    }

    @Test func permutationHoldsEachIndexOnce() {
        var stream = Philox(seed: 3, purpose: .test)
        let order = stream.permutation(1000)
        #expect(order.sorted() == Array(0..<1000) && order != Array(0..<1000))
    }
}
