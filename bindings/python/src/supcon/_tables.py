"""Converts tables, with one flattened image per row, to images: the form in which scikit-learn
passes data on.
"""

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
    """Tells whether X is a table [n, features], or has even fewer axes (a number, a single row),
    rather than images, paths or a data set.
    """
    if isinstance(X, (Dataset, str, bytes, os.PathLike)) or are_paths(X):
        return False
    if hasattr(X, "toarray"):
        return True  # a sparse matrix, which `validate_data` refuses
    try:
        return np.asarray(X).ndim <= 2
    except ValueError:
        return False  # images of different sizes


class Table:
    """The conversion of rows to images. The constructor decides it for the rows of `fit`; `images`
    applies it to others.

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
        """Converts rows [n, features] to images [n, height, width, 1]: bytes unchanged, or float32
        from 0 to 1.
        """
        # With a channel axis: else 1 to 4 columns would be taken for channels.
        shape = (len(rows), *self.shape, 1)
        if rows.dtype == np.uint8 and (self.low, self.high) == (0, 255):
            return rows.reshape(shape)
        # Halved first, since the difference of two f64 may overflow.
        low, high = self.low / 2, self.high / 2
        values = np.clip(rows.astype(np.float64) / 2, low, high) - low
        return np.asarray(values / ((high - low) or 1), np.float32).reshape(shape)


def rows_of_table(estimator: BaseEstimator, X: Any, reset: bool) -> Array:
    """Returns X as rows [n, features] of numbers, checked as scikit-learn does: finite, dense, with
    the number of features that `fit` saw. `reset`: these are the rows of `fit`, which needs two or
    more.
    """
    return validate_data(estimator, X, reset=reset, ensure_min_samples=2 if reset else 1)
