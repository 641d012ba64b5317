import SupConNetwork
import SupConTensor
import Synchronization

/// Inference plans that wait for their next use. A plan is taken by one caller, who has it alone
/// until it comes back; plans whose weights are of yesterday are refreshed when they are taken.
final class PlanPool: Sendable {
    /// Idle plans that are kept, at most; the ones not used for longest go first.
    static let mostPlans = 16
    static let mostBytes = 2 << 30

    /// A plan is used by one thread at a time, and the pool sees to that.
    private struct Entry: @unchecked Sendable {
        var plan: InferencePlan
        var images: Int
        var weights: Int
        var generation: Int
    }
    private struct State {
        /// The last used is the last.
        var idle: [Entry] = []
        /// Of the parameters' numbers.
        var weights = 0
        /// Of the network and of requests to be forgotten.
        var generation = 0
    }
    private let state = Mutex(State())

    /// Lets `body` run a plan for `images` images, an idle one or a new one by `make`. Errors:
    /// those of `make` and `body`.
    func withPlan<R>(
        images: Int, make: () throws(SupConError) -> InferencePlan,
        _ body: (InferencePlan) throws(SupConError) -> R
    ) throws(SupConError) -> R {
        let (idle, weights, generation) = state.withLock { state -> (Entry?, Int, Int) in
            let place = state.idle.lastIndex { $0.images == images }
            return (place.map { state.idle.remove(at: $0) }, state.weights, state.generation)
        }
        let taken: Entry
        if var entry = idle {
            if entry.weights != weights { entry.plan.reloadWeights() }
            entry.weights = weights
            taken = entry
        } else {
            taken = Entry(
                plan: try make(), images: images, weights: weights, generation: generation)
        }
        defer { giveBack(taken) }
        return try body(taken.plan)
    }

    private func giveBack(_ entry: Entry) {
        // What falls out is freed after the lock is open.
        let dropped = state.withLock { state -> [Entry] in
            guard entry.generation == state.generation else { return [entry] }
            state.idle.append(entry)
            var dropped: [Entry] = []
            while state.idle.count > Self.mostPlans
                || (state.idle.count > 1
                    && state.idle.reduce(0) { $0 + $1.plan.memoryByteCount } > Self.mostBytes)
            {
                dropped.append(state.idle.removeFirst())
            }
            return dropped
        }
        _ = consume dropped
    }

    /// The network's parameters have other numbers now.
    func weightsChanged() { state.withLock { $0.weights += 1 } }

    /// Forgets all plans, those in use too when they come back.
    func removeAll() {
        let dropped = state.withLock { state -> [Entry] in
            defer { state.idle = [] }
            state.generation += 1
            return state.idle
        }
        _ = consume dropped
    }

    /// Idle plans, by their number of images: for tests.
    var idleSizes: [Int] { state.withLock { $0.idle.map(\.images) } }
}
