"""scikit-learn's base classes where it is installed, and as much of them as an estimator needs
where it is not.
"""

from __future__ import annotations

import inspect

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
    from sklearn.exceptions import NotFittedError
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

        def score(self, X, y) -> float:
            """Share of the images whose predicted label is y."""
            return float((self.predict(X) == y).mean())


__all__ = ["BaseEstimator", "ClassifierMixin", "NotFittedError", "TransformerMixin"]
