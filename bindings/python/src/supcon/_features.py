"""What the encoder makes of images, kept to fit a classifier and to judge a run: images whose files
have become unreadable are left out, as during the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._augmentation import augment
from ._data import Dataset
from ._errors import FileError, FormatError
from ._library import to_logging
from ._model import Model
from ._types import EmbedProgress, Float32, Int64


@dataclass
class Features:
    """Images and the encoder's output for them, float32 [n, dimension], not normalized; behind
    these, if asked for, as many rows for the images flipped left to right.
    """

    data: Dataset
    values: Float32

    @classmethod
    def of(
        cls,
        model: Model,
        data: Dataset,
        progress: EmbedProgress | None = None,
        flip: bool = False,
    ) -> Features:
        """Embeds the images that are readable, and warns of those that are not."""

        def embed(some: Dataset) -> Float32:
            rows = model.embed(some, normalize=False, progress=progress)
            if not flip:
                return rows
            values = np.empty((2 * len(rows), rows.shape[1]), np.float32)
            values[: len(rows)] = rows
            del rows  # it may be large
            values[len(some) :] = model.embed(some, normalize=False, progress=progress, flip=True)
            return values

        kept, values = using_readable(data, embed)
        if len(kept) == len(data):
            return cls(data, values)
        gone = np.setdiff1d(np.arange(len(data)), kept)
        first = f"; the first: {data.paths[gone[0]]}" if data.paths else ""
        to_logging(
            "warning",
            f"{len(gone)} of {len(data)} images have become unreadable and are left out{first}",
        )
        return cls(data.subset(kept), values)

    @property
    def rows(self) -> Float32:
        """The rows of the images as they are."""
        return self.values[: len(self.data)]

    def units(self) -> Float32:
        """Returns the rows at length 1."""
        lengths = np.linalg.norm(self.rows, axis=1, keepdims=True)
        rows: Float32 = self.rows / np.maximum(lengths, 1e-12)
        return rows

    def subset(self, indices: Int64) -> Features:
        """Returns some of the images, without the flipped ones."""
        return Features(self.data.subset(indices), self.rows[indices])

    def fit_classifier(self, model: Model, iterations: int | None, l2: float | None) -> None:
        """Fits the model's classifier on all rows."""
        flip = len(self.values) > len(self.data)
        model.fit_classifier(
            self.data, features=self.values, iterations=iterations, l2=l2, flip=flip
        )


def using_readable(data: Dataset, use: Callable[[Dataset], Float32]) -> tuple[Int64, Float32]:
    """Returns the indices of the images that are readable, and `use` of these."""
    every = np.arange(len(data))
    try:
        return every, use(data)
    except (FileError, FormatError):
        every = every[[_is_readable(data.subset([it])) for it in every]]
        if len(every) in (0, len(data)):
            raise
        return every, use(data.subset(every))


def _is_readable(image: Dataset) -> bool:
    try:
        augment(image, "none", size=1)
    except (FileError, FormatError):
        return False
    return True
