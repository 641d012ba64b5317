"""Contact sheets: views side by side, for the eye."""

from __future__ import annotations

import os
import struct
import zlib

import numpy as np

from . import _convert, _files, _options
from ._augmentation import augment, image_size
from ._data import Dataset, source


def contact_sheet(
    images, augmentation="simclr", *, path=None, views=8, seed=0, epoch=1, size=None, n_jobs=None
) -> np.ndarray:
    """A row per image: the image itself, resized, then views as training would make them.

    Parameters
    ----------
    images : arrays as in `augment`, a list of paths, or a data set
    augmentation : str, dict or a pair of them, default "simclr"
        As in `train`: of a pair the second is for the views after the first.
    path : path, optional
        A PNG file to write.
    views : int, default 8
    seed, epoch : int
        As in `augment`.
    size : int or (height, width), optional
        Of a view; None: as large as the images, or, if they differ, 224.
    n_jobs : int, optional
        Threads; None: every CPU this process may use.

    Returns
    -------
    uint8 [height, width, 3], white between the views
    """
    found = source(images)
    if isinstance(found, Dataset):
        height, width = image_size(
            size if size is not None else (found.height, found.width) if found.height else 224
        )
    else:
        found, (height, width) = (
            found.array,
            image_size(size if size is not None else (found.height, found.width)),
        )
    pair = augmentation if isinstance(augmentation, (tuple, list)) else (augmentation, augmentation)
    _options.augmentations(augmentation)  # of its errors' words
    count = _convert.integer("views", views, 1, 256)
    common = dict(seed=seed, epoch=epoch, size=(height, width), n_jobs=n_jobs)
    columns = [augment(found, "none", **common)] + [
        augment(found, pair[min(it, 1)], view=it, **common) for it in range(count)
    ]
    return sheet(np.stack(columns, 1), path)


def sheet(cells: np.ndarray, path=None) -> np.ndarray:
    """Images [rows, columns, h, w, c] from 0 to 1 as one picture; of two channels the first is
    shown, of four three.
    """
    rows, columns, height, width, channels = cells.shape
    gap = max(1, min(height, width) // 16)
    shown = cells[..., :3] if channels >= 3 else np.repeat(cells[..., :1], 3, -1)
    out = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = gap + row * (height + gap), gap + column * (width + gap)
            out[top : top + height, left : left + width] = np.rint(shown[row, column] * 255)
    if path is not None:
        _files.write(os.fspath(path), lambda file: file.write(png(out)))
    return out


def png(pixels: np.ndarray) -> bytes:
    """uint8 [h, w, 3] as a PNG file."""
    height, width, _ = pixels.shape
    lines = np.zeros((height, 1 + width * 3), np.uint8)  # each begins with its filter: none
    lines[:, 1:] = pixels.reshape(height, -1)
    part = lambda kind, data: (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", head)
        + part(b"IDAT", zlib.compress(lines.tobytes(), 6))
        + part(b"IEND", b"")
    )
