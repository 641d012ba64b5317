import SupConTensor
import SupConVision

/// A phased step is the step of a run of several phases. It is planned again where a phase ends,
/// and keeps all state. Two plans are never in memory at once.
final class PhasedStep {
    private let make: (TrainingPhase) throws(SupConError) -> any TrainingStep
    private var phase: TrainingPhase
    /// The current plan; nil while one is replaced by the next, and if the next could not be made.
    private var planned: (any TrainingStep)?
    /// The largest memory size, in bytes, of the step of any phase.
    let memoryByteCount: Int
    /// The chunks in which a batch comes from the loader.
    let chunks: Loader.Chunks
    /// The loss of random guessing.
    let chance: Double

    /// Begins with the first phase. Plans each phase once, so that a phase that cannot be planned
    /// is an error now. Errors: those of `make`.
    init(
        phases: [TrainingPhase],
        _ make: @escaping (TrainingPhase) throws(SupConError) -> any TrainingStep
    ) throws(SupConError) {
        var bytes = 0
        for later in phases.dropFirst() { bytes = max(bytes, try make(later).memoryByteCount) }
        let step = try make(phases[0])
        (self.make, phase, chunks, chance) = (make, phases[0], step.chunks, step.chance)
        (planned, memoryByteCount) = (step, max(bytes, step.memoryByteCount))
    }

    /// The state that a checkpoint keeps beside the parameters.
    var state: [StateBuffer] { planned.map { $0.optimizer.state + $0.state } ?? [] }
    /// The pass that has a feature cache; nil: there is none.
    var cachingPass: EncoderPass? {
        planned?.encoderPass.flatMap { $0.cache == nil ? nil : $0 }
    }
    func sources(step: Int) -> [Int] { planned?.sources(step: step) ?? [] }
    var embeddings: Embeddings? { planned?.embeddings }
    var spread: Double { planned?.spread ?? 1 }

    /// Prepares the first step, of the phase `first`. `resumed` tells that the parameters and
    /// `state` come from a checkpoint; `isNew`, that the parameters differ from those at
    /// initialization. Errors: memory, unsupported.
    func begin(_ first: TrainingPhase, resumed: Bool, isNew: Bool) throws(SupConError) {
        // An int8 convolution is made with the quantization steps of its weights.
        if first != phase || (isNew && first.quantization != nil) { try plan(first) }
        planned?.begin(resumed: resumed)
    }

    /// Plans the step again if the phase has changed. Errors: memory, unsupported.
    func enter(_ next: TrainingPhase) throws(SupConError) {
        guard next != phase else { return }
        try plan(next)
        planned?.begin(resumed: true)
    }

    private func plan(_ next: TrainingPhase) throws(SupConError) {
        let former = state
        let kept = try AlignedBuffer(Float.self, count: former.reduce(0) { $0 + $1.count })
        var offset = 0
        for buffer in former {
            (kept.floats + offset).update(from: buffer.values, count: buffer.count)
            offset += buffer.count
        }
        planned = nil
        let step = try make(next)
        offset = 0
        for buffer in step.optimizer.state + step.state {
            buffer.values.update(from: kept.floats + offset, count: buffer.count)
            offset += buffer.count
        }
        (planned, phase) = (step, next)
    }

    /// Runs the planned step, as `TrainingStep.run` does. Errors: those of the loader, argument,
    /// memory, io, internal.
    func run(
        step: Int, rate: Double, samples: [Int], next: () throws(SupConError) -> StepBatch
    ) throws(SupConError) -> StepOutcome {
        guard let planned else { throw SupConError(.internal, "no step is planned") }
        return try planned.run(step: step, rate: rate, samples: samples, next: next)
    }
}
