"""Finds the nearest rows of a gallery exactly, by comparing every row."""

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
    """Finds the k nearest rows of `gallery` for each query, nearest first, by comparing it with
    every row. Among equals the lower index comes first.

    Parameters
    ----------
    gallery : float [n, d]
    queries : float [m, d], optional
        None: each row of the gallery is a query among the others.
    k : int, optional
        None: 10.
    normalize : bool, optional
        True (the default): similarities are cosines. False: they are inner products of the rows as
        given, which for rows of length 1 saves a copy of the gallery.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.

    Returns
    -------
    similarities : float32 [m, k]
    indices : int64 [m, k]
        The order of the two results is that of faiss.
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
    # The library refuses more neighbors than rows: nothing is allocated for them.
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
