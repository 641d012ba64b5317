"""Draws contact sheets: views side by side, to look at."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _convert, _files, _options
from ._augmentation import augment, image_size
from ._data import Dataset
from ._inputs import source
from ._pictures import png
from ._types import Array, Augmentation, Images, PathLike, Size, UInt8

LEAST, FRAME = 64, (31, 95, 168)  # pixels of a view; the color around the original


def contact_sheet(
    images: Images,
    augmentation: Augmentation = "simclr",
    *,
    path: PathLike | None = None,
    views: int = 8,
    seed: int = 0,
    epoch: int = 1,
    size: Size | None = None,
    scale: int | None = None,
    names: Sequence[str] | None = None,
    n_jobs: int | None = None,
) -> UInt8:
    """Draws a row per image: the resized image in a blue frame, then views as training would make
    them.

    Parameters
    ----------
    images : arrays as in `augment`, a list of paths, or a data set
    augmentation : str, dict or a pair of them, default "simclr"
        As in `train`; the second of a pair is for the views after the first.
    path : path, optional
        A PNG file to write.
    views : int, default 8
    seed, epoch : int
        As in `augment`.
    size : int or (height, width), optional
        The size of a view; None: the images' own, or 224 if they differ.
    scale : int, optional
        The width and height at which a pixel is drawn; None: such that a view has at least 64.
    names : list of str, optional
        Names of the rows, written before them if Pillow is installed; None: a data set's classes.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.

    Returns
    -------
    uint8 [height, width, 3], white between the views
    """
    given = source(images)
    if size is None:
        size = (given.height, given.width) if given.height else 224
    height, width = image_size(size)
    found = given if isinstance(given, Dataset) else given.array
    pair = augmentation if isinstance(augmentation, (tuple, list)) else (augmentation, augmentation)
    _options.augmentations(augmentation)  # raises an error for a wrong one
    count = _convert.integer("views", views, 1, 256)
    common: dict[str, Any] = dict(seed=seed, epoch=epoch, size=(height, width), n_jobs=n_jobs)
    if names is None and isinstance(found, Dataset):
        names = row_names(found)
    columns = [augment(found, "none", **common)] + [
        augment(found, pair[min(it, 1)], view=it, **common) for it in range(count)
    ]
    return sheet(np.stack(columns, 1), path, scale=scale, names=names)


def row_names(data: Dataset) -> list[str] | None:
    """Returns the class name of each image, or None without labels."""
    if data.labels is None:
        return None
    return [data.class_names[it] for it in np.searchsorted(data.class_labels, data.labels)]


def sheet(
    cells: Array,
    path: PathLike | None = None,
    *,
    scale: int | None = None,
    names: Sequence[str] | None = None,
) -> UInt8:
    """Draws images [rows, columns, h, w, c] from 0 to 1 as one picture, the first column framed.
    Two channels are drawn by the first, four by the first three.
    """
    if scale is None:
        scale = max(1, -(-LEAST // max(1, min(cells.shape[2:4]))))
    scale = _convert.integer("scale", scale, 1, 64)
    cells = cells.repeat(scale, 2).repeat(scale, 3)
    rows, columns, height, width, channels = cells.shape
    gap = max(2, min(height, width) // 16)
    shown = cells[..., :3] if channels >= 3 else np.repeat(cells[..., :1], 3, -1)
    out = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = gap + row * (height + gap), gap + column * (width + gap)
            if column == 0:  # the original
                edge = min(gap, 4)
                out[top - edge : top + height + edge, left - edge : left + width + edge] = FRAME
            out[top : top + height, left : left + width] = np.rint(shown[row, column] * 255)
    if names is not None:
        out = _named(out, names, gap, height)
    if path is not None:
        _files.write(os.fspath(path), lambda file: file.write(png(out, 6)))
    return out


def _named(picture: Array, names: Sequence[str], gap: int, height: int) -> Array:
    """Writes the rows' names before them; returns the picture unchanged without Pillow."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        return picture
    try:
        font = ImageFont.load_default(max(10, height // 10))
    except TypeError:  # before Pillow 10.1
        font = ImageFont.load_default()
    names = [it if len(it) <= 24 else it[:23] + "…" for it in names]
    names = [it.encode("latin-1", "replace").decode("latin-1") for it in names]
    margin = 2 * gap + max(int(font.getbbox(it)[2]) for it in names)
    wide = np.full((len(picture), picture.shape[1] + margin, 3), 255, np.uint8)
    wide[:, margin:] = picture
    image = Image.fromarray(wide)
    draw = ImageDraw.Draw(image)
    for row, name in enumerate(names):
        _, top, _, bottom = font.getbbox(name)
        middle = gap + row * (height + gap) + height / 2
        draw.text((gap, middle - (top + bottom) / 2), name, fill=(30, 34, 40), font=font)
    return np.asarray(image)
