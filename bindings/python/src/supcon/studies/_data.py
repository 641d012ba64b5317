"""Loads the data of a study."""

from __future__ import annotations

import numpy as np

from .. import _sources
from .._data import Dataset
from .._errors import ArgumentError
from .._types import Array, Int64


def load(data: str, test: str | None) -> tuple[Dataset, Dataset]:
    """Returns the images to train on and those to test with, both labeled, with the same
    classes.
    """
    train, own = _sources.read(data)
    if test is not None:
        own = _sources.read(test)[0]
    if own is None:
        raise ArgumentError(
            f"data is {data!r} without --test; expected the images to test with too, or data that "
            "have them, such as digits, fashion-mnist, or a folder of train/ and val/"
        )
    parts = train, own
    for name, part in zip((data, test or data), parts):
        if part.labels is None:
            raise ArgumentError(f"{name} has no labels, which a study needs")
    if parts[0].class_names != parts[1].class_names:
        raise ArgumentError(f"{data} and {test or 'its test images'} have different classes")
    return parts


def labels(data: Dataset) -> Int64:
    """Returns the labels, which all data of a study have."""
    if data.labels is None:
        raise ArgumentError("the images have no labels, which a study needs")
    return data.labels


def some(data: Dataset, classes: Array) -> Dataset:
    """Returns the images of some classes, renumbered from 0."""
    numbers = labels(data)
    kept = np.flatnonzero(np.isin(numbers, classes))
    return (
        data.subset(kept)
        .with_labels(np.searchsorted(classes, numbers[kept]))
        .with_class_names([data.class_names[it] for it in classes])
    )
