import SupConModel
import SupConNetwork

/// A phase of a run holds what a step is planned for: the epochs between two changes of it.
struct TrainingPhase: Equatable {
    /// The stem and the encoder's stages up to this one are not trained; 0: none.
    var frozenStages = 0
    /// The frozen stages compute in int8; nil: in the model's precision.
    var quantization: Quantization?
    /// The height of the views, in pixels.
    var height: Int
    /// Their width.
    var width: Int
    /// The number of images of the training set, for a feature cache.
    var samples = 0

    /// The phase of a model's own image size.
    init(_ model: Model, frozenStages: Int = 0) {
        (self.frozenStages, height, width) = (frozenStages, model.imageHeight, model.imageWidth)
    }

    /// The frozen part of a plan for it.
    func frozen(_ options: TrainOptions) -> TrainingPlan.Frozen {
        .init(
            stages: frozenStages, normStatistics: options.freezesNorm, quantization: quantization)
    }
}

/// The phases of a run.
struct TrainingPhases {
    private let options: TrainOptions
    private var model: TrainingPhase
    /// The quantization of the model before the run, if it embeds in int8.
    let quantization: Quantization?

    /// `samples`: the number of images of the training set.
    init(_ model: Model, _ options: TrainOptions, samples: Int) {
        (self.options, quantization) = (options, model.quantization)
        self.model = TrainingPhase(model)
        self.model.samples = samples
    }

    /// The phase of an epoch, from 1 on.
    func phase(epoch: Int) -> TrainingPhase {
        var phase = model
        phase.frozenStages = options.freezeStages - options.unfreezeEpochs.count { $0 < epoch }
        if phase.frozenStages > 0 { phase.quantization = quantization }
        let sizes = options.imageSizeSchedule
        if !sizes.isEmpty {
            // Each size for its part of the run.
            phase.height = sizes[(epoch - 1) * sizes.count / options.epochs]
            phase.width = max(1, (model.width * phase.height + model.height / 2) / model.height)
        }
        return phase
    }

    /// The phases of the run, each once, in order.
    var all: [TrainingPhase] {
        var all: [TrainingPhase] = []
        for epoch in 1...options.epochs {
            let phase = phase(epoch: epoch)
            if phase != all.last && !all.contains(phase) { all.append(phase) }
        }
        return all
    }
}
