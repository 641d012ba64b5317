"""The views that training makes, to look at or to use elsewhere."""

from __future__ import annotations

import ctypes

import numpy as np

from . import _convert
from . import _options
from ._images import floats, pixels
from ._library import check, context, lib


def augment(images, augmentation="simclr", *, seed=0, epoch=1, view=0, size=None, n_jobs=None) -> np.ndarray:
    """The views that training would make of `images`.

    Parameters
    ----------
    images : uint8 or float [n, h, w] or [n, h, w, c]
    augmentation : {"simclr", "crop_flip", "none"} or dict, default "simclr"
        A dict has "kind" and the fields to change, such as {"kind": "simclr", "crop_scale_min": 0.5}.
    seed, epoch, view : int
        The random numbers depend on these and the image's place in `images` alone.
    size : int or (height, width), optional
        Of the views, in pixels; None: as the images are.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.

    Returns
    -------
    float32 [n, height, width, c], from 0 to 1, not normalised by mean and deviation
    """
    found, options = pixels(images), _options.augmentation(augmentation)
    height, width = (found.height, found.width) if size is None else image_size(size)
    views = np.empty((found.count, height, width, found.channels), np.float32)
    check(lib.supcon_augment(context(n_jobs), ctypes.byref(found.struct), None if options is None else ctypes.byref(options),
                             _convert.integer("seed", seed, 0, 2**64 - 1), _convert.integer("epoch", epoch, -(2**63), 2**63 - 1),
                             _convert.integer("view", view, -(2**63), 2**63 - 1), height, width, floats(views)))
    return views


def image_size(size) -> tuple[int, int]:
    """(height, width) of an int or a pair."""
    pair = tuple(size) if hasattr(size, "__iter__") else (size, size)
    if len(pair) != 2:
        raise _options.ArgumentError(f"size is {size!r}; expected a number of pixels, or (height, width)")
    return _convert.integer("image height", pair[0], 1, 65536), _convert.integer("image width", pair[1], 1, 65536)
