/// The Swift API of libsupcon. `Dataset`, `Model`, `TrainOptions` and `Trainer` come from the
/// targets below; `Embeddings` and `SupConLoss` are defined here on top of their engines.
@_exported import SupConEvaluation
@_exported import SupConLoss
@_exported import SupConModel
@_exported import SupConNetwork
@_exported import SupConTensor
@_exported import SupConTraining
@_exported import SupConVision
