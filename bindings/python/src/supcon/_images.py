"""Passes numpy arrays of images to the library, without a copy where possible."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import numpy as np

from . import _abi
from ._errors import ArgumentError, ElementTypeError, ShapeError
from ._types import Array, ArrayLike, Int64

EXPECTED = (
    "expected images [n, height, width] or [n, height, width, channels], or one "
    "[height, width, channels], uint8 or float from 0 to 1, or a list of paths"
)


def as_array(value: Any) -> Array:
    """Returns `value` as a numpy array, without a copy where possible. Arrays of any library that
    speaks numpy's protocols or DLPack are accepted.
    """
    if isinstance(value, np.ndarray):
        return value
    if getattr(value, "requires_grad", False):  # PyTorch refuses to convert it
        value = value.detach()
    numpys = ("__array__", "__array_interface__", "__array_struct__")
    if hasattr(value, "__dlpack__") and not any(hasattr(value, it) for it in numpys):
        return np.from_dlpack(value)
    return np.asarray(value)


def is_nothing(images: Any) -> bool:
    """Tells whether this is an empty list or an array of no images."""
    if isinstance(images, (str, bytes, os.PathLike)) or not hasattr(images, "__len__"):
        return False
    return len(images) == 0 and np.ndim(images) in (1, 3, 4)


def is_picture(value: object) -> bool:
    """Tells whether this is a Pillow image."""
    return any(it.__module__ == "PIL.Image" for it in type(value).__mro__)


def are_bytes(value: object) -> bool:
    """Tells whether these are the bytes of an encoded image."""
    return isinstance(value, (bytes, bytearray)) or (
        isinstance(value, memoryview) and value.ndim == 1 and value.itemsize == 1
    )


def are_paths(images: Any) -> bool:
    """Tells whether this is a sequence of paths; an empty one is not."""
    if isinstance(images, np.ndarray) or hasattr(images, "__array__"):
        array = np.asarray(images)
        return (
            array.ndim == 1
            and array.size > 0
            and array.dtype.kind in "OUT"
            and isinstance(array[0], (str, os.PathLike))
        )
    return (
        isinstance(images, (list, tuple))
        and len(images) > 0
        and all(isinstance(it, (str, os.PathLike)) for it in images)
    )


class Pixels:
    """A batch of images [n, height, width, channels], uint8 or float32, with the struct that
    describes its memory to the library.
    """

    def __init__(self, array: Array) -> None:
        self.array = array  # kept alive with the struct
        self.count: int
        self.count, self.height, self.width, self.channels = array.shape
        self.struct = _abi.Images(
            struct_size=ctypes.sizeof(_abi.Images),
            element_type=_abi.Element.U8 if array.dtype == np.uint8 else _abi.Element.F32,
            data=array.ctypes.data,
            count=self.count,
            height=self.height,
            width=self.width,
            channels=self.channels,
        )
        names = ("image_stride", "row_stride", "column_stride", "channel_stride")
        for name, stride in zip(names, array.strides):
            setattr(self.struct, name, stride // array.itemsize)

    def __len__(self) -> int:
        return self.count

    def slice(self, start: int, stop: int) -> Pixels:
        """Returns the images from `start` to `stop`, in the same memory."""
        return Pixels(self.array[start:stop])


def pixels(images: Any, name: str = "images") -> Pixels:
    """Checks `images`: [n, h, w] (gray), [n, h, w, c] with 1 to 4 channels, or one image [h, w, c]
    with 1, 3 or 4 channels; uint8, or floats within [0, 1], which become float32. Strided arrays
    (crops, flips, transposes) are not copied.
    """
    if isinstance(images, (str, bytes, os.PathLike)):
        raise ElementTypeError(
            f"{name} is the path {images!r}; {EXPECTED}, or supcon.ImageFolder(path)"
        )
    try:
        array = as_array(images)
    except ValueError:
        raise ShapeError(f"{name} are of different sizes; {EXPECTED}") from None
    if array.dtype.kind not in "uf" or (array.dtype.kind == "u" and array.dtype != np.uint8):
        advice = (
            "; use images.astype('uint8') if they are from 0 to 255"
            if array.dtype.kind in "iu"
            else ""
        )
        raise ElementTypeError(f"{name} are of type {array.dtype}; {EXPECTED}{advice}")
    is_list = isinstance(images, (list, tuple))  # a list of images without a channel axis
    if array.ndim == 3 and array.shape[2] in (1, 3, 4) and not is_list:
        array = array[None]
    shape = list(array.shape)
    if array.ndim == 2:
        raise ShapeError(
            f"{name} have the shape {shape}, one flat row per image; {EXPECTED}: "
            "use images.reshape(n, height, width)"
        )
    if array.ndim not in (3, 4):
        raise ShapeError(f"{name} have the shape {shape}; {EXPECTED}")
    if array.ndim == 4 and not 1 <= shape[3] <= 4:
        advice = (
            (
                "; for [n, channels, height, width] use images.transpose(0, 2, 3, 1), "
                "which copies nothing"
            )
            if 1 <= shape[1] <= 4
            else ""
        )
        raise ShapeError(
            f"{name} have the shape {shape}, so {shape[3]} channels; expected 1 to 4{advice}"
        )
    if 0 in shape:
        raise ShapeError(
            f"{name} have the shape {shape}; expected at least one image and one pixel"
        )
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):
            advice = ""
            if 1 < high <= 255 and low >= 0:
                advice = (
                    "; use images.astype('uint8') or images / 255"
                    if high > 16
                    else f"; use images / {high:g} if that is white"
                )
            raise ArgumentError(
                f"{name} go from {low:g} to {high:g}; expected floats from 0 to 1{advice}"
            )
        array = array.astype(np.float32, copy=False)
    if (
        any(
            stride % array.itemsize or (stride == 0 and size > 1)
            for stride, size in zip(array.strides, shape)
        )
        or not array.flags.aligned
    ):
        array = array.copy()
    return Pixels(array if array.ndim == 4 else array[..., None])


def channel_statistics(array: Array) -> tuple[list[float], list[float]]:
    """Returns mean and standard deviation per channel of images [n, h, w, c], on the scale 0 to 1.
    Deviations are at least 1/255.
    """
    channels, block = array.shape[3], max(1, (1 << 22) // max(1, array[0].size))
    total, square, count = np.zeros(channels), np.zeros(channels), array.size // channels
    for start in range(0, len(array), block):
        part = array[start : start + block].astype(np.float64).reshape(-1, channels)
        total += part.sum(0)
        square += np.einsum("ij,ij->j", part, part)
    unit = 255.0 if array.dtype == np.uint8 else 1.0
    mean = total / count
    deviation = np.sqrt(np.maximum(square / count - mean**2, 0))
    return list(mean / unit), list(np.maximum(deviation / unit, 1 / 255))


def floats(array: Array | None) -> Any:
    """Returns a pointer to the float32 elements of `array`, which it keeps alive, or NULL."""
    return None if array is None else array.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


def integers(array: Array | None) -> Any:
    """Returns a pointer to the int64 elements of `array`, which it keeps alive, or NULL."""
    return None if array is None else array.ctypes.data_as(ctypes.POINTER(ctypes.c_int64))


def doubles(array: Array | None) -> Any:
    """Returns a pointer to the float64 elements of `array`, which it keeps alive, or NULL."""
    return None if array is None else array.ctypes.data_as(ctypes.POINTER(ctypes.c_double))


def encode_labels(labels: ArrayLike, count: int, name: str = "labels") -> tuple[Array, Int64]:
    """Returns the classes of labels of any kind, one per image, in order, and the labels as indices
    into them, int64.
    """
    array = np.asarray(labels)
    if array.shape != (count,):
        raise ShapeError(
            f"{name} have the shape {list(array.shape)}; expected [{count}], a "
            f"label for each of the {count} images"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ArgumentError(f"{name} hold NaN or infinity; expected a label for each image")
    try:
        classes, numbers = np.unique(array, return_inverse=True)
    except TypeError:
        raise ElementTypeError(
            f"{name} are of mixed kinds that have no order; expected all numbers or all strings"
        ) from None
    return classes, np.ascontiguousarray(numbers.reshape(-1), np.int64)
