"""Replaces those of scikit-learn's base classes and checks that an estimator needs, where
scikit-learn is not installed.
"""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ._errors import ArgumentError, ShapeError, SupConWarning
from ._types import Array, ArrayLike

if TYPE_CHECKING:
    from typing_extensions import Self


class NotFittedError(ValueError, AttributeError):
    """The estimator was used before `fit`."""


class BaseEstimator:
    """Implements get_params, set_params and repr by the signature of the constructor."""

    if TYPE_CHECKING:  # each argument of a constructor is an attribute (keep_arguments)

        def __getattr__(self, name: str) -> Any: ...

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Changes arguments of the constructor and returns self."""
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {type(self).__name__}; it "
                    f"has {', '.join(self._names())}"
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        signature = inspect.signature(type(self).__init__).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value is not signature[name].default
        ]
        return f"{type(self).__name__}({', '.join(changed)})"


class TransformerMixin:
    if TYPE_CHECKING:

        def fit(self, X: Any, y: Any = None) -> Self: ...

        def transform(self, X: Any) -> Array: ...

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Array:
        """Returns fit(X, y).transform(X)."""
        return self.fit(X, y, **fit_params).transform(X)


class ClassifierMixin:
    _estimator_type = "classifier"

    if TYPE_CHECKING:

        def predict(self, X: Any) -> Array: ...

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Returns the fraction of the images whose predicted label is y."""
        return float(np.average(self.predict(X) == y, weights=sample_weight))


def validate_data(estimator: Any, X: Any, reset: bool = True, ensure_min_samples: int = 1) -> Array:
    """Returns X as a table of finite numbers with as many features as `fit` saw."""
    rows = np.asarray(X)
    if rows.ndim != 2 or rows.dtype.kind not in "buif" or 0 in rows.shape:
        raise ShapeError(
            f"X is {rows.dtype} {list(rows.shape)}; expected images, paths, or a table "
            "[n, features] of numbers"
        )
    if len(rows) < ensure_min_samples:
        raise ShapeError(f"X has {len(rows)} row; expected {ensure_min_samples} or more")
    if not np.isfinite(rows).all():
        raise ArgumentError("X has NaN or infinity; expected finite numbers")
    if reset:
        estimator.n_features_in_ = rows.shape[1]
    elif rows.shape[1] != estimator.n_features_in_:
        raise ShapeError(
            f"X has {rows.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )
    return rows


def column_or_1d(y: ArrayLike, warn: bool = False) -> Array:
    """Returns y [n], or [n, 1] as [n]."""
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        if warn:
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected. Please change the "
                "shape of y to (n_samples,), for example using ravel().",
                SupConWarning,
                stacklevel=4,
            )
        return labels[:, 0]
    if labels.ndim != 1:
        raise ShapeError(f"y has the shape {list(labels.shape)}; expected [n]")
    return labels


def check_classification_targets(y: Array) -> None:
    """Raises ArgumentError for y that cannot be labels of classes."""
    if y.dtype.kind == "f" and (y != np.floor(y)).any():
        raise ArgumentError(
            "Unknown label type: continuous. Maybe you are trying to fit a classifier, which "
            "expects discrete classes on a regression target with continuous values."
        )
