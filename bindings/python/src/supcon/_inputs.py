"""Accepts images in every form, with labels or without, and returns what the library takes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ._data import Dataset, encoded_dataset, from_pixels
from ._errors import ElementTypeError
from ._folder import ImageFolder
from ._images import Pixels, are_bytes, are_paths, as_array, encode_labels, is_picture, pixels
from ._options import DATASET, build
from ._pictures import encoded, item_array, picture_array
from ._types import Array, ArrayLike


def source(images: Any, channels: int | None = None) -> Pixels | Dataset:
    """Accepts a data set; an array; one path, encoded image or Pillow image; or a list of any of
    these, arrays of different sizes too. Every file must be readable, so that rows of results match
    it. `channels`: those that a model takes; gray is made RGB, RGB gray, and alpha is dropped for
    it. An array without images is left for the library to refuse.
    """
    if isinstance(images, Dataset):
        return images
    wanted = channels if channels in (1, 3) else None
    options = build(DATASET, on_error="refuse", channels=wanted)
    if isinstance(images, (str, os.PathLike)):
        if os.path.isdir(images):
            raise ElementTypeError(
                f"images is the folder {os.fspath(images)!r}; expected images, or "
                "supcon.ImageFolder(path)"
            )
        images = [images]
    elif are_bytes(images):
        images = [images]
    elif is_picture(images):
        images = picture_array(images)[None]
    if are_paths(images):
        return encoded_dataset([Path(it) for it in images], None, options)
    if isinstance(images, (list, tuple)) and len(images) > 0:
        alone = [isinstance(it, (str, os.PathLike)) or are_bytes(it) for it in images]
        if any(alone) or all(_is_image(it) for it in images):
            names = [f"images[{at}]" for at in range(len(images))]
            if not any(alone):
                arrays = [item_array(it, name) for it, name in zip(images, names)]
                if len({(it.shape, it.dtype) for it in arrays}) == 1:
                    stacked = pixels(np.stack(arrays))
                    return _with_channels(stacked, wanted)
            items = [encoded(it, name) for it, name in zip(images, names)]
            return encoded_dataset(
                [it if isinstance(it, bytes) else Path(it) for it in items], None, options
            )
    return _with_channels(pixels(images), wanted)


def _is_image(item: Any) -> bool:
    """Tells whether an item of a list is an image rather than a row of numbers."""
    return is_picture(item) or (not isinstance(item, (list, tuple)) and as_array(item).ndim > 0)


def _with_channels(found: Pixels, wanted: int | None) -> Pixels | Dataset:
    return found if wanted in (None, found.channels) else from_pixels(found, channels=wanted)


def labeled(images: Any, labels: ArrayLike | None = None) -> tuple[Dataset, Array | None]:
    """Returns a data set to train on and the classes of its labels (None without labels). `labels`
    of any kind take the place of the data set's own.
    """
    found = source(images)
    data = from_pixels(found) if isinstance(found, Pixels) else found
    if labels is not None:
        classes, numbers = encode_labels(labels, len(data))
        return _named(data.with_labels(numbers), classes), classes
    if data.labels is None:
        return data, None
    named = isinstance(data, ImageFolder) or has_names(data)
    return data, np.array(data.class_names) if named else data.class_labels


def has_names(data: Dataset) -> bool:
    """Tells whether the classes have names other than their labels."""
    return data.class_names != [str(it) for it in data.class_labels]


def _named(data: Dataset, classes: Array) -> Dataset:
    """Names the classes after their labels, so that a model fitted on the data set keeps them; 0,
    1, … are the names of numbered classes already.
    """
    names = [str(it) for it in classes]
    return (
        data
        if names == data.class_names or any("\0" in it for it in names)
        else data.with_class_names(names)
    )
