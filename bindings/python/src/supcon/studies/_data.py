"""Data by a word: scikit-learn's digits, Fashion-MNIST, or anything the command reads."""

from __future__ import annotations

import os

import numpy as np

from .. import _files
from .._data import Dataset
from .._errors import ArgumentError, UnsupportedError

FASHION = "/usr/share/datasets/fashion-mnist"  # Debian's package dataset-fashion-mnist
HELP = (
    "digits (scikit-learn's), fashion-mnist[:FOLDER] (of the four IDX "
    f"files; default {FASHION}), or as for `supcon train`, with --test"
)


def load(data: str, test: str | None) -> tuple[Dataset, Dataset]:
    """(to train on, to test with), both labeled, of the same classes."""
    if data == "digits":
        try:
            from sklearn.datasets import load_digits
        except ImportError:
            raise UnsupportedError(
                "the data 'digits' are scikit-learn's, which is not installed"
            ) from None
        found = load_digits()
        whole = Dataset.from_images((found.images * (255 / 16)).astype(np.uint8), found.target)
        parts = whole.split(0.25, 2004)  # always the same
    elif data.partition(":")[0] == "fashion-mnist":
        folder = data.partition(":")[2] or FASHION
        names = {
            part: [
                os.path.join(folder, f"{part}-{what}-ubyte.gz")
                for what in ("images-idx3", "labels-idx1")
            ]
            for part in ("train", "t10k")
        }
        parts = tuple(Dataset.from_idx(*names[part]) for part in ("train", "t10k"))
    elif test is None:
        raise ArgumentError(
            f"data is {data!r} without --test; expected the images to test with too, or {HELP}"
        )
    else:
        parts = (_files.read(data), _files.read(test))
    for name, part in zip((data, test or data), parts):
        if part.labels is None:
            raise ArgumentError(f"{name} has no labels, which a study needs")
    if parts[0].class_names != parts[1].class_names:
        raise ArgumentError(f"{data} and {test} have different classes")
    return parts


def some(data: Dataset, classes) -> Dataset:
    """The images of some classes, numbered anew from 0."""
    kept = np.flatnonzero(np.isin(data.labels, classes))
    return (
        data.subset(kept)
        .with_labels(np.searchsorted(classes, data.labels[kept]))
        .with_class_names([data.class_names[it] for it in classes])
    )
