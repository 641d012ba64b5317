"""Data sets: images that the library reads itself, or that a Python function makes."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from . import _abi, _convert, _generated
from ._collectives import Bound, Collectives
from ._data_variants import Variants
from ._encoded import hand_over
from ._errors import ElementTypeError, ShapeError
from ._images import (
    Pixels,
    are_bytes,
    doubles,
    integers,
    pixels,
)
from ._library import check, defaults, guarded, lib, made_dataset, own
from ._options import DATASET, build
from ._pictures import advised
from ._shown import described, number_of, table
from ._types import AnyArray, Array, ArrayLike, Encoded, Int64, PathLike


class Dataset(Variants):
    """An immutable set of images, with or without labels. Make one with a `from_` method or with
    `ImageFolder`. ``data[indices]`` selects images (see `subset`) by a slice, by integers, or by a
    bool for each image, so scikit-learn can split it like an array.

    Attributes
    ----------
    labels : int64 [n], or None
        The labels as given: any integers.
    class_labels : int64 [classes]
        The label of each class, ascending; empty without labels. Class c, a column of
        probabilities, is the c-th label that occurs.
    targets : float64 [n, dimension], or None
        Several labels per image (0 or 1 each), or real values, which the option `positives` uses if
        it is not "classes".
    class_names : list of str
        The name of each class: its folder or its label; empty without labels.
    height, width : int
        Pixels; 0 if the images differ in size.
    median_size : (int, int)
        The medians of the heights and of the widths, of up to 10,000 images.
    channels : int
    paths : list of str, or None
        The files, for images that are files.
    skipped : list of str
        "path: reason" of each file that was left out as unreadable.
    """

    def __init__(self, handle: _abi.Handle, keep: tuple[Any, ...] = ()) -> None:
        if not isinstance(handle, _abi.DatasetHandle):
            raise ElementTypeError(
                f"a data set is not made of a {type(handle).__name__}; expected "
                "Dataset.from_images(images, labels), another of its from_ methods, or "
                "ImageFolder(path)"
            )
        self._handle = own(self, handle, lib.supcon_dataset_free)
        self._keep = keep  # memory and callbacks that the library still uses
        info = defaults(_abi.DatasetInfo)
        check(lib.supcon_dataset_get_info(handle, ctypes.byref(info)))
        self.count: int = info.count
        self.height: int = info.height
        self.width: int = info.width
        self.median_size: tuple[int, int] = info.median_height, info.median_width
        self.channels: int = info.channels
        self.labels = None
        if info.labeled:
            self.labels = np.empty(info.count, np.int64)
            check(lib.supcon_dataset_get_labels(handle, integers(self.labels), info.count))
        self.targets = None
        if info.target_dimension:
            self.targets = np.empty((info.count, info.target_dimension))
            check(lib.supcon_dataset_get_targets(handle, doubles(self.targets), self.targets.size))
        self.class_labels = np.empty(info.classes, np.int64)
        check(
            lib.supcon_dataset_get_class_labels(handle, integers(self.class_labels), info.classes)
        )
        self.skipped = [_text(lib.supcon_dataset_skipped(handle, it)) for it in range(info.skipped)]

    @functools.cached_property
    def class_names(self) -> list[str]:
        classes = range(len(self.class_labels))
        return [_text(lib.supcon_dataset_class_name(self._handle, it)) for it in classes]

    @property
    def paths(self) -> list[str] | None:
        if self.count == 0 or lib.supcon_dataset_path(self._handle, 0) is None:
            return None
        return [_text(lib.supcon_dataset_path(self._handle, it)) for it in range(self.count)]

    def __len__(self) -> int:
        return self.count

    @property
    def class_indices(self) -> Array | None:
        """The class of each image, [n], as an index into `class_names`; None without labels."""
        return None if self.labels is None else np.searchsorted(self.class_labels, self.labels)

    @property
    def shape(self) -> tuple[int]:
        """(images,), by which scikit-learn recognizes it as indexable."""
        return (self.count,)

    def __getitem__(self, key: Any) -> Dataset:
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            key = key[0]  # scikit-learn's form of an index
        try:
            indices = np.arange(self.count)[key]
        except IndexError as error:
            raise IndexError(f"{error}: the data set has {self.count} images") from None
        return self.subset(np.atleast_1d(indices))

    def __repr__(self) -> str:
        parts = [
            number_of(self.count, "image"),
            f"{self.height}x{self.width}" if self.height else "different sizes",
            number_of(self.channels, "channel"),
        ]
        if self.labels is not None:
            parts.append(number_of(len(self.class_labels), "class", "classes"))
        return f"<supcon.{type(self).__name__} of {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        return table(f"supcon.{type(self).__name__}", described(self))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a supcon data set cannot be pickled; pass its paths and labels instead")

    @classmethod
    def from_images(
        cls, images: AnyArray, labels: ArrayLike | None = None, *, channels: int | None = None
    ) -> Dataset:
        """Makes a data set of images in memory, without a copy: uint8 or float [n, h, w] or [n, h,
        w, c]. They must not change while it is in use. labels: int [n]. `channels`: 1 (gray) or 3
        (RGB); None: as many as they have.
        """
        return from_pixels(pixels(images), _convert.labels(labels), channels)

    @classmethod
    def from_files(
        cls,
        paths: Iterable[PathLike],
        labels: ArrayLike | None = None,
        *,
        on_error: _generated.OnErrorName | None = None,
        channels: int | None = None,
        max_pixels: int | None = None,
        exact_decoding: bool | None = None,
    ) -> Dataset:
        """Makes a data set of JPEG, PNG and WebP files, in the given order. With Pillow installed,
        files that only Pillow reads (by name: BMP, GIF, TIFF; HEIC with pillow-heif) are decoded
        into memory. labels: int [n]. `on_error`: "skip" leaves unreadable files out, "refuse"
        raises an error. `channels`: 1 (gray) or 3 (RGB). `max_pixels`: a file that claims more is
        unreadable (None: 178,956,970). `exact_decoding`: views of JPEGs are made from all of their
        pixels, which takes longer.
        """
        options = build(
            DATASET,
            on_error=on_error,
            channels=channels,
            max_pixels=max_pixels,
            exact_decoding=exact_decoding,
        )
        return encoded_dataset(
            [Path(os.fsdecode(_convert.path("paths", it))) for it in paths], labels, options
        )

    @classmethod
    def from_encoded(
        cls,
        images: Sequence[Encoded | PathLike],
        labels: ArrayLike | None = None,
        *,
        on_error: _generated.OnErrorName | None = None,
        channels: int | None = None,
        max_pixels: int | None = None,
        exact_decoding: bool | None = None,
    ) -> Dataset:
        """Makes a data set of encoded images in memory, each the bytes of a JPEG, PNG or WebP file,
        or a path. They are not copied, and are decoded when they are used; those that only Pillow
        reads (BMP, GIF, TIFF; HEIC with pillow-heif) are decoded into memory. The options are those
        of `from_files`.
        """
        options = build(
            DATASET,
            on_error=on_error,
            channels=channels,
            max_pixels=max_pixels,
            exact_decoding=exact_decoding,
        )
        for at, it in enumerate(images):
            if not are_bytes(it) and not isinstance(it, (str, os.PathLike)):
                raise ElementTypeError(
                    f"images[{at}] is a {type(it).__name__}; expected bytes of a file, or a path"
                )
        return encoded_dataset(
            [Path(it) if isinstance(it, (str, os.PathLike)) else it for it in images],
            labels,
            options,
        )

    @classmethod
    def from_idx(
        cls, images: PathLike, labels: PathLike | None = None, *, channels: int | None = None
    ) -> Dataset:
        """Reads MNIST's IDX files, gzipped or not. images, labels: paths. `channels`: 1 (gray) or 3
        (RGB); None: as stored.
        """
        options = build(DATASET, channels=channels)
        return Dataset(
            made_dataset(
                lib.supcon_dataset_from_idx,
                _convert.path("images", images),
                None if labels is None else _convert.path("labels", labels),
                ctypes.byref(options),
            )
        )

    @classmethod
    def from_cifar(
        cls, paths: Iterable[PathLike], classes: int = 10, *, channels: int | None = None
    ) -> Dataset:
        """Reads CIFAR's binary files, concatenated in the given order. `classes`: 10, or 100 (the
        fine labels). `channels`: 1 (gray) or 3 (RGB, as stored).
        """
        encoded = [_convert.path("paths", it) for it in paths]
        options = build(DATASET, channels=channels)
        classes = _convert.integer("classes", classes, 10, 100)
        return Dataset(
            made_dataset(
                lib.supcon_dataset_from_cifar,
                _convert.strings(encoded),
                len(encoded),
                classes,
                ctypes.byref(options),
            )
        )

    @classmethod
    def from_function(
        cls,
        function: Callable[[Int64], ArrayLike],
        count: int,
        height: int,
        width: int,
        channels: int,
        labels: ArrayLike | None = None,
    ) -> Dataset:
        """Makes a data set whose images are made on demand: ``function(indices)``, given int64 [m],
        returns uint8 [m, height, width, channels]. It runs on the thread that called the library;
        an exception that it raises comes out of that call.
        """
        sizes = [
            _convert.integer(name, it, 0, 2**63 - 1)
            for name, it in (
                ("count", count),
                ("height", height),
                ("width", width),
                ("channels", channels),
            )
        ]
        shape = tuple(sizes[1:])

        def fetch(indices: Any, number: int, target: Any, _: object) -> int:
            wanted = np.ctypeslib.as_array(indices, (number,)).copy()
            made = np.asarray(function(wanted))
            if made.shape != (number, *shape) or made.dtype != np.uint8:
                raise ShapeError(
                    f"the function returned {made.dtype} {list(made.shape)}; expected uint8 "
                    f"{[number, *shape]}"
                )
            np.ctypeslib.as_array(target, (number, *shape))[...] = made
            return 0

        callback, handle, numbers = (
            _abi.BatchCallback(guarded(fetch)),
            _abi.DatasetHandle(),
            _convert.labels(labels),
        )
        if numbers is not None and len(numbers) != sizes[0]:
            raise ShapeError(f"there are {len(numbers)} labels for {sizes[0]} images")
        check(
            lib.supcon_dataset_from_callback(
                callback, None, *sizes, integers(numbers), ctypes.byref(handle)
            )
        )
        return Dataset(handle, (callback,))

    def subset(self, indices: ArrayLike) -> Dataset:
        """Returns the images at `indices`, in that order."""
        numbers = np.ascontiguousarray(indices, np.int64)
        if numbers.ndim != 1:
            raise ShapeError(f"indices have the shape {list(numbers.shape)}; expected [n]")
        handle = _abi.DatasetHandle()
        check(
            lib.supcon_dataset_subset(
                self._handle, integers(numbers), len(numbers), ctypes.byref(handle)
            )
        )
        return Dataset(handle, self._keep)

    def split(self, fraction: float, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Splits the images in two at random, class by class. The second part gets about `fraction`
        of them.
        """
        first, second = _abi.DatasetHandle(), _abi.DatasetHandle()
        check(
            lib.supcon_dataset_split(
                self._handle,
                _convert.real("fraction", fraction),
                _convert.seed(seed),
                ctypes.byref(first),
                ctypes.byref(second),
            )
        )
        return Dataset(first, self._keep), Dataset(second, self._keep)

    @staticmethod
    def join(part: Dataset | Callable[[], Dataset], collectives: Collectives) -> Dataset:
        """Joins the images of several processes, each of which calls this with its own, into one
        data set, those of rank 0 first. A process reads its own images alone (see `own_part`);
        `supcon.train` with the same collectives trains on all of them.

        part : the images of this process, or a function that returns them; if it raises, all
        processes end with its error
        collectives : as in `supcon.train`

        Parts may differ in size and in classes. Classes of one name are one, in the byte order of
        names if the parts' classes differ; classes without names are those of all labels.
        """
        bound = Bound(collectives)
        with bound.telling():
            own = part() if callable(part) else part
        handle = _abi.DatasetHandle()
        bound.check(
            lib.supcon_dataset_join(own._handle, ctypes.byref(bound.struct), ctypes.byref(handle))
        )
        return Dataset(handle, own._keep)

    def own_part(self) -> Dataset:
        """Returns the images that this process has, of a data set that `join` returned or one made
        from it, with the classes of all. Of any other data set these are all images.
        """
        return self._changed(lib.supcon_dataset_own_part)

    def _changed(self, function: Callable[..., int], *arguments: Any) -> Dataset:
        handle = _abi.DatasetHandle()
        check(function(self._handle, *arguments, ctypes.byref(handle)))
        return Dataset(handle, self._keep)


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "surrogateescape")


