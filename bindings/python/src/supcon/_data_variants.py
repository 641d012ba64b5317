"""Data sets made from another, with other labels, targets, weights or names, or fewer images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _abi, _convert
from ._errors import ArgumentError, ElementTypeError, ShapeError
from ._images import doubles, floats, integers
from ._library import lib
from ._types import ArrayLike, Size

if TYPE_CHECKING:
    from ._data import Dataset


class Variants:
    """The methods of `Dataset` that return a changed copy, which shares the images."""

    if TYPE_CHECKING:
        count: int

        def _changed(self, function: Callable[..., int], *arguments: Any) -> Dataset: ...

    def corrupted(
        self, corruption: str, severity: int = 3, *, seed: int = 0, size: Size | None = None
    ) -> Dataset:
        """Returns the data set with its images corrupted when they are used (see `corrupt`). The
        random numbers depend on an image's index here. `size`: an int or (height, width) to which
        images are resized first, since the strengths are in pixels; give the size that the model
        sees.
        """
        pair = (
            (0, 0) if size is None else tuple(size) if hasattr(size, "__iter__") else (size, size)
        )
        if len(pair) != 2:
            raise ArgumentError(
                f"size is {size!r}; expected a number of pixels, or (height, width)"
            )
        sides = [_convert.integer("size", it, 0, 65536) for it in pair]
        return self._changed(
            lib.supcon_dataset_corrupt,
            _convert.choice("corruption", corruption, _abi.Corruption),
            _convert.integer("severity", severity, -(2**31), 2**31 - 1),
            _convert.seed(seed),
            *sides,
        )

    def with_labels(self, labels: ArrayLike | None) -> Dataset:
        """Returns the images with other labels, int [n] or None, and the classes that
        these make.
        """
        numbers = _convert.labels(labels)
        if numbers is not None and len(numbers) != self.count:
            raise ShapeError(f"there are {len(numbers)} labels for {self.count} images")
        return self._changed(lib.supcon_dataset_with_labels, integers(numbers))

    def with_targets(self, targets: Any) -> Dataset:
        """Returns the images with these targets: numbers [n] or [n, dimension], 0 and 1 for several
        labels per image, or real values; None removes them. A run uses them as its option
        `positives` says.
        """
        if targets is None:
            return self._changed(lib.supcon_dataset_with_targets, None, 0)
        array = np.asarray(
            targets.toarray() if hasattr(targets, "toarray") else targets
        )  # scipy's sparse matrices
        if array.dtype.kind not in "biuf":
            raise ElementTypeError(f"targets are of type {array.dtype}; expected numbers")
        if array.ndim not in (1, 2) or len(array) != self.count:
            raise ShapeError(
                f"targets have the shape {list(array.shape)}; expected [{self.count}] "
                f"or [{self.count}, dimension], a row for each image"
            )
        rows = np.ascontiguousarray(array.reshape(self.count, -1), np.float64)
        return self._changed(lib.supcon_dataset_with_targets, doubles(rows), rows.shape[1])

    def with_weights(self, weights: ArrayLike | None) -> Dataset:
        """Returns the images with these weights, [n] of 0 or more, by which each counts in the
        losses of `train` and in the classifier's fit; None: all count the same. Training scales
        them to a mean of 1 and multiplies the losses of an image's anchors with them (or of its
        views, with objectives such as "cross_entropy"). An image of weight 0 is still contrasted
        with.
        """
        if weights is None:
            return self._changed(lib.supcon_dataset_with_weights, None)
        array = np.asarray(weights)
        if array.dtype.kind not in "buif" or array.shape != (self.count,):
            raise ShapeError(
                f"weights are {array.dtype} {list(array.shape)}; expected numbers [{self.count}]"
            )
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(array, np.float32)
        return self._changed(lib.supcon_dataset_with_weights, floats(rows))

    def with_class_names(self, names: Iterable[object]) -> Dataset:
        """Returns the data set with these class names, which a model fitted on it keeps: one for
        each of `class_labels`; or more, and then labels are indices into the names.
        """
        encoded = [str(it).encode("utf-8", "surrogateescape") for it in names]
        if any(b"\0" in it for it in encoded):
            raise ArgumentError("a class name has a NUL in it")
        return self._changed(
            lib.supcon_dataset_with_class_names, _convert.strings(encoded), len(encoded)
        )

    def with_classes(self, names: Iterable[object]) -> Dataset:
        """Returns only the images of these classes, in this order. A name that no class has becomes
        a class without images.
        """
        encoded = [str(it).encode("utf-8", "surrogateescape") for it in names]
        if any(b"\0" in it for it in encoded):
            raise ArgumentError("a class name has a NUL in it")
        return self._changed(
            lib.supcon_dataset_with_classes, _convert.strings(encoded), len(encoded)
        )

    def with_label_noise(self, rate: float, seed: int = 0) -> Dataset:
        """Adds symmetric label noise: `rate` (0 to 1) of the images, chosen at random, get the
        label of another class that has images, each with the same probability.
        """
        return self._changed(
            lib.supcon_dataset_with_label_noise, _convert.real("rate", rate), _convert.seed(seed)
        )

    def per_class(self, images: int, seed: int = 0) -> Dataset:
        """Keeps at most `images` of each class, chosen at random. With the same seed, a smaller
        choice is part of a larger one.
        """
        return self._changed(
            lib.supcon_dataset_per_class,
            _convert.integer("images", images, 0, 2**63 - 1),
            _convert.seed(seed),
        )

    def long_tailed(self, factor: float, seed: int = 0) -> Dataset:
        """Makes the classes long-tailed: the first keeps all its images, the last 1/factor as many,
        and those between fall off exponentially (Cui et al., arXiv:1901.05555).
        """
        return self._changed(
            lib.supcon_dataset_long_tailed, _convert.real("factor", factor), _convert.seed(seed)
        )
