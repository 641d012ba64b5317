"""Folders of image files."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import _abi, _convert, _generated
from ._data import Dataset, encoded_dataset
from ._errors import FormatError
from ._images import integers
from ._library import check, lib
from ._options import DATASET, build
from ._pictures import is_foreign, transcoded
from ._types import PathLike


class ImageFolder(Dataset):
    """A data set of image files, with a folder per class: JPEG, PNG and WebP files at any depth,
    decoded when they are used. With Pillow installed, files that only Pillow reads (by name: BMP,
    GIF, TIFF; HEIC with pillow-heif) are decoded into memory.

    Parameters
    ----------
    path : path
    on_error : {"skip", "refuse"}, default "skip"
        Leave unreadable files out and list them in `skipped`, or raise `FormatError`.
    channels : int, default 3
        1: gray; 3: RGB.
    max_pixels : int, default 178956970
        A file that claims more pixels is unreadable.
    exact_decoding : bool, default False
        Make views of JPEGs from all of their pixels, exactly as for an array. Otherwise a view that
        is much smaller than its JPEG is made from 1/2 or 1/4 of the pixels along each side, which
        is faster and differs by less than half a level of 255 on average.
    class_order : {"bytes", "natural"}, default "bytes"
        The order of the class folders' names; natural: runs of digits count as numbers.
    classes : list of str, optional
        These classes alone, in this order (see `with_classes`).
    """

    def __init__(
        self,
        path: PathLike,
        on_error: _generated.OnErrorName | None = None,
        channels: int | None = None,
        *,
        max_pixels: int | None = None,
        exact_decoding: bool | None = None,
        class_order: _generated.ClassOrderName | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        options = build(
            DATASET,
            on_error=on_error,
            channels=channels,
            max_pixels=max_pixels,
            exact_decoding=exact_decoding,
            class_order=class_order,
        )
        data = _folder(_convert.path("path", path), options)
        if classes is not None:
            data = data.with_classes(classes)
        # A handle of its own for the same images.
        handle, order = _abi.DatasetHandle(), np.arange(len(data), dtype=np.int64)
        check(
            lib.supcon_dataset_subset(
                data._handle, integers(order), len(order), ctypes.byref(handle)
            )
        )
        super().__init__(handle, data._keep)
        self.skipped = data.skipped


def _folder(path: bytes, options: _generated.DatasetOptions) -> Dataset:
    """Makes a data set of a folder's images, including those that only Pillow reads."""
    refuses, handle = options.on_error == _generated.OnError.REFUSE, _abi.DatasetHandle()
    options.on_error = _generated.OnError.SKIP
    status = lib.supcon_dataset_from_folder(path, ctypes.byref(options), ctypes.byref(handle))
    options.on_error = _generated.OnError.REFUSE if refuses else _generated.OnError.SKIP
    check(status)
    data = Dataset(handle)
    read = {}  # images that only Pillow reads, by path
    for line in data.skipped:
        name = line.split(": ")[0]
        if is_foreign(name) and (made := transcoded(name)) is not None:
            read[name] = made
    rest = [it for it in data.skipped if it.split(": ")[0] not in read]
    if refuses and rest:
        if not read:  # the library raises the right kind of error
            check(lib.supcon_dataset_from_folder(path, ctypes.byref(options), ctypes.byref(handle)))
        raise FormatError(rest[0])
    if not read:
        return data
    root = Path(os.fsdecode(path))
    paths = data.paths or []
    labels = dict(zip(paths, data.labels)) if data.labels is not None else None
    if labels is not None:
        numbers = {name: at for at, name in enumerate(data.class_names)}
        for name in read:
            labels[name] = numbers[Path(name).relative_to(root).parts[0]]
    names = sorted([*paths, *read], key=lambda it: (labels[it] if labels else 0, Path(it).parts))
    images = [(Path(it), read[it]) if it in read else Path(it) for it in names]
    merged = encoded_dataset(images, None, options)
    if labels is not None:
        merged = merged.with_labels([labels[it] for it in names])
        merged = merged.with_class_names(data.class_names)
    merged.skipped = rest
    return merged
