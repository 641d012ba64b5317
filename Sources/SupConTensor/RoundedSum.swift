import CKernels

/// A rounded sum adds up the elements of all ranks, which are exchanged in bf16, in half of the
/// bytes: every rank's are rounded, added in f32 in the order of the ranks, and the sum is rounded.
///
/// Each rank adds up one slice: it receives that slice from all others (all to all) and sends them
/// its sum (gather). All ranks get the same bytes, however the host sums. With u = 2⁻⁸, the
/// rounding unit of bf16, the error of a sum S of terms gᵣ is at most u Σ|gᵣ| + u |S| (1 + u),
/// besides f32's rounding.
package final class RoundedSum: @unchecked Sendable {
    private let world: Int
    private let rank: Int
    /// The most elements of a slice.
    private let slice: Int
    /// The slices of all ranks [world, slice], in bf16.
    private let sent, received: AlignedBuffer
    /// The slice of this rank [slice], in bf16 and f32.
    private let own, sum, term: AlignedBuffer

    /// Allocates the memory for sums of up to `count` elements. Errors: memory.
    package init(_ ranks: Ranks, count: Int) throws(SupConError) {
        (world, rank) = (ranks.world, ranks.rank)
        slice = (count + world - 1) / world
        sent = try AlignedBuffer(UInt16.self, count: world * slice)
        received = try AlignedBuffer(UInt16.self, count: world * slice)
        own = try AlignedBuffer(UInt16.self, count: slice)
        sum = try AlignedBuffer(Float.self, count: slice)
        term = try AlignedBuffer(Float.self, count: slice)
    }

    package var byteCount: Int {
        sent.byteCount + received.byteCount + own.byteCount + sum.byteCount + term.byteCount
    }

    /// Replaces `values` [count] by their sums. Errors: io.
    func run(
        _ values: UnsafeMutablePointer<Float>, count: Int, over collectives: any Collectives
    ) throws(SupConError) {
        let each = (count + world - 1) / world
        let (sent, received) = (sent.values(of: UInt16.self), received.values(of: UInt16.self))
        let (own, sum, term) = (own.values(of: UInt16.self), sum.floats, term.floats)
        sc_f32_to_bf16(values, sent, Int64(count))
        // The last slice may be shorter than the others.
        (sent + count).update(repeating: 0, count: world * each - count)
        try collectives.allToAll(sent, byteCount: 2 * each, into: received)
        sc_bf16_to_f32(received, sum, Int64(each))
        for other in 1..<world {
            sc_bf16_to_f32(received + other * each, term, Int64(each))
            sc_accumulate(sum, term, 1, Int64(each))
        }
        sc_f32_to_bf16(sum, own, Int64(each))
        try collectives.allGather(own, byteCount: 2 * each, into: received)
        sc_bf16_to_f32(received, values, Int64(count))
    }
}
