"""Computes the contrastive loss of queries against keys and a queue."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from . import _abi, _generated
from ._convert import flag
from ._errors import ArgumentError, ShapeError
from ._images import encode_labels, floats, integers
from ._library import call, context, defaults, lib
from ._loss import Reduced, float32, is_long
from ._options import LOSS, LOSS_ALONE, build
from ._types import ArrayLike, Float32

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._loss import CommonOptions

    class _Options(CommonOptions, total=False):
        queue: ArrayLike | None
        queue_labels: ArrayLike | None
        queue_positives: bool


@overload
def supcon_loss_queue(
    queries: ArrayLike,
    keys: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: Reduced = ...,
    return_gradient: Literal[False] = ...,
    **options: Unpack[_Options],
) -> float: ...


@overload
def supcon_loss_queue(
    queries: ArrayLike,
    keys: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: Reduced = ...,
    return_gradient: Literal[True],
    **options: Unpack[_Options],
) -> tuple[float, Float32]: ...


@overload
def supcon_loss_queue(
    queries: ArrayLike,
    keys: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: Literal["none"],
    return_gradient: Literal[False] = ...,
    **options: Unpack[_Options],
) -> Float32: ...


@overload
def supcon_loss_queue(
    queries: ArrayLike,
    keys: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: Literal["none"],
    return_gradient: Literal[True],
    **options: Unpack[_Options],
) -> tuple[Float32, Float32]: ...


@overload
def supcon_loss_queue(
    queries: ArrayLike,
    keys: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: _generated.ReductionName = ...,
    return_gradient: bool = ...,
    **options: Unpack[_Options],
) -> Any: ...


def supcon_loss_queue(
    queries: ArrayLike,
    keys: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    queue: ArrayLike | None = None,
    queue_labels: ArrayLike | None = None,
    queue_positives: bool = True,
    temperature: float = 0.1,
    form: _generated.FormName = "out",
    denominator: _generated.DenominatorName = "all",
    scale: float = 1.0,
    reduction: _generated.ReductionName = "mean",
    positives_cap: int = 0,
    seed: int = 0,
    return_gradient: bool = False,
    n_jobs: int | None = None,
) -> Any:
    """Computes the loss of queries against keys, which get no gradient, and a queue of earlier
    keys: the MoCo-style queue (arXiv:1911.05722; with labels Khosla et al.).

    Parameters
    ----------
    queries : float array [n, d]
        Each row of length 1, here and below. Other floats than float32 are converted.
    keys : float array [n, d] or [n, keys, d]
        The queries' own keys: other views of the same images, from a momentum encoder.
    labels : [n], optional
        Labels of any kind. Keys of the same label are positives. None: only a query's own keys are.
    queue : float array [m, d], optional
        Earlier keys.
    queue_labels : [m], optional
        Labels of the same kind. None: all entries are negatives, as is an entry with a label that
        no query has, such as -1.
    queue_positives : bool, default True
        Entries of a query's label are its positives; False: they take no part for it.

    The other parameters, what is returned (the gradient is that of `queries`) and what is raised
    are as in `supcon_loss`.
    """
    rows, own = float32(queries, "queries"), float32(keys, "keys")
    if rows.ndim != 2:
        raise ShapeError(f"queries have the shape {list(rows.shape)}; expected [n, d]")
    samples, dimension = rows.shape
    own = own[:, None] if own.ndim == 2 else own
    if own.ndim != 3 or own.shape[::2] != (samples, dimension):
        raise ShapeError(
            f"keys have the shape {list(np.shape(keys))}; expected [{samples}, "
            f"{dimension}] or [{samples}, keys, {dimension}]"
        )
    others = np.zeros((0, dimension), np.float32) if queue is None else float32(queue, "queue")
    if others.ndim != 2 or others.shape[1] != dimension:
        raise ShapeError(f"queue has the shape {list(others.shape)}; expected [m, {dimension}]")
    numbers = other_numbers = None
    if labels is not None:
        every = [np.asarray(labels)]
        if queue_labels is not None:
            every.append(np.asarray(queue_labels))
        for name, values, count in zip(("labels", "queue_labels"), every, (samples, len(others))):
            if np.shape(values) != (count,):
                raise ShapeError(
                    f"{name} have the shape {list(np.shape(values))}; expected [{count}]"
                )
        numbers = encode_labels(np.concatenate(every), sum(map(len, every)))[1]
        numbers, other_numbers = (
            numbers[:samples],
            None if queue_labels is None else numbers[samples:],
        )
    elif queue_labels is not None:
        raise ArgumentError("queue_labels were given without labels; expected both or neither")
    options = build(
        LOSS | LOSS_ALONE,
        temperature=temperature,
        form=form,
        denominator=denominator,
        scale=scale,
        reduction=reduction,
        positives_cap=positives_cap,
        seed=seed,
    )
    result = defaults(_abi.LossResult)
    per_query = (
        np.zeros(samples, np.float32) if options.reduction == _generated.Reduction.NONE else None
    )
    gradient = np.zeros(rows.shape, np.float32) if return_gradient else None
    how = context(n_jobs)
    call(
        lib.supcon_loss_queue,
        how,
        floats(rows),
        samples,
        dimension,
        floats(own),
        own.shape[1],
        integers(numbers),
        floats(others),
        len(others),
        integers(other_numbers),
        flag("queue_positives", queue_positives),
        ctypes.byref(options),
        ctypes.byref(result),
        floats(per_query),
        floats(gradient),
        context=how,
        is_long=is_long(samples, samples * own.shape[1] + len(others), dimension),
    )
    loss = result.loss if per_query is None else per_query
    return (loss, gradient) if return_gradient else loss
