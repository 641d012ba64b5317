"""Tables, one flattened image a row, as images: the form in which scikit-learn hands data on."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from ._data import Dataset
from ._images import are_paths
from ._sklearn import BaseEstimator, validate_data
from ._types import Array


def is_table(X: Any) -> bool:
    """Whether X is a table [n, features], or not even that (a number, a single row), rather than
    images, paths or a data set.
    """
    if isinstance(X, (Dataset, str, bytes, os.PathLike)) or are_paths(X):
        return False
    if hasattr(X, "toarray"):
        return True  # a sparse matrix: it is refused as such
    try:
        return np.asarray(X).ndim <= 2
    except ValueError:
        return False  # images of different sizes


class Table:
    """How rows become images. `fit` decides it; `images` applies it to other rows.

    shape : (height, width), the two whose product is the number of features: the caller's, else
    those of a square, else (1, features).
    low, high : float, the values that are black and white: 0 and 255 of uint8, 0 and 1 of reals
    within these, else the smallest and the largest of all. Values beyond them are clipped.
    """

    def __init__(self, rows: Array, size: tuple[int, int] | None):
        features, side = rows.shape[1], math.isqrt(rows.shape[1])
        if size is not None and size[0] * size[1] == features:
            self.shape = size
        else:
            self.shape = (side, side) if side * side == features else (1, features)
        self.low, self.high = float(rows.min()), float(rows.max())
        if rows.dtype == np.uint8:
            self.low, self.high = 0.0, 255.0
        elif rows.dtype.kind == "f" and self.low >= 0 and self.high <= 1:
            self.low, self.high = 0.0, 1.0

    def images(self, rows: Array) -> Array:
        """Rows [n, features] as images [n, height, width, 1]: bytes as they are, or f32, 0 to 1."""
        shape = (len(rows), *self.shape, 1)  # a channel: else a few columns would be one
        if rows.dtype == np.uint8 and (self.low, self.high) == (0, 255):
            return rows.reshape(shape)
        # Halved first: the difference of two numbers of f64 may not be one.
        low, high = self.low / 2, self.high / 2
        values = np.clip(rows.astype(np.float64) / 2, low, high) - low
        return np.asarray(values / ((high - low) or 1), np.float32).reshape(shape)


def rows_of_table(estimator: BaseEstimator, X: Any, reset: bool) -> Array:
    """X as rows [n, features] of numbers, checked as scikit-learn does: finite, dense, with the
    features that `fit` has seen. `reset`: these are those of `fit`, which takes two rows or more.
    """
    return validate_data(estimator, X, reset=reset, ensure_min_samples=2 if reset else 1)
