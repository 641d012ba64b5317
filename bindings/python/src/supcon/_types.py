"""Names the types that signatures share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable, Protocol, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from ._data import Dataset
    from ._training import Event

Array = NDArray[Any]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

PathLike = Union[str, "os.PathLike[str]"]
Size = Union[int, Sequence[int]]  # pixels of a square, or (height, width)
RandomState = Union[int, np.random.RandomState, np.random.Generator]
PerChannel = Union[float, Sequence[float], Array]  # a number for all channels, or one for each
Augmentation = Union[str, dict[str, Any], Sequence[Any]]  # a kind, its fields, or a pair of both
ClassWeight = Union[str, dict[Any, float], ArrayLike]  # "balanced", by label, or in order
# functions that hear of a run, such as those of `supcon.callbacks`, or one of them
Callbacks = Union[Callable[["Event"], object], Sequence[Callable[["Event"], object]]]
EmbedProgress = Callable[[int, int], object]  # images done, images in all


class _HasArray(Protocol):
    """An array of another library, such as PyTorch, JAX or pandas."""

    def __array__(self) -> Any: ...


class _HasInterface(Protocol):
    """An object that exposes its memory as an array, such as a Pillow image."""

    @property
    def __array_interface__(self) -> Any: ...


class _HasDLPack(Protocol):
    """An array that supports DLPack."""

    def __dlpack__(self) -> Any: ...


AnyArray = Union[_HasArray, _HasInterface, _HasDLPack, Sequence[Any]]
Encoded = Union[bytes, bytearray, memoryview]  # the content of an image's file
# one image or many, in every form that `Model.embed` takes
Images = Union["Dataset", AnyArray, PathLike, Encoded]

__all__ = [
    "AnyArray",
    "Array",
    "ArrayLike",
    "Augmentation",
    "Callbacks",
    "ClassWeight",
    "EmbedProgress",
    "Encoded",
    "Float32",
    "Float64",
    "Images",
    "Int64",
    "PathLike",
    "PerChannel",
    "RandomState",
    "Size",
    "UInt8",
]
