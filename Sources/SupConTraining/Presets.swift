import SupConModel
import SupConTensor
import SupConVision

/// A preset is a published recipe: every option of a model and of its training, under a name. The
/// values come from the publications and their programs; the description says where neither gives a
/// value and where this library differs.
///
/// Sources: Khosla et al., arXiv:2004.11362; HobbitLong/SupContrast (its README's commands, and the
/// defaults of its main_*.py); google-research's supcon (scripts/, and the defaults of
/// hparams_flags.py). All presets share these differences: an epoch's last, smaller batch is left
/// out; all images are trained on, and none are held out; warm-up is one step ahead (step s of W,
/// from 0, has completed (s + 1)/W of it).
public struct Preset: Sendable {
    /// The name of the preset, such as "supcon-cifar10-resnet50".
    public let name: String
    /// A description of the recipe: its purpose, its publication, and the differences from it.
    public let description: String
    /// The options of the model that the recipe trains.
    public private(set) var model = ModelOptions()
    /// The options of the training.
    public private(set) var train = TrainOptions()

    /// All presets, in the order of the paper.
    public static let all = cifar + imageNet + [memory]

    /// Returns the preset of a name. Errors: argument (an unknown name; the message lists the known
    /// ones).
    public static func named(_ name: String) throws(SupConError) -> Preset {
        all[try index(of: name)]
    }

    /// Returns the index in `all` of the preset of a name. Errors: argument.
    package static func index(of name: String) throws(SupConError) -> Int {
        guard let found = all.firstIndex(where: { $0.name == name }) else {
            throw SupConError(
                .argument,
                """
                there is no preset \"\(name)\"; expected one of \
                \(all.map(\.name).joined(separator: ", "))
                """
            )
        }
        return found
    }

    private init(
        _ name: String, _ description: String,
        _ set: (_ model: inout ModelOptions, _ train: inout TrainOptions) -> Void
    ) {
        (self.name, self.description) = (name, description)
        train.validationFraction = 0
        set(&model, &train)
    }

    // MARK: SupContrast

    private static let cifar = [
        Preset(
            "cifar-pytorch",
            """
            Stage 1 of SupContrast (github.com/HobbitLong/SupContrast) on CIFAR-10: ResNet-50, \
            1000 epochs in batches of 1024. \(cifarNotes) A step \
            takes tens of gigabytes, with a chunk_size of 128 less than 8 GiB: batch statistics \
            are a chunk's then, as they were a GPU's there.
            """, cifarSupCon),
        Preset("cifar-linear", "The linear stage after cifar-pytorch. \(linearNotes)") {
            model, train in cifarLinear(&model, &train, rate: 5)
        },
        Preset(
            "cifar-cross-entropy",
            """
            The baseline of SupContrast on CIFAR-10: ResNet-50 with a classifier by \
            cross-entropy, 500 epochs in batches of 1024. \(cifarNotes)
            """
        ) { model, train in
            cifarSupCon(&model, &train)
            model.head = .none
            train.objective = .crossEntropy
            (train.epochs, train.loss, train.augmentation.kind) = (
                500, TrainOptions().loss, .cropFlip
            )
            (train.learningRate, train.minLr, train.warmupStart) = (0.8, 1e-3 * 0.8, 0.01 / 0.8)
        },
        Preset(
            "cifar-simclr",
            """
            SimCLR as SupContrast trains it on CIFAR-10: cifar-pytorch without labels, at a \
            temperature of 0.5. \(cifarNotes)
            """
        ) { model, train in
            cifarSupCon(&model, &train)
            train.objective = .simclr
            (train.loss.temperature, train.loss.scale) = (0.5, 0.5 / 0.07)
        },
        Preset(
            "cifar-simclr-linear",
            """
            The linear stage after cifar-simclr: cifar-linear at a fifth of its rate. \
            \(linearNotes)
            """
        ) { model, train in
            cifarLinear(&model, &train, rate: 1)
        },
    ]

    private static let cifarNotes = "Its rate falls once per epoch, here with every step."
    private static let linearNotes =
        "It takes the model of stage 1 and trains the classifier alone."

