/// The Swift API of libsupcon: everything that the floors beneath offer, under one name.
@_exported import SupConEvaluation
@_exported import SupConLoss
@_exported import SupConModel
@_exported import SupConNetwork
@_exported import SupConTensor
@_exported import SupConTraining
@_exported import SupConVision
