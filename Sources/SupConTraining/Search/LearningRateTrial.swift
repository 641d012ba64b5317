/// A trial of a search for a learning rate is a short run with one rate.
public struct LearningRateTrial: Sendable, Equatable {
    /// The learning rate.
    public var learningRate = 0.0
    /// The mean probability that its model gives the class of a held-out image; where nothing is
    /// held out, minus the loss of the last epoch; −∞ for a run that diverged.
    public var score = -Double.infinity
    /// The fraction of the held-out images whose class its model names; NaN without them.
    public var accuracy = Double.nan
    /// The time that it took, in seconds.
    public var seconds = 0.0
    /// The number of its steps.
    public var steps = 0
    /// The number of held-out images that judged it; 0: the loss did.
    public var judges = 0
}