    private static func cifarSupCon(_ model: inout ModelOptions, _ train: inout TrainOptions) {
        (model.architecture, model.stem, model.head) = (.resnet50, .cifar, .mlp)
        model.zeroInitLastGamma = false
        (model.mean, model.std) = ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010])
        (train.batchSize, train.learningRate, train.referenceBatch, train.epochs) = (
            1024, 0.5, 0, 1000
        )
        // The rate falls to a thousandth (0.1³), and rises from 0.01 before.
        (train.schedule, train.minLr, train.warmupEpochs, train.warmupStart) = (
            .cosine, 1e-3 * 0.5, 10, 0.01 / 0.5
        )
        (train.loss.temperature, train.loss.scale) = (0.1, 0.1 / 0.07)
        train.augmentation.blurProbability = 0
    }

    private static func cifarLinear(
        _ model: inout ModelOptions, _ train: inout TrainOptions, rate: Double
    ) {
        cifarSupCon(&model, &train)
        train.objective = .linear
        (train.epochs, train.loss, train.augmentation.kind) = (100, TrainOptions().loss, .cropFlip)
        (
            train.batchSize, train.learningRate, train.weightDecay, train.warmupEpochs,
            train.minLr
        ) = (512, rate, 0, 0, 0)
        (train.schedule, train.milestones, train.gamma) = (.step, [60, 75, 90], 0.2)
    }

    // MARK: google-research

    private static let imageNet = [
        Preset(
            "imagenet-r50",
            """
            Stage 1 of google-research's supcon on ImageNet: ResNet-50, 350 epochs in batches \
            of 6144. \(wholeBatchNotes)
            """,
            imageNetSupCon),
        Preset(
            "imagenet-r50-linear",
            "The linear stage after imagenet-r50. \(linearNotes) \(frozenNotes)"
        ) { model, train in
            imageNetLinear(&model, &train, after: imageNetSupCon)
        },
        Preset(
            "imagenet-r200",
            """
            Stage 1 of google-research's supcon on ImageNet: ResNet-200, 700 epochs in \
            batches of 4096. \(wholeBatchNotes) \(stackedNotes)
            """,
            imageNetR200),
        Preset(
            "imagenet-r200-linear",
            "The linear stage after imagenet-r200. \(linearNotes) \(frozenNotes) \(stackedNotes)"
        ) { model, train in
            imageNetLinear(&model, &train, after: imageNetR200)
        },
    ]

    private static let wholeBatchNotes = """
        Ours is chunk_size, with which a step takes less than 16 GiB: batch statistics are a \
        chunk's, there the whole batch's. Its head has no bias, here it \
        has one.
        """
    private static let frozenNotes =
        "Ours is chunk_size. Its encoder takes the statistics of each batch, here the running ones."
    private static let stackedNotes = """
        Its RandAugment leaves each operation out with a probability of 0.2 to 0.8, and has \
        invert, cutout and solarize-add too; its jitter adds to the \
        brightness, here it multiplies.
        """

    private static func imageNetSupCon(_ model: inout ModelOptions, _ train: inout TrainOptions) {
        (model.architecture, model.stem, model.imageHeight, model.imageWidth) = (
            .resnet50, .imagenet, 224, 224
        )
        (model.head, model.normalizesFeatures, model.zeroInitLastGamma) = (.linear, true, true)
        // Pixels are scaled to −1…1.
        (model.mean, model.std) = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
        (train.batchSize, train.epochs, train.chunkSize) = (6144, 350, 32)
        (train.optimizer, train.learningRate, train.referenceBatch, train.weightDecay) = (
            .lars, 0.4, 256, 1e-3
        )
        (train.schedule, train.warmupEpochs, train.warmupStart, train.schedulesAfterWarmup) = (
            .cosine, 12, 0, true
        )
        (train.loss.temperature, train.loss.scale) = (0.1, 0.1)
        train.augmentation.kind = .autoAugmentImageNet
        (
            train.augmentation.cropScaleMin, train.augmentation.cropRatioMin,
            train.augmentation.cropRatioMax
        ) = (0.08, 0.75, 1.33)
    }

    private static func imageNetR200(_ model: inout ModelOptions, _ train: inout TrainOptions) {
        imageNetSupCon(&model, &train)
        model.architecture = .resnet200
        (train.batchSize, train.epochs, train.chunkSize, train.learningRate, train.weightDecay) = (
            4096, 700, 16, 0.2, 1e-4
        )
        // Strength 1 means SimCLR's jitter on ImageNet, RandAugment at its full magnitude, no warp.
        train.augmentation.kind = .stackedRandAugment
        (
            train.augmentation.brightness, train.augmentation.contrast,
            train.augmentation.saturation, train.augmentation.hue
        ) = (0.8, 0.8, 0.8, 0.2)
        (train.augmentation.randAugmentOperations, train.augmentation.randAugmentMagnitude) = (
            2, 30
        )
        (train.augmentation.warpProbability, train.augmentation.blurProbability) = (0, 0.5)
    }

    private static func imageNetLinear(
        _ model: inout ModelOptions, _ train: inout TrainOptions,
        after stage1: (inout ModelOptions, inout TrainOptions) -> Void
    ) {
        stage1(&model, &train)
        train.objective = .linear
        (train.epochs, train.loss, train.labelSmoothing, train.chunkSize) = (
            90, TrainOptions().loss, 0.05, 64
        )
        (train.optimizer, train.learningRate, train.weightDecay, train.epsilon) = (
            .rmsprop, 0.05, 1e-6, 1e-3
        )
        (train.schedule, train.exponentialFactor, train.exponentialEpochs) = (
            .exponential, 0.97, 0.5
        )
    }

    // MARK: the memory variant

    private static let memory = Preset(
        "memory-r50",
        """
        The memory variant of arXiv:2004.11362, section 4: ResNet-50 on ImageNet, SGD in batches \
        of 256, a momentum encoder and a queue of 8192 keys; those of \
        the same label are positives. Ours, since the paper does not say: epochs, rate, weight \
        decay, schedule, head, augmentation and key_momentum are those \
        of MoCo v2 (arXiv:2003.04297); the loss is not scaled.
        """
    ) { model, train in
        (model.architecture, model.stem, model.imageHeight, model.imageWidth) = (
            .resnet50, .imagenet, 224, 224
        )
        model.zeroInitLastGamma = false
        (model.mean, model.std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        (train.queueMode, train.queueSize, train.keyMomentum) = (
            .positivesAndNegatives, 8192, 0.999
        )
        (train.batchSize, train.learningRate, train.referenceBatch, train.epochs) = (
            256, 0.03, 256, 200
        )
        (train.loss.temperature, train.schedule, train.warmupEpochs) = (0.1, .cosine, 0)
        train.augmentation.blurProbability = 0.5
    }
}
