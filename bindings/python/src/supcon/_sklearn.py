"""scikit-learn's base classes where it is installed, and as much of them as an estimator needs
where it is not.
"""

from __future__ import annotations

import inspect
import warnings

import numpy as np

from ._errors import ArgumentError, ShapeError, SupConWarning

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import column_or_1d

    try:
        from sklearn.utils.validation import validate_data
    except ImportError:  # before 1.6

        def validate_data(estimator, X, **options):
            """scikit-learn's check of a table."""
            return estimator._validate_data(X, **options)
except ImportError:

    class NotFittedError(ValueError, AttributeError):
        """The estimator was asked for something that `fit` makes."""

    class BaseEstimator:
        """get_params, set_params and repr by the signature of the constructor."""

        @classmethod
        def _names(cls) -> list[str]:
            return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

        def get_params(self, deep=True) -> dict:
            """The constructor's arguments."""
            return {name: getattr(self, name) for name in self._names()}

        def set_params(self, **params):
            """Changes arguments of the constructor; returns self."""
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
        def fit_transform(self, X, y=None, **fit_params):
            """fit(X, y).transform(X)"""
            return self.fit(X, y, **fit_params).transform(X)

    class ClassifierMixin:
        _estimator_type = "classifier"

        def score(self, X, y, sample_weight=None) -> float:
            """Fraction of the images whose predicted label is y."""
            return float(np.average(self.predict(X) == y, weights=sample_weight))

    def validate_data(estimator, X, reset=True, ensure_min_samples=1) -> np.ndarray:
        """X as a table of finite numbers with as many features as `fit` saw."""
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

    def column_or_1d(y, warn=False) -> np.ndarray:
        """y [n], or [n, 1] as [n]."""
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

    def check_classification_targets(y) -> None:
        """ArgumentError for y that are no labels of classes."""
        if y.dtype.kind == "f" and (y != np.floor(y)).any():
            raise ArgumentError(
                "Unknown label type: continuous. Maybe you are trying to fit a classifier, which "
                "expects discrete classes on a regression target with continuous values."
            )


def class_labels(y) -> np.ndarray:
    """y as labels [n] of classes: a column is raveled with a warning, real numbers that are no
    whole ones are refused.
    """
    labels = column_or_1d(y, warn=True)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ArgumentError("Input y contains NaN or infinity; expected a label for each image")
    check_classification_targets(labels)
    return labels


def is_table_of_targets(y) -> bool:
    """Whether y, a sparse matrix too, has two columns or more."""
    if y is None:
        return False
    shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    return len(shape) == 2 and shape[1] != 1


def keep_arguments(estimator, arguments: dict) -> None:
    """Sets an attribute for each argument of a constructor, whose `locals()` these are."""
    for name, value in arguments.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)


__all__ = [
    "BaseEstimator",
    "ClassifierMixin",
    "NotFittedError",
    "TransformerMixin",
    "class_labels",
    "column_or_1d",
    "is_table_of_targets",
    "keep_arguments",
    "validate_data",
]
