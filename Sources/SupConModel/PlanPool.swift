import SupConNetwork
import SupConTensor
import Synchronization

/// A plan pool keeps inference plans for their next use. A plan is taken by one caller at a time;
/// plans whose weights are out of date are refreshed when they are taken.
final class PlanPool: Sendable {
    /// The largest number of idle plans; the least recently used ones go first.
    static let mostPlans = 16
    static let mostBytes = 2 << 30

    /// An entry of the pool, which ensures that a plan is used by one thread at a time.
    private struct Entry: @unchecked Sendable {
        var plan: InferencePlan
        var images: Int
        var weights: Int
        var generation: Int
    }
    private struct State {
        /// The idle plans, the most recently used one last.
        var idle: [Entry] = []
        /// The version of the parameters' values.
        var weights = 0
        /// The generation, which counts networks, and requests to forget all plans.
        var generation = 0
    }
    private let state = Mutex(State())

    /// Runs `body` with a plan for `images` images, an idle one or a new one from `make`. Errors:
    /// those of `make` and `body`.
    func withPlan<R>(
        images: Int, make: () throws(SupConError) -> InferencePlan,
        _ body: (InferencePlan) throws(SupConError) -> R
    ) throws(SupConError) -> R {
        let (idle, weights, generation) = state.withLock { state -> (Entry?, Int, Int) in
            let index = state.idle.lastIndex { $0.images == images }
            return (index.map { state.idle.remove(at: $0) }, state.weights, state.generation)
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
        // Removed plans are freed after the lock is released.
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

    /// Notes that the values of the network's parameters have changed.
    func weightsChanged() { state.withLock { $0.weights += 1 } }

    /// Forgets all plans; those in use are forgotten when they are returned.
    func removeAll() {
        let dropped = state.withLock { state -> [Entry] in
            defer { state.idle = [] }
            state.generation += 1
            return state.idle
        }
        _ = consume dropped
    }

    /// The numbers of images of the idle plans, for tests.
    var idleSizes: [Int] { state.withLock { $0.idle.map(\.images) } }
}
