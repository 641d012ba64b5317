import SupConModel
import SupConTensor

/// The start of a run is the model's parameters or a checkpoint. Every rank starts from rank 0's.
struct RunStart {
    var progress: Checkpoint
    var isResumed = false
    /// The parameters with the best validation accuracy so far; nil unless they are to be restored.
    var best: Model.Snapshot?

    /// Initializes the plan's average, and reads the checkpoint if there is one to resume from.
    /// Errors: io, format, memory, state (of another run).
    init(_ plan: RunPlan) throws(SupConError) {
        progress = Checkpoint(run: plan.runDescription)
        plan.average?.begin()
        self = try plan.ranks.together { [self] () throws(SupConError) in
            var start = self
            try start.resume(plan)
            return start
        }
        try send(plan)
    }

    private mutating func resume(_ plan: RunPlan) throws(SupConError) {
        guard let found = try plan.findCheckpoint(), let folder = plan.folder else { return }
        progress = try found.read(into: plan.network.parameters, plan.state)
        if plan.options.restoresBest, progress.bestAccuracy >= 0 {
            best = try folder.readBest(plan.model)
        }
        isResumed = true
        Log.write(.info, "goes on after epoch \(progress.epoch) of \(folder.last)")
    }

    /// Sends rank 0's progress, parameters and state to the other ranks. Errors: io, memory.
    private mutating func send(_ plan: RunPlan) throws(SupConError) {
        let ranks = plan.ranks
        guard !ranks.isAlone else { return }
        let (_, reports) = try ranks.together({ self }) {
            [
                Double($0.progress.epoch), $0.progress.bestAccuracy,
                Double($0.progress.validationsWithoutGain), $0.isResumed ? 1 : 0,
                $0.best == nil ? 0 : 1, $0.progress.rateFactor,
            ]
        }
        let first = reports[0]
        progress.epoch = try ranks.whole(first[0], in: 0...1 << 31)
        progress.bestAccuracy = first[1]
        progress.validationsWithoutGain = try ranks.whole(first[2], in: 0...1 << 31)
        isResumed = first[3] == 1
        progress.rateFactor = first[5]
        let parameters = plan.network.parameters
        try ranks.broadcast(parameters.values, byteCount: parameters.count * 4)
        for buffer in plan.state {
            try ranks.broadcast(buffer.values, byteCount: buffer.count * 4)
        }
        guard first[4] == 1 else { return }
        let snapshot = try ranks.together { () throws(SupConError) in
            if let best { best } else { try plan.model.snapshot() }
        }
        try ranks.broadcast(snapshot.values.pointer, byteCount: parameters.count * 4)
        best = snapshot
    }
}
