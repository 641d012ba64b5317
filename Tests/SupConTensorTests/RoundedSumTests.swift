import SupConTensor
import TestSupport
import Testing

/// Sums of numbers that travel in bf16.
@Suite struct RoundedSumTests {
    /// Returns numbers of many magnitudes and both signs.
    static func values(_ rank: Int, _ count: Int) -> [Float] {
        var random = Philox(seed: UInt64(rank), purpose: .test)
        return (0..<count).map { _ in
            random.uniform(-1, 1)
                * Float(sign: .plus, exponent: random.index(below: 12) - 6, significand: 1)
        }
    }

    /// Returns the nearest number of eight significant bits; of two, the even one.
    static func rounded(_ value: Float) -> Float {
        guard value.isFinite, value != 0 else { return value }
        let unit = Float(sign: .plus, exponent: value.exponent - 7, significand: 1)
        return (value / unit).rounded(.toNearestOrEven) * unit
    }

    static func sums(
        world: Int, count: Int, most: Int? = nil, onlyGathers: Bool = false,
        anyThread: Bool = false,
        _ values: @escaping (Int) -> [Float]
    ) throws -> [(sums: [Float], bytes: Int)] {
        try ThreadCollectives.run(world: world, anyThread: anyThread) { collectives in
            collectives.onlyGathers = onlyGathers
            var bytes = 0
            collectives.seconds = {
                bytes += $0
                return 0
            }
            let ranks = try Ranks(collectives)
            let memory = try RoundedSum(ranks, count: most ?? count)
            var own = values(ranks.rank)
            try own.withUnsafeMutableBufferPointer {
                guard let start = $0.baseAddress else { return }
                ranks.beginSum(start, count: count, rounded: memory)
                try ranks.finishSums()
            }
            return (own, bytes)
        }.map { try $0.get() }
    }

    /// Checks that the sums are those of rounded numbers in f32, in the order of the ranks, and
    /// rounded, and that they differ from the sums in double by at most the documented bound.
    @Test(arguments: [2, 3, 4, 5], [1, 2, 7, 1000])
    func equalsItsDefinition(world: Int, count: Int) throws {
        let all = (0..<world).map { Self.values($0, count) }
        let found = try Self.sums(world: world, count: count, most: count + 13) { all[$0] }
        let u = 1.0 / 256
        for i in 0..<count {
            let sum = all.dropFirst().reduce(Self.rounded(all[0][i])) { $0 + Self.rounded($1[i]) }
            let exact = all.reduce(0.0) { $0 + Double($1[i]) }
            let magnitude = all.reduce(0.0) { $0 + abs(Double($1[i])) }
            for rank in found {
                #expect(rank.sums[i] == Self.rounded(sum))
                let error = abs(Double(rank.sums[i]) - exact)
                #expect(error <= u * (magnitude + (1 + u) * (abs(exact) + u * magnitude)) + 1e-6)
            }
        }
    }

    /// Checks that a host without an all-to-all, and a thread of the library, give the same bytes.
    @Test(arguments: [2, 3, 4]) func sameBytesHoweverTheyTravel(world: Int) throws {
        func sums(_ onlyGathers: Bool, _ anyThread: Bool) throws -> [[Float]] {
            try Self.sums(
                world: world, count: 999, onlyGathers: onlyGathers, anyThread: anyThread
            ) { Self.values($0, 999) }.map(\.sums)
        }
        let first = try sums(false, false)
        #expect(Set(first).count == 1)
        #expect(try sums(true, false) == first)
        #expect(try sums(false, true) == first)
    }

    /// Checks that each number is sent as 2 bytes, and each sum likewise: half of the bytes of a
    /// sum in f32, which sends 4 bytes about twice.
    @Test func halvesTheBytes() throws {
        let (world, count) = (4, 1000)
        for rank in try Self.sums(world: world, count: count, { Self.values($0, count) }) {
            #expect(rank.bytes == 2 * count + 2 * count / world)
        }
    }

    /// Checks that a number that is not finite at one rank makes the sum so at all ranks.
    @Test func keepsWhatIsNotFinite() throws {
        let found = try Self.sums(world: 3, count: 3) { rank in
            rank == 1 ? [.nan, .infinity, 1] : [1, 2, 3]
        }
        for rank in found {
            #expect(rank.sums[0].isNaN && rank.sums[1] == .infinity && rank.sums[2] == 7)
        }
    }
}
