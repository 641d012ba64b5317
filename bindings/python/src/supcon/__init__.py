"""Supervised contrastive learning on a CPU: train image encoders with the loss of Khosla et al.
(arXiv:2004.11362), and turn images into embeddings.

    encoder = supcon.SupConEncoder(epochs=20).fit(images, labels)      # a scikit-learn transformer
    embeddings = encoder.transform(others)
    classifier = supcon.SupConClassifier(epochs=20).fit(images, labels); classifier.predict(others)
    loss, gradient = supcon.supcon_loss(features, labels, return_gradient=True)
    supcon.load("model.safetensors").embed(["a.jpg", "b.png"])

Options that are None are as the library has them; every default in the documentation is read from
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import callbacks
from ._augmentation import CORRUPTIONS, augment, corrupt
from ._contact import contact_sheet
from ._data import Dataset
from ._errors import (
    ArgumentError,
    CanceledError,
    ElementTypeError,
    FileError,
    ForkError,
    FormatError,
    InternalError,
    OutOfMemoryError,
    ShapeError,
    StateError,
    SupConError,
    SupConWarning,
    UnsupportedError,
)
from ._evaluation import Evaluation, evaluate
from ._folder import ImageFolder
from ._index import Index, Neighbors
from ._library import build_info, library_path, set_log, version
from ._loss import supcon_loss
from ._loss_queue import supcon_loss_queue
from ._masks import mask_from_multilabel, mask_from_values
from ._measures import (
    Calibration,
    CorruptionError,
    Detection,
    Retrieval,
    alignment,
    calibration,
    corruption_error,
    ood_detection,
    ood_scores,
    retrieval,
    uniformity,
)
from ._model import Model, load
from ._nearest import nearest
from ._onnx import export_onnx, export_openvino
from ._presets import Preset, preset, presets
from ._torch import export_torchvision, import_torch
from ._training import Event, Training, train
from ._tune import Trial, Tuning, tune

if TYPE_CHECKING:
    from . import distributed as distributed
    from . import mpi as mpi
    from ._classifier import SupConClassifier
    from ._encoder import SupConEncoder
    from ._report import report

__version__ = version()
__all__ = [
    "CORRUPTIONS",
    "ArgumentError",
    "Calibration",
    "CanceledError",
    "CorruptionError",
    "Dataset",
    "Detection",
    "ElementTypeError",
    "Evaluation",
    "Event",
    "FileError",
    "ForkError",
    "FormatError",
    "ImageFolder",
    "Index",
    "InternalError",
    "Model",
    "Neighbors",
    "OutOfMemoryError",
    "Preset",
    "Retrieval",
    "ShapeError",
    "StateError",
    "SupConClassifier",
    "SupConEncoder",
    "SupConError",
    "SupConWarning",
    "Training",
    "Trial",
    "Tuning",
    "UnsupportedError",
    "alignment",
    "augment",
    "build_info",
    "calibration",
    "callbacks",
    "contact_sheet",
    "corrupt",
    "corruption_error",
    "evaluate",
    "export_onnx",
    "export_openvino",
    "export_torchvision",
    "import_torch",
    "library_path",
    "load",
    "mask_from_multilabel",
    "mask_from_values",
    "nearest",
    "ood_detection",
    "ood_scores",
    "preset",
    "presets",
    "report",
    "retrieval",
    "set_log",
    "supcon_loss",
    "supcon_loss_queue",
    "train",
    "tune",
    "uniformity",
    "version",
]


# imported on first use, since they import packages that take a second
_LATER = {
    "SupConClassifier": "_classifier",
    "SupConEncoder": "_encoder",
    "report": "_report",
}


if not TYPE_CHECKING:  # else a type checker would accept any name

    def __getattr__(name):
        if name in ("mpi", "distributed"):  # they need mpi4py or torch when they are called
            import importlib

            return importlib.import_module(f".{name}", __name__)
        if name in _LATER:
            import importlib

            module = importlib.import_module(f".{_LATER[name]}", __name__)
            globals()[name] = value = getattr(module, name)
            return value
        raise AttributeError(f"module 'supcon' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
