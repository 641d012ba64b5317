"""Computes how much each image counts in a loss, from scikit-learn's arguments."""

from __future__ import annotations

import numpy as np

from ._data import Dataset
from ._errors import ArgumentError, ElementTypeError, ShapeError
from ._types import Array, ArrayLike, ClassWeight, Float32, Float64


def sample_weights(weights: ArrayLike, count: int) -> Float32:
    """Returns `sample_weight` as float32 [count], finite and 0 or more."""
    array = np.asarray(weights)
    if array.dtype.kind not in "buif":
        raise ElementTypeError(f"sample_weight is of type {array.dtype}; expected numbers")
    if array.shape != (count,):
        raise ShapeError(
            f"sample_weight has the shape {list(array.shape)}; expected [{count}], a number for "
            "each image"
        )
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, np.float32)
    if not ((array >= 0).all() and np.isfinite(array).all()):
        raise ArgumentError(
            "sample_weight has numbers below 0, NaN or infinity; expected 0 or more"
        )
    if not array.any():
        raise ArgumentError("sample_weight is zero for every image; expected one above 0")
    return array


def class_weights(weights: ClassWeight, classes: Array, indices: Array) -> Float64:
    """Returns an estimator's `class_weight` as float64 [classes]. indices: [n], each
    image's class.
    """
    if isinstance(weights, str):
        if weights != "balanced":
            raise ArgumentError(f"class_weight is {weights!r}; expected 'balanced' or numbers")
        counts = np.bincount(indices, minlength=len(classes))
        present = (counts > 0).sum()
        return np.where(counts > 0, len(indices) / (present * np.maximum(counts, 1)), 1.0)
    if isinstance(weights, dict):
        found = np.ones(len(classes))
        places = {label: at for at, label in enumerate(classes.tolist())}
        for label, weight in weights.items():
            if label not in places:
                raise ArgumentError(
                    f"class_weight has the label {label!r}, which no class has; expected some of "
                    f"{', '.join(map(repr, list(places)[:20]))}"
                )
            found[places[label]] = weight
        return found
    array = np.asarray(weights)
    if array.shape != (len(classes),) or array.dtype.kind not in "buif":
        raise ShapeError(
            f"class_weight is {array.dtype} {list(array.shape)}; expected 'balanced', a dict, or "
            f"[{len(classes)}], a number for each class in order"
        )
    return array.astype(np.float64)


def weighted(
    data: Dataset,
    classes: Array | None,
    class_weight: ClassWeight | None = None,
    sample_weight: ArrayLike | None = None,
) -> Dataset:
    """Returns the data set weighted with the products of both weights, or unchanged if neither is
    given. classes: labels in order, or None.
    """
    if class_weight is None and sample_weight is None:
        return data
    product = np.ones(len(data))
    if sample_weight is not None:
        product *= sample_weights(sample_weight, len(data))
    if class_weight is not None:
        indices = data.class_indices
        if classes is None or indices is None:
            raise ArgumentError(
                f"class_weight is {class_weight!r}, and the images have no labels; expected y, or "
                "sample_weight instead"
            )
        product *= class_weights(class_weight, np.asarray(classes), indices)[indices]
    return data.with_weights(product)
