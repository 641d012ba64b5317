"""Folders of image files."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import _abi, _convert, _generated
from ._data import Dataset, encoded_dataset
from ._errors import FormatError
from ._images import integers
from ._library import check, hushed, lib, to_logging
from ._options import DATASET, build
from ._pictures import advised, has_image_name, is_foreign, transcoded
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
    data, refused = None, None
    with hushed() as said:
        try:
            check(lib.supcon_dataset_from_folder(path, ctypes.byref(options), ctypes.byref(handle)))
            data = Dataset(handle)
        except FormatError as error:
            refused = error
    root = Path(os.fsdecode(path))
    if data is not None:
        names, paths = data.class_names, data.paths or []
        unread = [_path_of(it) for it in data.skipped]
    else:  # no image that the library reads: it does not say which classes and files there are
        natural = options.class_order == _generated.ClassOrder.NATURAL
        (names, unread), paths = _walked(root, natural), []
    read = {}  # images that only Pillow reads, by path
    for name in unread:
        if is_foreign(name) and (made := transcoded(name)) is not None:
            read[name] = made
    if not read:
        for say in said:
            say()
        if data is None:
            raise FormatError(advised(str(refused)))
        data.skipped = [advised(it) for it in data.skipped]
    else:
        if data is None:  # the library says why it cannot read the others
            paths = [it for it in unread if it not in read]
        data = _merged(paths, read, names, root, data, options)
    options.on_error = _generated.OnError.REFUSE if refuses else _generated.OnError.SKIP
    if refuses and data.skipped:
        if not read:  # the library raises the right kind of error
            check(lib.supcon_dataset_from_folder(path, ctypes.byref(options), ctypes.byref(handle)))
        raise FormatError(data.skipped[0])
    return data


def _merged(
    paths: list[str],
    read: dict[str, bytes],
    names: list[str],
    root: Path,
    data: Dataset | None,
    options: _generated.DatasetOptions,
) -> Dataset:
    """Makes a data set of files that the library reads, in its order of classes, and of those that
    were `read` in its place. `data`: the library's own data set of the former.
    """
    labels = {}
    if data is not None and data.labels is not None:
        labels = dict(zip(paths, data.labels))
    numbers = {name: at for at, name in enumerate(names)}
    for name in {*paths, *read} - labels.keys() if names else ():
        labels[name] = numbers[Path(name).relative_to(root).parts[0]]
    files = sorted([*paths, *read], key=lambda it: (labels.get(it, 0), os.fsencode(it).split(b"/")))
    with hushed():
        merged = encoded_dataset(
            [(Path(it), read[it]) if it in read else Path(it) for it in files], None, options
        )
    skipped = merged.skipped
    if data is not None:
        skipped = [it for it in data.skipped if _path_of(it) not in read]
    if names:
        kept = merged.paths or []
        merged = merged.with_labels([labels[it] for it in kept]).with_class_names(names)
    merged.skipped = skipped = [advised(it) for it in skipped]
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


def _walked(root: Path, natural: bool) -> tuple[list[str], list[str]]:
    """Returns the class folders in `root`, and the files in them (or in `root` if it has none)
    whose names end like an image's, as the library finds them.
    """

    def listed(folder: str | Path) -> list[os.DirEntry[str]]:
        with os.scandir(folder) as entries:
            return [it for it in entries if it.name[0] != "." and it.name != "__MACOSX"]

    def order(name: str) -> tuple[bytes, bytes]:
        encoded = os.fsencode(name)
        if not natural:
            return encoded, encoded
        # padded to the longest name there is, runs of digits compare as numbers
        return re.sub(rb"\d+", lambda it: it[0].lstrip(b"0").rjust(255, b"0"), encoded), encoded

    classes = sorted((it.name for it in listed(root) if it.is_dir()), key=order)
    files = [] if classes else [it.path for it in listed(root) if it.is_file()]
    for name in classes:
        visited, pending = {os.path.realpath(root)}, [os.path.join(root, name)]
        while pending:
            folder = pending.pop()
            if (real := os.path.realpath(folder)) in visited:
                continue
            visited.add(real)
            try:
                inside = listed(folder)
            except OSError:  # the library's own error names it
                continue
            files += [it.path for it in inside if it.is_file()]
            pending += [it.path for it in inside if it.is_dir()]
    return classes, [it for it in files if has_image_name(it)]
