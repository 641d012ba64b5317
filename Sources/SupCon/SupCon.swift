/// The Swift API of libsupcon. `Dataset`, `Model`, `TrainOptions` and `Trainer` come from the
/// targets beneath; `Embeddings` and `SupConLoss` are made here of their engines.
@_exported import SupConEvaluation
@_exported import SupConLoss
@_exported import SupConModel
@_exported import SupConNetwork
@_exported import SupConTensor
@_exported import SupConTraining
@_exported import SupConVision
