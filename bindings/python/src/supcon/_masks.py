"""Makes masks for `supcon_loss` from several labels per sample or from numbers."""

from __future__ import annotations

import ctypes
from typing import Literal

import numpy as np

from . import _abi, _convert
from ._errors import ArgumentError, ElementTypeError, ShapeError
from ._images import floats
from ._library import check, context, lib
from ._types import ArrayLike, Float32


def mask_from_multilabel(
    labels: ArrayLike,
    rule: Literal["any", "all", "jaccard"] = "any",
    *,
    n_jobs: int | None = None,
) -> Float32:
    """Makes a mask for samples that have any number of labels.

    Parameters
    ----------
    labels : [n, labels] of 0 and 1, or bool
    rule : {"any", "all", "jaccard"}, default "any"
        "any": 1 if two samples share a label; "all": 1 if they have the same labels; "jaccard":
        the number of labels that they share over the number that either has.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.

    Returns
    -------
    float32 [n, n]
        For the argument `mask` of `supcon_loss`. A sample without a label has no positives but its
        own views; the diagonal is 1.
    """
    array = np.asarray(labels)
    if array.ndim != 2:
        raise ShapeError(f"labels have the shape {list(array.shape)}; expected [n, labels]")
    if array.dtype.kind not in "biuf":
        raise ElementTypeError(f"labels are of type {array.dtype}; expected 0 and 1, or bool")
    wrong = array[(array != 0) & (array != 1)]
    if wrong.size:
        raise ArgumentError(f"labels hold {wrong[0]!r}; expected 0 and 1")
    sets = np.ascontiguousarray(array, np.uint8)
    mask = np.zeros((len(sets), len(sets)), np.float32)
    check(
        lib.supcon_mask_from_multilabel(
            context(n_jobs),
            sets.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)),
            *sets.shape,
            _convert.choice("rule", rule, _abi.Rule),
            floats(mask),
        )
    )
    return mask


def mask_from_values(values: ArrayLike, bandwidth: float, *, n_jobs: int | None = None) -> Float32:
    """Makes a mask for samples whose labels are numbers: exp(-|y_i - y_j|^2 / (2 bandwidth^2)), as
    in arXiv:2106.08808.

    Parameters
    ----------
    values : [n] or [n, d] of numbers
    bandwidth : float
        Above 0. Pairs further apart than 13 bandwidths are negatives.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.

    Returns
    -------
    float32 [n, n]
        For the argument `mask` of `supcon_loss`.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise ElementTypeError(f"values are of type {array.dtype}; expected numbers")
    if array.ndim not in (1, 2):
        raise ShapeError(f"values have the shape {list(array.shape)}; expected [n] or [n, d]")
    rows = np.ascontiguousarray(
        array.reshape(len(array), -1) if len(array) else array.reshape(0, 1), np.float64
    )
    mask = np.zeros((len(rows), len(rows)), np.float32)
    check(
        lib.supcon_mask_from_values(
            context(n_jobs),
            rows.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
            *rows.shape,
            _convert.real("bandwidth", bandwidth),
            floats(mask),
        )
    )
    return mask
