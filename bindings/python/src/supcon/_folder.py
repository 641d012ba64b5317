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
from ._library import check, hushed, lib, made_dataset, to_logging
from ._options import DATASET, build
from ._pictures import advised, is_foreign, transcoded
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

    def opened() -> Dataset:
        return Dataset(made_dataset(lib.supcon_dataset_from_folder, path, ctypes.byref(options)))

    wanted = options.on_error
    options.on_error, options.allow_empty = _generated.OnError.SKIP, 1
    with hushed() as said:
        data = opened()
    options.on_error, options.allow_empty = wanted, 0
    read = {}  # images that only Pillow reads, by path
    for name in map(_path_of, data.skipped):
        if is_foreign(name) and (made := transcoded(name)) is not None:
            read[name] = made
    if read:
        data = _merged(data, read, Path(os.fsdecode(path)), options)
    elif data.count == 0 or (data.skipped and wanted == _generated.OnError.REFUSE):
        try:  # the library raises the right kind of error
            return opened()
        except FormatError as error:
            raise FormatError(advised(str(error))) from None
    else:
        for say in said:
            say()
        data.skipped = [advised(it) for it in data.skipped]
    if data.skipped and wanted == _generated.OnError.REFUSE:
        raise FormatError(data.skipped[0])
    return data


def _merged(
    data: Dataset, read: dict[str, bytes], root: Path, options: _generated.DatasetOptions
) -> Dataset:
    """Makes a data set of the files of `data`, which the library reads, and of those that were
    `read` in its place, in the library's order.
    """
    paths, names = data.paths or [], data.class_names
    labels = {} if data.labels is None else dict(zip(paths, data.labels))
    numbers = {name: at for at, name in enumerate(names)}
    for name in read if names else ():
        labels[name] = numbers[Path(name).relative_to(root).parts[0]]
    files = sorted([*paths, *read], key=lambda it: (labels.get(it, 0), os.fsencode(it).split(b"/")))
    with hushed():
        merged = encoded_dataset(
            [(Path(it), read[it]) if it in read else Path(it) for it in files], None, options
        )
    if names:
        kept = merged.paths or []
        merged = merged.with_labels([labels[it] for it in kept]).with_class_names(names)
    merged.skipped = skipped = [advised(it) for it in data.skipped if _path_of(it) not in read]
    if skipped:
        to_logging(
            "warning",
            f"{len(skipped)} of {len(merged) + len(skipped)} files are left out; the first: "
            f"{skipped[0]}",
        )
    return merged


def _path_of(told: str) -> str:
    """Returns the path at the beginning of a sentence about a file; it may contain a colon."""
    parts = told.split(": ")
    ends = (": ".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((it for it in ends if os.path.lexists(it)), parts[0])
