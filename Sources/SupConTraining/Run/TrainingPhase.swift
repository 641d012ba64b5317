import SupConModel
import SupConNetwork
import SupConTensor
import SupConVision

/// A phase of a run is a range of epochs that one plan of the step serves: it changes where the
/// frozen stages or the image size do.
struct TrainingPhase: Equatable {
    /// The last frozen stage; the stem and the stages up to it are not trained. 0: none are frozen.
    var frozenStages = 0
    /// The quantization with which the frozen stages compute in int8; nil: they compute in the
    /// model's precision.
    var quantization: Quantization?
    /// The height of the views, in pixels.
    var height: Int
    /// The width of the views, in pixels.
    var width: Int
    /// The number of images of the training set, which sizes the feature cache.
    var samples = 0

    /// Makes a phase with the model's own image size.
    init(_ model: Model, frozenStages: Int = 0) {
        (self.frozenStages, height, width) = (frozenStages, model.imageHeight, model.imageWidth)
    }

    /// Returns the frozen part that a plan for this phase has.
    func frozen(_ options: TrainOptions) -> TrainingPlan.Frozen {
        .init(
            stages: frozenStages, normStatistics: options.freezesNorm, quantization: quantization)
    }
}

/// The phases of a run.
struct TrainingPhases {
    private let options: TrainOptions
    private var model: TrainingPhase
    /// The quantization of the frozen stages; nil: none is frozen, or they compute in floats.
    private(set) var quantization: Quantization?

    /// Divides a run into phases. `samples` is the number of images of the training set. Errors:
    /// those of a quantization.
    init(_ model: Model, _ options: TrainOptions, samples: Int) throws(SupConError) {
        self.options = options
        self.model = TrainingPhase(model)
        self.model.samples = samples
        guard options.freezeStages > 0 else { return }
        quantization =
            options.freezesInInt8
            ? try Quantization(uncalibrated: model.configuration) : model.quantization
    }

    /// Calibrates the quantization on the training images, if `freezesInInt8` asks for it and a
    /// stage is frozen in `epoch`. All ranks call it, within the model's `exclusive`, when it has
    /// the parameters that the run goes on with; rank 0 calibrates for all. Errors: those of
    /// `Model.calibrate`, io.
    mutating func calibrate(
        _ model: Model, on training: Dataset, from epoch: Int, _ ranks: Ranks
    ) throws(SupConError) {
        guard options.freezesInInt8, phase(epoch: epoch).frozenStages > 0 else { return }
        let found = try ranks.together { () throws(SupConError) in
            ranks.isFirst ? try model.calibrate(training.ownPart()) : quantization
        }
        var ranges = found?.ranges ?? []
        try ranks.broadcast(&ranges, byteCount: ranges.count * 4)
        quantization = try Quantization(ranges: ranges, for: model.configuration)
    }

    /// Returns the phase of an epoch, from 1.
    func phase(epoch: Int) -> TrainingPhase {
        var phase = model
        phase.frozenStages = options.freezeStages - options.unfreezeEpochs.count { $0 < epoch }
        if phase.frozenStages > 0 { phase.quantization = quantization }
        let sizes = options.imageSizeSchedule
        if !sizes.isEmpty {
            // In order, each size applies to an equal part of the run.
            let inOrder = (epoch - 1) * sizes.count / options.epochs
            phase.height = sizes[options.drawsImageSize ? drawn(epoch, of: sizes.count) : inOrder]
            phase.width = max(1, (model.width * phase.height + model.height / 2) / model.height)
        }
        return phase
    }

    /// Returns the index, below `count`, of the size that is drawn for an epoch. It depends on the
    /// seed and the epoch alone, so that a resumed run draws the same; every `count` epochs have
    /// each size once.
    private func drawn(_ epoch: Int, of count: Int) -> Int {
        let (round, offset) = (epoch - 1).quotientAndRemainder(dividingBy: count)
        var stream = Philox(seed: options.seed, purpose: .imageSize, epoch: round)
        return stream.permutation(count)[offset]
    }

    /// The distinct phases of the run, in order.
    var all: [TrainingPhase] {
        var all: [TrainingPhase] = []
        for epoch in 1...options.epochs {
            let phase = phase(epoch: epoch)
            if phase != all.last && !all.contains(phase) { all.append(phase) }
        }
        return all
    }
}
