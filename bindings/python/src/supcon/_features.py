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
    """Images and the encoder's output for them, float32 [n, dimension], not normalized."""

    data: Dataset
    rows: Float32

    @classmethod
    def of(cls, model: Model, data: Dataset, progress: EmbedProgress | None = None) -> Features:
        """Embeds the images that are readable, and warns of those that are not."""
        kept, rows = using_readable(
            data, lambda some: model.embed(some, normalize=False, progress=progress)
        )
        if len(kept) == len(data):
            return cls(data, rows)
        gone = np.setdiff1d(np.arange(len(data)), kept)
        first = f"; the first: {data.paths[gone[0]]}" if data.paths else ""
        to_logging(
            "warning",
            f"{len(gone)} of {len(data)} images have become unreadable and are left out{first}",
        )
        return cls(data.subset(kept), rows)

    def units(self) -> Float32:
        """Returns the rows at length 1."""
        lengths = np.linalg.norm(self.rows, axis=1, keepdims=True)
        rows: Float32 = self.rows / np.maximum(lengths, 1e-12)
        return rows

    def subset(self, indices: Int64) -> Features:
        return Features(self.data.subset(indices), self.rows[indices])


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
