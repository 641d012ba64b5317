import CSupCon
import SupCon

extension supcon_trial {
    /// Makes the trial of the C API.
    init(_ trial: LearningRateTrial) {
        self = .empty
        (learning_rate, score, accuracy) = (trial.learningRate, trial.score, trial.accuracy)
        (seconds, steps, judges) = (trial.seconds, Int64(trial.steps), Int64(trial.judges))
    }
}

@c @implementation
public func supcon_find_learning_rate(
    _ context: OpaquePointer?, _ model: OpaquePointer?, _ dataset: OpaquePointer?,
    _ options: UnsafePointer<supcon_train_options>?,
    _ collectives: UnsafePointer<supcon_collectives>?,
    _ search: UnsafePointer<supcon_search_options>?,
    _ learning_rate: UnsafeMutablePointer<Double>?
) -> supcon_status {
    status { () throws(SupConError) in
        let host = try collectives.map { (host) throws(SupConError) in try HostCollectives(host) }
        var (given, result) = (supcon_search_options.defaults, learning_rate)
        let found = try LearningRateSearch(host) { trial in
            guard let hear = given.trial else { return true }
            var trial = supcon_trial(trial)
            return hear(&trial, given.user_data) == 0
        } _: { () throws(SupConError) in
            given = try supcon_search_options.read(search)
            result = try needed(learning_rate, "learning_rate")
            return (
                Trainer.Arguments(
                    try ModelHandle.model(model), try DatasetHandle.dataset(dataset),
                    try TrainOptions(options), try ContextHandle.context(context)),
                try SearchOptions(search)
            )
        }
        result?.pointee = found.learningRate
    }
}
