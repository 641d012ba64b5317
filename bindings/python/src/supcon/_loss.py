"""Computes the contrastive loss of embeddings."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from . import _abi, _generated
from ._convert import flag
from ._errors import ArgumentError, ElementTypeError, ShapeError
from ._images import encode_labels, floats, integers
from ._library import call, context, defaults, lib
from ._options import LOSS, LOSS_ALONE, build
from ._types import ArrayLike, Float32
from ._weights import sample_weights


def supcon_loss(
    features: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    mask: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    temperature: float = 0.1,
    form: _generated.FormName = "out",
    denominator: _generated.DenominatorName = "all",
    anchors: _generated.AnchorsName = "all",
    scale: float = 1.0,
    reduction: _generated.ReductionName = "mean",
    normalize: bool = False,
    positives_cap: int = 0,
    seed: int = 0,
    return_gradient: bool = False,
    return_without_positive: bool = False,
    n_jobs: int | None = None,
) -> Any:
    """Computes the supervised contrastive loss (Khosla et al., arXiv:2004.11362) and its gradient,
    in O(n d) memory.

    Parameters
    ----------
    features : float array [n, d] or [batch, views, d]
        Embeddings, each of length 1 (or see `normalize`). Other floats than float32 are converted.
    labels : [n] or [batch], optional
        Of any kind (integers, strings). Samples with the same label are positives of each other.
        None: only the views of one sample are (SimCLR).
    mask : float array [batch, batch], optional
        mask[i, j] > 0 is the weight of j as a positive of i; 0 makes it a negative. It may be
        asymmetric; the entry [i, i] is for the other views of i. Excludes `labels`.
        `mask_from_multilabel` and `mask_from_values` make masks.
    sample_weight : [n] or [batch], optional
        The factor on the losses of a sample's anchors, 0 or more. A mean still divides by the
        number of anchors: weights of mean 1 keep its size.
    temperature : float, default 0.1
        Above 0.
    form : {"out", "in"}, default "out"
        The mean over positives outside the logarithm (equation 2 of the paper; the one to use), or
        inside (equation 3).
    denominator : {"all", "one_positive", "negatives"}, default "all"
        Every other view (the paper); the positive at hand and the negatives (SINCERE; form "out"
        only); the negatives alone (decoupled).
    anchors : {"all", "first"}, default "all"
        Every view of every sample is an anchor, or the first view of each; all views are contrasted
        with.
    scale : float, default 1.0
        Factor on the loss. SupContrast's loss: temperature / 0.07; google-research's: temperature.
    reduction : {"mean", "mean_all", "sum", "none"}, default "mean"
        Mean over the anchors that have a positive; over all anchors; sum; none: an array with the
        loss of each anchor.
    normalize : bool, default False
        Divide each row by its length first, and differentiate through it.
    positives_cap : int, default 0
        The maximum number of positives of an anchor: the other views of its own sample first, then
        others at random. Those that are not chosen take no part, not even in denominators. 0: all
        count. With 1, single views and temperature 1 the loss is N-pairs' with 2(N - 1)
        negatives, as arXiv:2004.11362 has it; with Sohn's own N - 1 (NIPS 2016) it is
        ``supcon_loss_queue(anchors, positives, temperature=1)``, without the positives' gradient.
    seed : int, default 0
        The seed of that choice.
    return_gradient : bool, default False
        Return the gradient too.
    return_without_positive : bool, default False
        Return the number of anchors without a positive too.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.

    Returns
    -------
    loss : float; with reduction "none" float32 [n], [batch, views], or [batch] with anchors "first"
        An anchor without a positive contributes 0, never NaN.
    gradient : float32, like features
        Only with `return_gradient`: of the reduced loss (with "none": of the sum) with respect to
        `features` as passed.
    without_positive : int
        Only with `return_without_positive`.

    Raises
    ------
    ArgumentError (a ValueError), ShapeError (a ValueError), ElementTypeError (a TypeError),
    OutOfMemoryError (a MemoryError)
    """
    rows = _float32(features, "features")
    if rows.ndim not in (2, 3):
        raise ShapeError(
            f"features have the shape {list(rows.shape)}; expected [n, d] or [batch, views, d]"
        )
    samples, views = rows.shape[0], rows.shape[1] if rows.ndim == 3 else 1
    numbers = weights = None
    if labels is not None:
        if mask is not None:
            raise ArgumentError("both labels and mask were given; expected one of them")
        numbers = encode_labels(labels, samples)[1]
    if mask is not None:
        weights = _float32(mask, "mask")
        if weights.shape != (samples, samples):
            raise ShapeError(
                f"mask has the shape {list(weights.shape)}; expected [{samples}, {samples}]"
            )
    if sample_weight is not None:
        importance = sample_weights(sample_weight, samples)
    options = build(
        LOSS | LOSS_ALONE,
        temperature=temperature,
        form=form,
        denominator=denominator,
        anchors=anchors,
        scale=scale,
        reduction=reduction,
        normalize=normalize,
        positives_cap=positives_cap,
        seed=seed,
    )
    result = defaults(_abi.LossResult)
    single = options.reduction == _generated.Reduction.NONE
    shape = (
        (samples,)
        if options.anchors == _generated.Anchors.FIRST or rows.ndim == 2
        else (samples, views)
    )
    per_anchor = np.zeros(shape, np.float32) if single else None
    gradient = np.zeros(rows.shape, np.float32) if return_gradient else None
    how = context(n_jobs)
    call(
        lib.supcon_loss_weighted,
        how,
        floats(rows),
        samples,
        views,
        rows.shape[-1],
        integers(numbers),
        None if weights is None else floats(weights),
        None if sample_weight is None else floats(importance),
        ctypes.byref(options),
        ctypes.byref(result),
        floats(per_anchor) if single else None,
        floats(gradient) if return_gradient else None,
        context=how,
        is_long=_is_long(samples * views, samples * views, rows.shape[-1]),
    )
    found = [per_anchor if single else result.loss]
    if return_gradient:
        found.append(gradient)
    if return_without_positive:
        found.append(result.anchors_without_positive)
    return found[0] if len(found) == 1 else tuple(found)


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
    rows, own = _float32(queries, "queries"), _float32(keys, "keys")
    if rows.ndim != 2:
        raise ShapeError(f"queries have the shape {list(rows.shape)}; expected [n, d]")
    samples, dimension = rows.shape
    own = own[:, None] if own.ndim == 2 else own
    if own.ndim != 3 or own.shape[::2] != (samples, dimension):
        raise ShapeError(
            f"keys have the shape {list(np.shape(keys))}; expected [{samples}, "
            f"{dimension}] or [{samples}, keys, {dimension}]"
        )
    others = np.zeros((0, dimension), np.float32) if queue is None else _float32(queue, "queue")
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
        is_long=_is_long(samples, samples * own.shape[1] + len(others), dimension),
    )
    loss = result.loss if per_query is None else per_query
    return (loss, gradient) if return_gradient else loss


def _is_long(anchors: int, contrasts: int, dimension: int) -> bool:
    """Tells whether a loss takes more than some tens of milliseconds."""
    return anchors * contrasts * max(dimension, 16) > 1 << 30


def _float32(values: ArrayLike, name: str) -> Float32:
    array = np.asarray(values)
    if array.dtype.kind != "f":
        raise ElementTypeError(f"{name} are of type {array.dtype}; expected float32")
    return np.ascontiguousarray(array, np.float32)
