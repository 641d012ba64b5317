"""Evaluates embeddings by linear probe, nearest neighbors and class prototypes. `_measures` has the
measures that need no classifier.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from . import _abi, _generated
from ._errors import ShapeError
from ._images import encode_labels, floats, integers
from ._library import call, context, defaults, lib
from ._measures import Calibration, calibration, rows_of
from ._options import EVALUATE, build
from ._shown import Shown
from ._types import Array, ArrayLike


@dataclass(frozen=True, repr=False)
class Evaluation(Shown):
    """The result of `evaluate`.

    top1, top5 : fraction of the test rows whose label is the first guess, or among the first five.
    classes : [c], the labels in order. predictions : [n], a label for each test row.
    confusion : int64 [c, c], rows the truth, columns the guess.
    probabilities : float32 [n, c]: the softmax of the logits (linear), each class's fraction of
    the votes (knn), the softmax of cosine / temperature (prototypes).
    labels : [n], those of the test rows.
    l2 : that of the method "linear": the option, or what was chosen; None for other methods.
    """

    top1: float
    top5: float
    classes: Array
    predictions: Array
    confusion: Array
    probabilities: Array
    labels: Array
    l2: float | None

    def calibration(self, bins: int | None = None) -> Calibration:
        """Returns `supcon.calibration` of the probabilities."""
        return calibration(
            self.probabilities, np.searchsorted(self.classes, self.labels), bins=bins
        )


def evaluate(
    train: ArrayLike,
    train_labels: ArrayLike,
    test: ArrayLike,
    test_labels: ArrayLike,
    method: _generated.MethodName = "linear",
    *,
    k: int | None = None,
    temperature: float | None = None,
    iterations: int | None = None,
    l2: float | None = None,
    n_jobs: int | None = None,
) -> Evaluation:
    """Fits `method` on the embeddings `train` and predicts those of `test`.

    Parameters
    ----------
    train, test : float [n, d]
        Embeddings; each is scaled to length 1 first.
    train_labels, test_labels : [n]
        Labels of any kind.
    method : {"linear", "knn", "prototypes"}
        "linear": softmax regression; "knn": the vote of the k nearest by cosine, weighted by
        exp(cosine / temperature); "prototypes": the nearest class mean by cosine.
    k, temperature, iterations, l2 : optional
        Options of "knn" (k, temperature), "prototypes" (temperature, for probabilities) and
        "linear" (iterations, l2). None: the library's defaults; for l2, 5 over the number of
        rows, or 0.05, 0.5 or 50 over it where that predicts held-out rows better.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.
    """
    rows, tests = rows_of(train, "train"), rows_of(test, "test")
    if rows.shape[1] != tests.shape[1]:
        raise ShapeError(
            f"train rows have {rows.shape[1]} numbers and test rows "
            f"{tests.shape[1]}; expected the same"
        )
    known, seen = np.asarray(train_labels), np.asarray(test_labels)
    _one_each("train_labels", known, len(rows))
    _one_each("test_labels", seen, len(tests))
    classes, numbers = encode_labels(np.concatenate([known, seen]), len(rows) + len(tests))
    options = build(
        EVALUATE, method=method, k=k, temperature=temperature, iterations=iterations, l2=l2
    )
    scores, first = defaults(_abi.Scores), np.ascontiguousarray(numbers[: len(rows)])
    truth = np.ascontiguousarray(numbers[len(rows) :])
    predictions, confusion = (
        np.zeros(len(tests), np.int64),
        np.zeros((len(classes), len(classes)), np.int64),
    )
    fractions = np.zeros((len(tests), len(classes)), np.float32)
    own = context(n_jobs)
    call(
        lib.supcon_evaluate,
        own,
        floats(rows),
        integers(first),
        len(rows),
        floats(tests),
        integers(truth),
        len(tests),
        rows.shape[1],
        ctypes.byref(options),
        ctypes.byref(scores),
        integers(predictions),
        floats(fractions),
        fractions.size,
        integers(confusion),
        confusion.size,
        context=own,
        is_long=rows.size > 1 << 16,
    )
    return Evaluation(
        scores.top1,
        scores.top5,
        classes,
        classes[predictions],
        confusion,
        fractions,
        seen,
        scores.l2 if method == "linear" else None,
    )


def _one_each(name: str, labels: Array, count: int) -> None:
    if labels.shape != (count,):
        raise ShapeError(f"{name} have the shape {list(labels.shape)}; expected [{count}]")
