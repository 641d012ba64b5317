"""The nearest rows of a gallery, exactly: every row is compared."""

from __future__ import annotations

import ctypes

import numpy as np

from ._errors import ShapeError
from ._images import floats, integers
from ._library import call, context, lib
from ._measures import rows_of
from ._options import NEAREST, build
from ._types import ArrayLike, Float32, Int64


def nearest(
    gallery: ArrayLike,
    queries: ArrayLike | None = None,
    *,
    k: int | None = None,
    normalize: bool | None = None,
    n_jobs: int | None = None,
) -> tuple[Float32, Int64]:
    """The k nearest rows of `gallery` for each query, the nearest first, found by comparing it with
    every row; among equals the lower index comes first.

    Parameters
    ----------
    gallery : float [n, d]
    queries : float [m, d], optional
        None: the gallery's rows, each of which looks for the others.
    k : int, optional
        None: 10.
    normalize : bool, optional
        True (the default): rows are divided by their lengths, similarities are cosines. False: they
        are products of the rows as they are; for rows of length 1 this saves a copy of the gallery.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.

    Returns
    -------
    similarities : float32 [m, k]
    indices : int64 [m, k]
        In the order in which faiss returns them.
    """
    rows = rows_of(gallery, "gallery")
    asked = None if queries is None else rows_of(queries, "queries")
    if asked is not None and asked.shape[1] != rows.shape[1]:
        raise ShapeError(
            f"gallery rows have {rows.shape[1]} numbers and queries {asked.shape[1]}; "
            "expected the same"
        )
    options = build(NEAREST, k=k, normalize=normalize)
    count = len(rows if asked is None else asked)
    # More neighbors than rows are refused: they are no reason to allocate anything.
    width = min(max(options.k, 1), max(len(rows), 1))
    similarities, indices = np.empty((count, width), np.float32), np.empty((count, width), np.int64)
    threads = context(n_jobs)
    call(
        lib.supcon_nearest,
        threads,
        floats(rows),
        len(rows),
        floats(asked),
        0 if asked is None else len(asked),
        rows.shape[1],
        ctypes.byref(options),
        integers(indices),
        floats(similarities),
        context=threads,
        is_long=count * rows.size > 1 << 28,
    )
    return similarities, indices
