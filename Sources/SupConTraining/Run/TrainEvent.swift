/// An event reports the state of a run to its caller, after every step and every epoch.
public struct TrainEvent: Sendable {
    /// The kinds of events: the end of a step, the end of an epoch, and a warning.
    public enum Kind: Int32, Sendable { case step = 0, epoch, warning }

    /// The kind of the event.
    public var kind: Kind
    /// The epoch, from 1.
    public var epoch: Int
    /// The number of epochs of the run.
    public var epochs: Int
    /// The step in this epoch, from 1.
    public var step: Int
    /// The number of steps of an epoch.
    public var steps: Int
    /// The loss of this step, or the epoch's mean; NaN for a warning that ends the run.
    public var loss = Double.nan
    /// The learning rate of the step, or of the epoch's last step.
    public var learningRate = 0.0
    /// The images processed per second, not counting views: recently (for a step), or over the
    /// epoch.
    public var imagesPerSecond = 0.0
    /// The estimated time until the end of the run, in seconds.
    public var secondsLeft = 0.0
    /// The accuracy of the nearest neighbor (kNN@1) on the validation split; NaN if not measured.
    public var knnAccuracy = Double.nan
    /// The alignment (arXiv:2005.10242) of the projections of the epoch's last batch; NaN if not
    /// measured.
    public var alignment = Double.nan
    /// The uniformity (arXiv:2005.10242) of the projections of the epoch's last batch; NaN if not
    /// measured.
    public var uniformity = Double.nan
    /// The accuracy of the classifier on the training batches; NaN without a classifier.
    public var trainAccuracy = Double.nan
    /// The number of anchors of the step that had no positive.
    public var anchorsWithoutPositive = 0
    /// The text of a warning.
    public var message = ""
}
