"""Makes the views that training sees, to look at or to use elsewhere, and corruptions to evaluate
with.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from . import _abi, _convert, _options
from ._data import Dataset, calls_back
from ._errors import ArgumentError
from ._images import as_array, floats, integers, pixels
from ._library import call, context, lib
from ._options import AUGMENTATION, documented
from ._types import AnyArray, Float32, Size, UInt8

CORRUPTIONS = tuple(it.word for it in _abi.Corruption)


@documented({name: option for name, option in AUGMENTATION.items() if name != "augmentation"})
def augment(
    images: Dataset | AnyArray,
    augmentation: str | dict[str, Any] | None = "simclr",
    *,
    seed: int = 0,
    epoch: int = 1,
    view: int = 0,
    size: Size | None = None,
    n_jobs: int | None = None,
) -> Float32:
    """Makes the views that training would make of `images`.

    Parameters
    ----------
    images : uint8 or float [n, h, w] or [n, h, w, c], or a data set
    augmentation : str or dict, default "simclr"
        "none": resize; "crop_flip"; "simclr": crop, flip, color jitter, gray, and from 128 pixels
        on blur; "autoaugment_imagenet", "autoaugment_cifar10": crop, flip, a sub-policy;
        "randaugment": crop, flip, operations at one magnitude; "simaugment": SimCLR's with a random
        warp; "stacked_randaugment": SimAugment with RandAugment after the jitter. A dict has "kind"
        and the fields to change, such as {"kind": "randaugment", "randaugment_magnitude": 15};
        these are the fields:

    {options}

    seed, epoch, view : int
        The random numbers depend only on these and on the image's index in `images`.
    size : int or (height, width), optional
        The size of the views in pixels; None: the images' own. A data set of different sizes needs
        it.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.

    Returns
    -------
    float32 [n, height, width, c], from 0 to 1, not normalized by mean and deviation
    """
    found, options = (
        images if isinstance(images, Dataset) else pixels(images),
        _options.augmentation(augmentation),
    )
    if size is None and not found.height:
        raise ArgumentError(
            "the images differ in size; expected a size for the views, such as size=224"
        )
    height, width = (found.height, found.width) if size is None else image_size(size)
    views = np.empty((found.count, height, width, found.channels), np.float32)
    rest = (
        None if options is None else ctypes.byref(options),
        _convert.integer("seed", seed, 0, 2**64 - 1),
        _convert.integer("epoch", epoch, -(2**63), 2**63 - 1),
        _convert.integer("view", view, -(2**63), 2**63 - 1),
        height,
        width,
        floats(views),
    )
    own = context(n_jobs)
    if isinstance(found, Dataset):
        indices = np.arange(found.count, dtype=np.int64)
        if found.count:
            call(
                lib.supcon_augment_dataset,
                own,
                found._handle,
                integers(indices),
                found.count,
                *rest,
                context=own,
                calls_back=calls_back(found),
            )
    else:
        call(
            lib.supcon_augment,
            own,
            ctypes.byref(found.struct),
            *rest,
            context=own,
            is_long=max(views.size, found.array.size) > 1 << 20,
        )
    return views


def corrupt(
    images: AnyArray,
    corruption: str,
    severity: int = 3,
    *,
    seed: int = 0,
    n_jobs: int | None = None,
) -> UInt8:
    """Applies one of the fifteen corruptions of ImageNet-C (Hendrycks and Dietterich,
    arXiv:1903.12261), computed here.

    Parameters
    ----------
    images : uint8 or float [n, h, w] or [n, h, w, c]
        Images in the size that the model sees, since the published strengths are in pixels.
        CIFAR-10-C's are used up to a smaller side of 64 pixels, ImageNet-C's above.
    corruption : str
        One of `CORRUPTIONS`. Frost is a computed texture, not photographs of ice as in the
        benchmark.
    severity : int, default 3
        1 to 5.
    seed : int, default 0
        The random numbers depend only on it, the corruption and the image's index in `images`; the
        severities of an image differ only in strength.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.

    Returns
    -------
    uint8, of the shape of `images`
    """
    found = pixels(images)
    out = np.empty((found.count, found.height, found.width, found.channels), np.uint8)
    own = context(n_jobs)
    call(
        lib.supcon_corrupt,
        own,
        ctypes.byref(found.struct),
        _convert.choice("corruption", corruption, _abi.Corruption),
        _convert.integer("severity", severity, -(2**31), 2**31 - 1),
        _convert.integer("seed", seed, 0, 2**64 - 1),
        out.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)),
        context=own,
        is_long=out.size > 1 << 18,
    )
    return out.reshape(as_array(images).shape)


def image_size(size: Size) -> tuple[int, int]:
    """Returns (height, width) for an int or a pair."""
    pair = (size, size) if isinstance(size, int) or not hasattr(size, "__iter__") else tuple(size)
    if len(pair) != 2:
        raise ArgumentError(f"size is {size!r}; expected a number of pixels, or (height, width)")
    return _convert.integer("image height", pair[0], 1, 65536), _convert.integer(
        "image width", pair[1], 1, 65536
    )
