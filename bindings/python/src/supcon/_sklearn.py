"""scikit-learn's base classes and checks, or those of `_without_sklearn` where it is not installed.
Type checkers see the latter: scikit-learn has no types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._errors import ArgumentError
from ._types import Array, ArrayLike

if TYPE_CHECKING:
    from ._without_sklearn import (
        BaseEstimator,
        ClassifierMixin,
        NotFittedError,
        TransformerMixin,
        check_classification_targets,
        column_or_1d,
        validate_data,
    )
else:
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
        from ._without_sklearn import (
            BaseEstimator,
            ClassifierMixin,
            NotFittedError,
            TransformerMixin,
            check_classification_targets,
            column_or_1d,
            validate_data,
        )


def class_labels(y: ArrayLike) -> Array:
    """Returns y as labels [n] of classes. A column is raveled with a warning; fractional numbers
    are refused.
    """
    labels = column_or_1d(y, warn=True)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ArgumentError("Input y contains NaN or infinity; expected a label for each image")
    check_classification_targets(labels)
    return labels


def is_table_of_targets(y: Any) -> bool:
    """Tells whether y, which may be a sparse matrix, has two columns or more."""
    if y is None:
        return False
    shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    return len(shape) == 2 and shape[1] != 1


def keep_arguments(estimator: BaseEstimator, arguments: dict[str, Any]) -> None:
    """Sets an attribute for each argument of a constructor, given its `locals()`."""
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