def encoded_dataset(
    images: Sequence[Any], labels: ArrayLike | None, options: _generated.DatasetOptions
) -> Dataset:
    """Makes a data set of paths, bytes, and pairs of both (a name, and the bytes it stands for)."""
    numbers = _convert.labels(labels)
    if numbers is not None and len(numbers) != len(images):
        raise ShapeError(f"there are {len(numbers)} labels for {len(images)} images")
    data = Dataset(*hand_over(images, numbers, options))
    data.skipped = [advised(it) for it in data.skipped]
    return data


def from_pixels(
    images: Pixels, numbers: Int64 | None = None, channels: int | None = None
) -> Dataset:
    """Makes a data set of images in memory with `channels` channels (None: as many as they
    have).
    """
    if numbers is not None and len(numbers) != images.count:
        raise ShapeError(f"there are {len(numbers)} labels for {images.count} images")
    options, handle = build(DATASET, channels=channels), _abi.DatasetHandle()
    check(
        lib.supcon_dataset_from_images(
            ctypes.byref(images.struct),
            integers(numbers),
            ctypes.byref(options),
            ctypes.byref(handle),
        )
    )
    return Dataset(handle, (images, numbers))


def calls_back(data: Dataset | Pixels | None) -> bool:
    """Tells whether images are made by a Python function."""
    return any(isinstance(it, _abi.BatchCallback) for it in getattr(data, "_keep", ()))
