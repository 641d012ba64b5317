"""Measures embeddings and probabilities: retrieval, calibration, corruption errors, alignment and
uniformity, out-of-distribution scores.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _abi
from ._errors import ArgumentError, ElementTypeError, ShapeError
from ._images import doubles, encode_labels, floats, integers
from ._library import call, check, context, defaults, lib
from ._options import CALIBRATION, OOD, build
from ._shown import Shown
from ._types import Array, ArrayLike, Float32


@dataclass(frozen=True, repr=False)
class Retrieval(Shown):
    """The result of `retrieval`: means over the queries that have a matching row.
    queries_without_match counts the others.
    """

    precision_at_1: float
    r_precision: float
    map_at_r: float
    queries: int
    queries_without_match: int


@dataclass(frozen=True, repr=False)
class Calibration(Shown):
    """The result of `calibration`.

    expected_calibration_error, maximum_calibration_error : ECE and MCE
    accuracy, confidence : means over all rows
    negative_log_likelihood, brier_score
    bin_counts, bin_confidences, bin_accuracies : [bins], the reliability diagram; bin b holds
    confidences in (b / bins, (b + 1) / bins]
    """

    expected_calibration_error: float
    maximum_calibration_error: float
    accuracy: float
    confidence: float
    negative_log_likelihood: float
    brier_score: float
    bin_counts: Array
    bin_confidences: Array
    bin_accuracies: Array


@dataclass(frozen=True, repr=False)
class CorruptionError(Shown):
    """The result of `corruption_error`; 1 is as bad as the baseline.

    mean, relative_mean : mCE and relative mCE (NaN without clean errors)
    ratios, relative_ratios : [corruptions]
    """

    mean: float
    relative_mean: float
    ratios: Array
    relative_ratios: Array


@dataclass(frozen=True, repr=False)
class Detection(Shown):
    """The result of `ood_detection`.

    auroc : probability that an outside row scores higher than an inside row; ties count half
    fpr95 : fraction of the outside rows that are accepted where 95 % of the inside rows are
    threshold : the score up to which rows are accepted for that
    """

    auroc: float
    fpr95: float
    threshold: float


def retrieval(
    gallery: ArrayLike,
    gallery_labels: ArrayLike,
    queries: ArrayLike | None = None,
    query_labels: ArrayLike | None = None,
    *,
    n_jobs: int | None = None,
) -> Retrieval:
    """Measures how well embeddings find others of their label by cosine: precision@1, R-precision
    and MAP@R (Musgrave et al., arXiv:2003.08505).

    Parameters
    ----------
    gallery : float [n, d]; gallery_labels : [n] of any kind
    queries : float [m, d], optional; query_labels : [m]
        None: each row of the gallery is a query among the others.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.
    """
    rows = rows_of(gallery, "gallery")
    if (queries is None) != (query_labels is None):
        raise ArgumentError("of queries and query_labels one was given; expected both or neither")
    asked = None if queries is None else rows_of(queries, "queries")
    if asked is not None and asked.shape[1] != rows.shape[1]:
        raise ShapeError(
            f"gallery rows have {rows.shape[1]} numbers and queries "
            f"{asked.shape[1]}; expected the same"
        )
    known = np.asarray(gallery_labels)
    labels = known if asked is None else np.concatenate([known, np.asarray(query_labels)])
    if known.shape != (len(rows),):
        raise ShapeError(
            f"gallery_labels have the shape {list(known.shape)}; expected [{len(rows)}]"
        )
    count = 0 if asked is None else len(asked)
    _, numbers = encode_labels(labels, len(rows) + count)
    first, second = (
        np.ascontiguousarray(numbers[: len(rows)]),
        np.ascontiguousarray(numbers[len(rows) :]),
    )
    scores = defaults(_abi.RetrievalScores)
    own = context(n_jobs)
    call(
        lib.supcon_retrieval,
        own,
        floats(rows),
        integers(first),
        len(rows),
        floats(asked),
        integers(second),
        count,
        rows.shape[1],
        ctypes.byref(scores),
        context=own,
        is_long=rows.size > 1 << 16,
    )
    return Retrieval(
        scores.precision_at_1,
        scores.r_precision,
        scores.map_at_r,
        scores.queries,
        scores.queries_without_match,
    )


def calibration(
    probabilities: ArrayLike, labels: ArrayLike, *, bins: int | None = None
) -> Calibration:
    """Measures how far a classifier's confidence is from its accuracy (Guo et al.,
    arXiv:1706.04599).

    Parameters
    ----------
    probabilities : float [n, classes], rows of sum 1
    labels : int [n], 0 to classes - 1: the right column of each row
    bins : int, optional
        Number of bins of confidence; None: 15.
    """
    rows, numbers = rows_of(probabilities, "probabilities"), np.asarray(labels)
    if numbers.dtype.kind not in "iu":
        raise ElementTypeError(
            f"labels are of type {numbers.dtype}; expected integers, the columns of probabilities"
        )
    if numbers.shape != (len(rows),):
        raise ShapeError(f"labels have the shape {list(numbers.shape)}; expected [{len(rows)}]")
    numbers, options, scores = (
        np.ascontiguousarray(numbers, np.int64),
        build(CALIBRATION, bins=bins),
        defaults(_abi.CalibrationScores),
    )
    size = min(max(options.bins, 0), 1_000_000)
    counts, confidences, accuracies = np.zeros(size, np.int64), np.zeros(size), np.zeros(size)
    check(
        lib.supcon_calibration(
            floats(rows),
            integers(numbers),
            len(rows),
            rows.shape[1],
            ctypes.byref(options),
            ctypes.byref(scores),
            integers(counts),
            doubles(confidences),
            doubles(accuracies),
        )
    )
    return Calibration(
        scores.expected_calibration_error,
        scores.maximum_calibration_error,
        scores.accuracy,
        scores.confidence,
        scores.negative_log_likelihood,
        scores.brier_score,
        counts,
        confidences,
        accuracies,
    )


def corruption_error(
    errors: ArrayLike,
    baseline: ArrayLike,
    clean: float | None = None,
    clean_baseline: float | None = None,
) -> CorruptionError:
    """Computes robustness to corruptions relative to a baseline: mCE and relative mCE (Hendrycks
    and Dietterich, arXiv:1903.12261), as ratios; papers print them times 100.

    Parameters
    ----------
    errors, baseline : [corruptions, severities]
        Fractions of images, 0 to 1.
    clean, clean_baseline : float, optional
        Errors on clean images; None (both): relative mCE is NaN.
    """
    own, theirs = (np.ascontiguousarray(it, np.float64) for it in (errors, baseline))
    if own.ndim != 2 or own.shape != theirs.shape:
        raise ShapeError(
            f"errors have the shape {list(own.shape)} and baseline "
            f"{list(theirs.shape)}; expected [corruptions, severities] of both"
        )
    scores, ratios, relative = (
        defaults(_abi.CorruptionScores),
        np.empty(len(own)),
        np.empty(len(own)),
    )
    plain = [np.nan if it is None else float(it) for it in (clean, clean_baseline)]
    check(
        lib.supcon_corruption_error(
            doubles(own),
            doubles(theirs),
            *own.shape,
            *plain,
            ctypes.byref(scores),
            doubles(ratios),
            doubles(relative),
        )
    )
    return CorruptionError(scores.mean, scores.relative_mean, ratios, relative)


def alignment(embeddings: ArrayLike, labels: ArrayLike, *, n_jobs: int | None = None) -> float:
    """Returns the mean squared distance between two embeddings of one label, scaled to length 1
    (Wang and Isola, arXiv:2005.10242): 0 at best, 2 for unrelated ones, NaN if no two share a
    label. embeddings : float [n, d]; labels : [n] of any kind.
    """
    rows, value = rows_of(embeddings, "embeddings"), ctypes.c_double()
    _, numbers = encode_labels(labels, len(rows))
    check(
        lib.supcon_alignment(
            context(n_jobs),
            floats(rows),
            integers(numbers),
            len(rows),
            rows.shape[1],
            ctypes.byref(value),
        )
    )
    return value.value


def uniformity(embeddings: ArrayLike, *, n_jobs: int | None = None) -> float:
    """Returns log of the mean of exp(-2 distance squared) over pairs of embeddings scaled to length
    1 (Wang and Isola, arXiv:2005.10242): 0 if all are equal, about -4 if they are spread evenly.
    Only the first 4096 are used. embeddings : float [n, d].
    """
    rows, value = rows_of(embeddings, "embeddings"), ctypes.c_double()
    check(
        lib.supcon_uniformity(
            context(n_jobs), floats(rows), len(rows), rows.shape[1], ctypes.byref(value)
        )
    )
    return value.value


def ood_scores(
    train: ArrayLike,
    queries: ArrayLike | None = None,
    *,
    k: int | None = None,
    n_jobs: int | None = None,
) -> Float32:
    """Scores how likely each query is out of distribution: its distance to the k-th nearest
    training embedding, both scaled to length 1, from 0 to 2 (Sun et al., arXiv:2204.06507). The
    larger, the more likely.

    Parameters
    ----------
    train : float [n, d]
    queries : float [m, d], optional
        None: the training embeddings, each without itself.
    k : int, optional
        None: 50, or the farthest if there are fewer.

    Returns
    -------
    float32 [m]
    """
    rows = rows_of(train, "train")
    asked = None if queries is None else rows_of(queries, "queries")
    if asked is not None and asked.shape[1] != rows.shape[1]:
        raise ShapeError(
            f"train rows have {rows.shape[1]} numbers and queries {asked.shape[1]}; "
            "expected the same"
        )
    options, scores = build(OOD, k=k), np.empty(len(rows if asked is None else asked), np.float32)
    own = context(n_jobs)
    call(
        lib.supcon_ood_scores,
        own,
        floats(rows),
        len(rows),
        floats(asked),
        0 if asked is None else len(asked),
        rows.shape[1],
        ctypes.byref(options),
        floats(scores),
        context=own,
        is_long=rows.size > 1 << 16,
    )
    return scores


def ood_detection(inside: ArrayLike, outside: ArrayLike) -> Detection:
    """Measures how well scores, larger for outside rows, separate the two: AUROC, and the
    false-positive rate at which 95 % of the inside rows are accepted. inside : [n]; outside : [m].
    """
    parts: list[Any] = []
    for name, values in (("inside", inside), ("outside", outside)):
        array = np.ascontiguousarray(values, np.float32)
        if array.ndim != 1:
            raise ShapeError(f"{name} has the shape {list(array.shape)}; expected [n]")
        parts += [floats(array), len(array)]
    scores = defaults(_abi.DetectionScores)
    check(lib.supcon_detection(*parts, ctypes.byref(scores)))
    return Detection(scores.auroc, scores.fpr95, scores.threshold)


def rows_of(values: ArrayLike, name: str) -> Float32:
    """Returns `values` as dense float32 [n, d]."""
    array = np.asarray(values)
    if array.dtype.kind != "f":
        raise ElementTypeError(f"{name} is of type {array.dtype}; expected float32")
    if array.ndim != 2:
        raise ShapeError(f"{name} has the shape {list(array.shape)}; expected [n, d]")
    return np.ascontiguousarray(array, np.float32)
