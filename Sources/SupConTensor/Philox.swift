/// Philox is a counter-based random number generator: Philox-4×32-10 of Salmon et al., "Parallel
/// random numbers: as easy as 1, 2, 3" (SC'11).
///
/// A stream is identified by its use (seed, purpose, epoch, sample, view). It gives the same
/// numbers on any thread and in any order, so that an augmentation does not depend on the number of
/// threads, and a resumed run continues bit for bit. Streams of different identities are
/// independent.
package struct Philox: RandomNumberGenerator, Sendable {
    /// The purpose of the numbers, which separates streams with equal indices.
    package enum Purpose: UInt32, Sendable {
        case initialWeights = 1, shuffle, augmentation, split, sampler, test, positives, mix,
            corruption = 32, replacement, imageSize, search
    }

    let key: SIMD2<UInt32>
    private(set) var counter: SIMD4<UInt32>
    private var block = SIMD4<UInt32>()
    private var used = 4

    /// Makes the stream of a purpose, further identified by three indices: `epoch` and `sample` are
    /// below 2³², `view` is below 2⁸.
    package init(seed: UInt64, purpose: Purpose, epoch: Int = 0, sample: Int = 0, view: Int = 0) {
        key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        counter = SIMD4(
            0, UInt32(truncatingIfNeeded: epoch), UInt32(truncatingIfNeeded: sample),
            purpose.rawValue << 24 ^ UInt32(truncatingIfNeeded: view) ^ UInt32(
                truncatingIfNeeded: sample >> 32) << 8)
    }

    /// Computes one block of the generator, for tests against the published vectors.
    package static func block(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var c = counter
        var k = key
        for round in 0..<10 {
            if round > 0 { k &+= SIMD2(0x9E37_79B9, 0xBB67_AE85) }
            let a = UInt64(0xD251_1F53) &* UInt64(c[0])
            let b = UInt64(0xCD9E_8D57) &* UInt64(c[2])
            c = SIMD4(
                UInt32(truncatingIfNeeded: b >> 32) ^ c[1] ^ k[0], UInt32(truncatingIfNeeded: b),
                UInt32(truncatingIfNeeded: a >> 32) ^ c[3] ^ k[1], UInt32(truncatingIfNeeded: a))
        }
        return c
    }

    package mutating func next32() -> UInt32 {
        if used == 4 {
            block = Self.block(counter: counter, key: key)
            counter[0] &+= 1
            used = 0
        }
        defer { used += 1 }
        return block[used]
    }

    package mutating func next() -> UInt64 { UInt64(next32()) | UInt64(next32()) << 32 }

    /// Draws a number uniform in [0, 1), with 24 bits.
    package mutating func uniform() -> Float { Float(next32() >> 8) * 0x1p-24 }

    /// Draws a number uniform in [low, high).
    package mutating func uniform(_ low: Float, _ high: Float) -> Float {
        low + (high - low) * uniform()
    }

    /// Draws an integer uniform in 0..<bound, with negligible bias (64 bits against the bound).
    package mutating func index(below bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }
}
