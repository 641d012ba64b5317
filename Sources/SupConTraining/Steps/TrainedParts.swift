import Glibc
import SupConLoss
import SupConNetwork
import SupConTensor

/// What an objective trains of a network.
struct TrainedParts {
    var plan: TrainingPlan.Trained = [.encoder]
    var optimizer: Set<ParameterStore.Part> = [.encoder]

    init(_ options: TrainOptions) {
        if options.objective.isContrastive {
            plan.insert(.head)
            optimizer.insert(.head)
        }
        if options.jointClassifier || !options.objective.isContrastive {
            plan.insert(.classifier)
            optimizer.insert(.classifier)
        }
    }

    /// The loss on a plan's z, which has length 1: the plan differentiates through that. Errors:
    /// argument, memory.
    func contrastiveLoss(_ options: TrainOptions, dimension: Int, context: ExecutionContext)
        throws(SupConError) -> ContrastiveLoss
    {
        var loss = options.loss
        loss.normalize = false
        loss.seed = options.seed
        return try ContrastiveLoss(
            loss, samples: options.batchSize, views: options.effectiveViews, dimension: dimension,
            context: context)
    }

    /// The loss of guessing.
    func chance(_ options: TrainOptions, classes: Int) -> Double {
        options.objective.isContrastive
            ? ContrastiveLoss.collapsedLoss(
                options.loss, samples: options.batchSize, views: options.effectiveViews)
            : log(Double(classes))
    }
}
