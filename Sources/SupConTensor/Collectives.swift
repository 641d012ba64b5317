/// Collectives are the operations by which the processes of a run, its ranks, exchange data: those
/// of MPI or gloo, or the host's own.
///
/// All ranks call the same operations with the same sizes in the same order, one at a time, each on
/// the thread that makes or runs its trainer. An operation returns when this rank's part of it is
/// done. It must give all ranks the same bytes, and the same bytes each time it is repeated. If a
/// rank does not arrive, it throws within a deadline of its own; no operation is called after that.
public protocol Collectives: AnyObject {
    /// The index of this process, from 0.
    var rank: Int { get }
    /// The number of processes, 1 or more.
    var world: Int { get }

    /// Replaces `values` [count] by their sums over the ranks. Errors: io.
    func allReduceSum(_ values: UnsafeMutablePointer<Float>, count: Int) throws(SupConError)

    /// Writes the `byteCount` bytes of every rank, in the order of the ranks, to `gathered` [world
    /// × byteCount], which does not overlap `bytes`. Errors: io.
    func allGather(
        _ bytes: UnsafeRawPointer, byteCount: Int, into gathered: UnsafeMutableRawPointer
    ) throws(SupConError)

    /// Replaces `bytes` [byteCount] by those of rank `root`. Errors: io.
    func broadcast(_ bytes: UnsafeMutableRawPointer, byteCount: Int, root: Int) throws(SupConError)

    /// Waits until all ranks have called it. Errors: io.
    func barrier() throws(SupConError)
}
