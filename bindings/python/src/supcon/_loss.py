"""The contrastive loss of embeddings that the caller has."""

from __future__ import annotations

import ctypes

import numpy as np

from . import _abi
from ._errors import ArgumentError, ElementTypeError, ShapeError
from ._images import encode_labels, floats, integers
from ._library import check, context, defaults, lib
from ._options import LOSS, LOSS_ALONE, build


def supcon_loss(features, labels=None, *, mask=None, temperature=0.1, form="out", denominator="all", anchors="all", scale=1.0, reduction="mean",
                normalize=False, positives_cap=0, seed=0, return_gradient=False, n_jobs=None):
    """The supervised contrastive loss (Khosla et al., arXiv:2004.11362) and its gradient, in O(n d) memory.

    Parameters
    ----------
    features : float array [n, d] or [batch, views, d]
        Embeddings, each of length 1 (or see `normalize`). Other floats than float32 are converted.
    labels : [n] or [batch], optional
        Of any kind (integers, strings). Samples with the same label are positives of each other. None: only the views of one sample are (SimCLR).
    mask : float array [batch, batch], optional
        mask[i, j] >= 0 weighs j as a positive of i, 0 makes it a negative; it may be asymmetric. The entry [i, i] speaks of the other views of i.
        Excludes `labels`. `mask_from_multilabel` and `mask_from_values` make one.
    temperature : float, default 0.1
        Above 0.
    form : {"out", "in"}, default "out"
        The mean over positives outside the logarithm (equation 2 of the paper; the one to use), or inside (equation 3).
    denominator : {"all", "one_positive", "negatives"}, default "all"
        Every other view (the paper); the positive at hand and the negatives (SINCERE; form "out" only); the negatives alone (decoupled).
    anchors : {"all", "first"}, default "all"
        Every view of every sample is an anchor, or the first view of each; all views are contrasted with.
    scale : float, default 1.0
        Factor on the loss. SupContrast's loss: temperature / 0.07; google-research's: temperature.
    reduction : {"mean", "mean_all", "sum", "none"}, default "mean"
        Mean over the anchors that have a positive; over all anchors; sum; none: an array with the loss of each anchor.
    normalize : bool, default False
        Divide each row by its length first, and differentiate through it.
    positives_cap : int, default 0
        At most so many positives count for an anchor, the other views of its own sample first, then others at random; those that are not chosen take no part
        at all, in no denominator. 0: all count. With 1, single views and temperature 1 the loss is N-pairs'.
    seed : int, default 0
        Of that choice.
    return_gradient : bool, default False
        Return the gradient too.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.

    Returns
    -------
    loss : float; with reduction "none" float32 [n], [batch, views], or [batch] with anchors "first"
        An anchor without a positive contributes 0, never NaN.
    gradient : float32, like features
        Only with `return_gradient`: of the reduced loss (with "none": of the sum) with respect to `features` as passed.

    Raises
    ------
    ArgumentError (a ValueError), ShapeError (a ValueError), ElementTypeError (a TypeError), OutOfMemoryError (a MemoryError)
    """
    rows = _float32(features, "features")
    if rows.ndim not in (2, 3):
        raise ShapeError(f"features have the shape {list(rows.shape)}; expected [n, d] or [batch, views, d]")
    samples, views = rows.shape[0], rows.shape[1] if rows.ndim == 3 else 1
    numbers = weights = None
    if labels is not None:
        if mask is not None:
            raise ArgumentError("both labels and mask were given; expected one of them")
        numbers = encode_labels(labels, samples)[1]
    if mask is not None:
        weights = _float32(mask, "mask")
        if weights.shape != (samples, samples):
            raise ShapeError(f"mask has the shape {list(weights.shape)}; expected [{samples}, {samples}]")
    options = build(LOSS | LOSS_ALONE, temperature=temperature, form=form, denominator=denominator, anchors=anchors, scale=scale, reduction=reduction,
                    normalize=normalize, positives_cap=positives_cap, seed=seed)
    result = defaults(_abi.LossResult)
    single = options.reduction == _abi.Reduction.NONE
    shape = (samples,) if options.anchors == _abi.Anchors.FIRST or rows.ndim == 2 else (samples, views)
    per_anchor = np.zeros(shape, np.float32) if single else None
    gradient = np.zeros(rows.shape, np.float32) if return_gradient else None
    check(lib.supcon_loss(context(n_jobs), floats(rows), samples, views, rows.shape[-1], integers(numbers), None if weights is None else floats(weights),
                          ctypes.byref(options), ctypes.byref(result), floats(per_anchor) if single else None, floats(gradient) if return_gradient else None))
    loss = per_anchor if single else result.loss
    return (loss, gradient) if return_gradient else loss


def _float32(values, name: str) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind != "f":
        raise ElementTypeError(f"{name} are of type {array.dtype}; expected float32")
    return np.ascontiguousarray(array, np.float32)
