/// What a run tells its caller, after every step and every epoch.
public struct TrainEvent: Sendable {
    public enum Kind: Int32, Sendable { case step = 0, epoch, warning }

    public var kind: Kind
    /// From 1.
    public var epoch: Int
    public var epochs: Int
    /// In this epoch, from 1.
    public var step: Int
    public var steps: Int
    /// The loss of this step, or the epoch's mean; NaN for a warning that ends the run.
    public var loss = Double.nan
    public var learningRate = 0.0
    /// Before views: lately, or over the epoch.
    public var imagesPerSecond = 0.0
    /// Of the whole run, estimated.
    public var secondsLeft = 0.0
    /// kNN@1 on the validation split; NaN if not measured.
    public var knnAccuracy = Double.nan
    /// On the projections of the epoch's last batch; NaN if not measured.
    public var alignment = Double.nan
    public var uniformity = Double.nan
    /// Of the classifier on the training batches; NaN without one.
    public var trainAccuracy = Double.nan
    public var anchorsWithoutPositive = 0
    /// Of a warning.
    public var message = ""
}
