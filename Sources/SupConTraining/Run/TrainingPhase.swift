import SupConNetwork

/// A phase of a run holds what a step is planned for: the epochs between two changes of it.
struct TrainingPhase: Equatable {
    /// The stem and the encoder's stages up to this one are not trained; 0: none.
    var frozenStages = 0
    /// The frozen stages compute in int8; nil: in the model's precision.
    var quantization: Quantization?

    /// The frozen part of a plan for it.
    func frozen(_ options: TrainOptions) -> TrainingPlan.Frozen {
        .init(
            stages: frozenStages, normStatistics: options.freezesNorm, quantization: quantization)
    }
}

extension TrainOptions {
    /// The phase of an epoch, from 1 on. `quantization`: of the model, if it embeds in int8.
    func phase(epoch: Int, _ quantization: Quantization?) -> TrainingPhase {
        let stages = freezeStages - unfreezeEpochs.count { $0 < epoch }
        return TrainingPhase(
            frozenStages: stages, quantization: stages > 0 ? quantization : nil)
    }

    /// The epochs with which the phases of the run begin, in order.
    var phaseStarts: [Int] { [1] + unfreezeEpochs.filter { $0 < epochs }.map { $0 + 1 } }
}
