/// Collectives are the operations by which the processes of a run, its ranks, exchange data: those
/// of MPI or gloo, or the host's own.
///
/// All ranks call the same operations with the same sizes in the same order, one at a time, each on
/// the thread that makes or runs its trainer, or on one of the library's if `allowsAnyThread`. An
/// operation returns when this rank's part of it is done. It must give all ranks the same bytes,
/// and the same bytes each time it is repeated. If a rank does not arrive, it throws within a
/// deadline of its own; no operation is called after that.
public protocol Collectives: AnyObject {
    /// The index of this process, from 0.
    var rank: Int { get }
    /// The number of processes, 1 or more.
    var world: Int { get }
    /// Whether operations may be called on a thread of the library, still one at a time: gradients
    /// are then summed while the backward pass goes on. False unless a type says otherwise.
    var allowsAnyThread: Bool { get }

    /// Replaces `values` [count] by their sums over the ranks. Errors: io.
    func allReduceSum(_ values: UnsafeMutablePointer<Float>, count: Int) throws(SupConError)

    /// Writes the `byteCount` bytes of every rank, in the order of the ranks, to `gathered` [world
    /// × byteCount], which does not overlap `bytes`. Errors: io.
    func allGather(
        _ bytes: UnsafeRawPointer, byteCount: Int, into gathered: UnsafeMutableRawPointer
    ) throws(SupConError)

    /// Sends every rank its `byteCount` bytes of `bytes` [world × byteCount], and writes those that
    /// the ranks send to this one, in their order, to `received` [world × byteCount], which does
    /// not overlap `bytes`. By default it gathers all bytes at every rank, which takes as many
    /// times the bytes as there are ranks, and allocates memory for them. Errors: io.
    func allToAll(
        _ bytes: UnsafeRawPointer, byteCount: Int, into received: UnsafeMutableRawPointer
    ) throws(SupConError)

    /// Replaces `bytes` [byteCount] by those of rank `root`. Errors: io.
    func broadcast(_ bytes: UnsafeMutableRawPointer, byteCount: Int, root: Int) throws(SupConError)

    /// Waits until all ranks have called it. Errors: io.
    func barrier() throws(SupConError)
}

extension Collectives {
    public var allowsAnyThread: Bool { false }

    public func allToAll(
        _ bytes: UnsafeRawPointer, byteCount: Int, into received: UnsafeMutableRawPointer
    ) throws(SupConError) {
        var scratch: AlignedBuffer?
        try allToAllByGathering(bytes, byteCount: byteCount, into: received, through: &scratch)
    }

    /// Tells the other ranks, which make a trainer, that this one cannot: theirs end with `error`
    /// and a sentence that names this rank. For what fails between the collectives and the trainer;
    /// nothing else is called after it. Errors: argument (rank, world), memory, io.
    public func fail(_ error: SupConError) throws(SupConError) {
        let ranks = try Ranks(self, sumsInBackground: false)
        try ranks.barrier()
        _ = ranks.fail(error)
        try ranks.check()
    }

    /// Sends and receives as `allToAll` does, by gathering, through a buffer of world × byteCount
    /// bytes, which `scratch` keeps for the next call. Errors: io, memory.
    package func allToAllByGathering(
        _ bytes: UnsafeRawPointer, byteCount: Int, into received: UnsafeMutableRawPointer,
        through scratch: inout AlignedBuffer?
    ) throws(SupConError) {
        let gathered: AlignedBuffer
        if let scratch, scratch.byteCount >= world * byteCount {
            gathered = scratch
        } else {
            gathered = try AlignedBuffer(byteCount: world * byteCount)
            scratch = gathered
        }
        for target in 0..<world {
            try allGather(
                bytes + target * byteCount, byteCount: byteCount,
                into: target == rank ? received : gathered.pointer)
        }
    }
}
