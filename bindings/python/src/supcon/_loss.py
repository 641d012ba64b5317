"""Computes the contrastive loss of embeddings."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from . import _abi, _generated
from ._errors import ArgumentError, ElementTypeError, ShapeError
from ._images import encode_labels, floats, integers
from ._library import call, context, defaults, lib
from ._options import LOSS, LOSS_ALONE, build
from ._types import ArrayLike, Float32
from ._weights import sample_weights

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    class CommonOptions(TypedDict, total=False):
        """The options that both losses take and that do not change what they return."""

        temperature: float
        form: _generated.FormName
        denominator: _generated.DenominatorName
        scale: float
        positives_cap: int
        seed: int
        n_jobs: int | None

    class _Options(CommonOptions, total=False):
        mask: ArrayLike | None
        sample_weight: ArrayLike | None
        anchors: _generated.AnchorsName
        normalize: bool


Reduced = Literal["mean", "mean_all", "sum"]


@overload
def supcon_loss(
    features: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: Reduced = ...,
    return_gradient: Literal[False] = ...,
    return_without_positive: Literal[False] = ...,
    **options: Unpack[_Options],
) -> float: ...


@overload
def supcon_loss(
    features: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: Reduced = ...,
    return_gradient: Literal[True],
    return_without_positive: Literal[False] = ...,
    **options: Unpack[_Options],
) -> tuple[float, Float32]: ...


@overload
def supcon_loss(
    features: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: Reduced = ...,
    return_gradient: Literal[False] = ...,
    return_without_positive: Literal[True],
    **options: Unpack[_Options],
) -> tuple[float, int]: ...


@overload
def supcon_loss(
    features: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: Reduced = ...,
    return_gradient: Literal[True],
    return_without_positive: Literal[True],
    **options: Unpack[_Options],
) -> tuple[float, Float32, int]: ...


@overload
def supcon_loss(
    features: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: Literal["none"],
    return_gradient: Literal[False] = ...,
    return_without_positive: Literal[False] = ...,
    **options: Unpack[_Options],
) -> Float32: ...


@overload
def supcon_loss(
    features: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: Literal["none"],
    return_gradient: Literal[True],
    return_without_positive: Literal[False] = ...,
    **options: Unpack[_Options],
) -> tuple[Float32, Float32]: ...


@overload
def supcon_loss(
    features: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: Literal["none"],
    return_gradient: Literal[False] = ...,
    return_without_positive: Literal[True],
    **options: Unpack[_Options],
) -> tuple[Float32, int]: ...


@overload
def supcon_loss(
    features: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: Literal["none"],
    return_gradient: Literal[True],
    return_without_positive: Literal[True],
    **options: Unpack[_Options],
) -> tuple[Float32, Float32, int]: ...


@overload
def supcon_loss(
    features: ArrayLike,
    labels: ArrayLike | None = ...,
    *,
    reduction: _generated.ReductionName = ...,
    return_gradient: bool = ...,
    return_without_positive: bool = ...,
    **options: Unpack[_Options],
) -> Any: ...


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
    rows = float32(features, "features")
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
        weights = float32(mask, "mask")
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
        is_long=is_long(samples * views, samples * views, rows.shape[-1]),
    )
    found = [per_anchor if single else result.loss]
    if return_gradient:
        found.append(gradient)
    if return_without_positive:
        found.append(result.anchors_without_positive)
    return found[0] if len(found) == 1 else tuple(found)


def is_long(anchors: int, contrasts: int, dimension: int) -> bool:
    """Tells whether a loss takes more than some tens of milliseconds."""
    return anchors * contrasts * max(dimension, 16) > 1 << 30


def float32(values: ArrayLike, name: str) -> Float32:
    array = np.asarray(values)
    if array.dtype.kind != "f":
        raise ElementTypeError(f"the type of {name} is {array.dtype}; expected float32")
    return np.ascontiguousarray(array, np.float32)
