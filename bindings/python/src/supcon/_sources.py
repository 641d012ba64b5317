"""Resolves DATA of the command line: folders, files, and names of installed data sets."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._data import Dataset
from ._errors import ArgumentError, FormatError, UnsupportedError
from ._folder import ImageFolder
from ._generated import OnErrorName
from ._inputs import labeled
from ._model import Model
from ._types import Array

FASHION = "/usr/share/datasets/fashion-mnist"  # Debian's package dataset-fashion-mnist
FASHION_CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
HELD_OUT = ("val", "valid", "validation", "test")
HELP = (
    "a folder with a folder of JPEG, PNG or WebP files per class; a folder of train/ and val/ (or "
    "valid/, validation/, test/) with such folders; MNIST's IDX files, gzipped or not, or their "
    "folder; CIFAR's binary files or their folder; .npz; .npy (idx:, cifar10:, cifar100:, npy: and "
    "files with commas between name images and labels); fashion-mnist[:FOLDER] (Debian's package "
    "dataset-fashion-mnist); digits (scikit-learn's)"
)
EXPECTED = (
    "a folder with a folder of images per class, IDX, CIFAR, .npz or .npy files, fashion-mnist or "
    "digits (supcon train --help-all says more)"
)
OF_FILES = ("on_error", "max_pixels", "exact_decoding", "class_order")
NPZ_IMAGES = ("images", "x_train", "train_images", "x", "X", "data", "arr_0")
NPZ_LABELS = ("labels", "y_train", "train_labels", "y", "Y", "target", "arr_1")
NPZ_TEST = (("test_images", "x_test"), ("test_labels", "y_test"))
IDX = re.compile(r"^(.*)images[-.]idx3-ubyte(\.gz)?$")


def read(spec: str, *, beside: bool = False, **options: Any) -> tuple[Dataset, Dataset | None]:
    """Returns the images of DATA, and its test images if it has some. `options` are those of
    `ImageFolder`. Those of image files are refused for other data, or dropped if it is read
    `beside` data that they apply to.
    """
    if beside and not os.path.isdir(spec):
        options = {it: value for it, value in options.items() if it not in OF_FILES}
    kind, colon, rest = spec.partition(":")
    files = rest.split(",")
    if os.path.isdir(spec):
        return _folder(spec, options)
    if os.path.exists(spec):
        return _file(spec, _channels(spec, options))
    if not colon and kind not in ("fashion-mnist", "digits"):
        near = "fashion-mnist" if "fashion" in spec else _near(spec)
        advice = f"did you mean {near}?" if near else f"expected {EXPECTED}"
        raise FileNotFoundError(f"there is no {spec}; {advice}")
    channels = _channels(spec, options)
    if kind == "idx" and len(files) <= 2:
        return Dataset.from_idx(*files, channels=channels), None
    if kind in ("cifar10", "cifar100"):
        return Dataset.from_cifar(files, int(kind[5:]), channels=channels), None
    if kind == "npy" and len(files) <= 2:
        arrays = (np.load(it, allow_pickle=False) for it in files)
        return _arrays(*arrays, channels=channels), None
    if kind == "fashion-mnist":
        return _fashion(rest or FASHION, channels)
    if spec == "digits":
        return _digits(channels)
    raise ArgumentError(f"data is {spec!r}; expected {EXPECTED}")


def _near(path: str) -> str | None:
    """Returns what lies beside a path that is not there and is named almost like it."""
    folder, name = os.path.split(path.rstrip("/"))
    try:
        found = difflib.get_close_matches(name, os.listdir(folder or "."), 1)
    except OSError:
        return None
    return os.path.join(folder, found[0]) if found else None


def images(specs: list[str], *, on_error: OnErrorName | None = None, **options: Any) -> Dataset:
    """Returns the images named on the command line: files, or the training images of one DATA.
    `options` as in `read`.
    """
    if all(_is_picture(it) for it in specs):
        # every named file must be readable, so that rows of results match the files
        _refuse(options, ("class_order",), "files have no classes")
        options.pop("class_order", None)
        return Dataset.from_files(list(specs), on_error=on_error or "refuse", **options)
    if len(specs) == 1:
        return read(specs[0], on_error=on_error, **options)[0]
    other = next(it for it in specs if not _is_picture(it))
    raise ArgumentError(f"{other!r} is among {len(specs)} images; expected files, or one data set")


def _refuse(options: dict[str, Any], names: Sequence[str], why: str) -> None:
    """Raises ArgumentError where one of these options was given, which does not apply."""
    for name in names:
        value = options.get(name)
        if value is not None and value is not False:
            raise ArgumentError(f"--{name.replace('_', '-')} does not apply: {why}")


def _channels(spec: str, options: dict[str, Any]) -> int | None:
    """Returns the channels that images in memory are to have. Raises ArgumentError where an option
    of image files was given.
    """
    _refuse(options, OF_FILES, f"{spec!r} holds no image files")
    channels: int | None = options.get("channels")
    return channels


def channels_of(model: Model) -> dict[str, int]:
    """Returns the option that gives images a model's channels; a model with two or four takes them
    as they are stored.
    """
    return {"channels": model.channels} if model.channels in (1, 3) else {}


def _is_picture(path: str) -> bool:
    return os.path.isfile(path) and not (
        path.endswith((".npy", ".npz", ".bin")) or IDX.match(os.path.basename(path))
    )


def _folder(path: str, options: dict[str, Any]) -> tuple[Dataset, Dataset | None]:
    inside = set(os.listdir(path))
    for name in sorted(inside):
        if IDX.match(name) and name.startswith("train"):
            channels = _channels(path, options)
            held = [it for it in sorted(inside) if IDX.match(it) and it.startswith("t10k")][:1]
            data, *test = (_idx(os.path.join(path, it), channels) for it in (name, *held))
            return data, test[0] if test else None
    for parts, held_file, classes in (
        ([f"data_batch_{it}.bin" for it in range(1, 6)], "test_batch.bin", 10),
        (["train.bin"], "test.bin", 100),
    ):
        if set(parts) <= inside:
            channels = _channels(path, options)
            data, *test = (
                Dataset.from_cifar(
                    [os.path.join(path, it) for it in names], classes, channels=channels
                )
                for names in (parts, [held_file] if held_file in inside else [])
                if names
            )
            return data, test[0] if test else None
    beside = [it for it in HELD_OUT if os.path.isdir(os.path.join(path, it))]
    if beside and os.path.isdir(os.path.join(path, "train")):
        folders = [os.path.join(path, it) for it in ("train", beside[0])]
        return ImageFolder(folders[0], **options), ImageFolder(folders[1], **options)
    return ImageFolder(path, **options), None


def _file(path: str, channels: int | None) -> tuple[Dataset, Dataset | None]:
    if path.endswith(".npz"):
        return _npz(path, channels)
    if path.endswith(".npy"):
        return _arrays(np.load(path, allow_pickle=False), channels=channels), None
    if IDX.match(os.path.basename(path)):
        return _idx(path, channels), None
    if path.endswith(".bin"):
        size = os.path.getsize(path)
        classes = 100 if size % 3074 == 0 and size % 3073 else 10
        return Dataset.from_cifar([path], classes, channels=channels), None
    raise ArgumentError(f"data is the file {path!r}; expected {EXPECTED}")


def _idx(path: str, channels: int | None) -> Dataset:
    """Reads an IDX file of images, with the labels beside it if there are some."""
    folder, name = os.path.split(path)
    for mark in ("-", "."):
        labels = name.replace(f"images{mark}idx3", f"labels{mark}idx1")
        if labels != name and os.path.exists(os.path.join(folder, labels)):
            return Dataset.from_idx(path, os.path.join(folder, labels), channels=channels)
    return Dataset.from_idx(path, channels=channels)


def _npz(path: str, channels: int | None) -> tuple[Dataset, Dataset | None]:
    with np.load(path, allow_pickle=False) as file:

        def pick(names: Sequence[str]) -> Array | None:
            return next((file[it] for it in names if it in file.files), None)

        found = pick(NPZ_IMAGES)
        if found is None:
            raise FormatError(
                f"{path} has {', '.join(file.files) or 'nothing'}; expected images, and labels, as "
                f"{' or '.join(NPZ_IMAGES[:4])} and {' or '.join(NPZ_LABELS[:4])}"
            )
        data, test = _arrays(found, pick(NPZ_LABELS), channels=channels), pick(NPZ_TEST[0])
        if test is None:
            return data, None
        return data, _arrays(test, pick(NPZ_TEST[1]), channels=channels)


def _arrays(images: Array, labels: Array | None = None, *, channels: int | None) -> Dataset:
    if labels is not None and labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels is None or labels.dtype.kind in "iu":
        return Dataset.from_images(images, labels, channels=channels)
    return labeled(Dataset.from_images(images, channels=channels), labels)[0]


def _digits(channels: int | None) -> tuple[Dataset, Dataset]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise UnsupportedError(
            "the data 'digits' are scikit-learn's, which is not installed: pip install scikit-learn"
        ) from None
    found = load_digits()
    images = (found.images * (255 / 16)).astype(np.uint8)
    return _arrays(images, found.target, channels=channels).split(0.25, 2004)  # always the same


def _fashion(folder: str, channels: int | None) -> tuple[Dataset, Dataset]:
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"there is no folder {folder} of Fashion-MNIST: apt-get install dataset-fashion-mnist, "
            "or name the folder of the four IDX files, fashion-mnist:FOLDER"
        )
    train, test = (
        _idx(os.path.join(folder, f"{part}-images-idx3-ubyte.gz"), channels).with_class_names(
            FASHION_CLASSES
        )
        for part in ("train", "t10k")
    )
    return train, test
