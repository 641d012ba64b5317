"""Encodes single pictures for the library to decode: arrays of different sizes, Pillow's images,
and files in formats that only Pillow reads.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ._errors import ElementTypeError, ShapeError
from ._images import are_bytes, as_array, is_picture
from ._types import Array, Encoded, PathLike

# Endings of files that Pillow may read and the library does not.
FOREIGN = frozenset(
    [
        ".bmp",
        ".dib",
        ".gif",
        ".tif",
        ".tiff",
        ".heic",
        ".heif",
        ".avif",
        ".jp2",
        ".ppm",
        ".pgm",
        ".pnm",
        ".tga",
        ".ico",
    ]
)


def png(image: Array, level: int = 1) -> bytes:
    """Encodes uint8 [h, w, 1 or 3] as a PNG file. The `level` is zlib's: little for what is decoded
    soon.
    """
    height, width, channels = image.shape

    def chunk(kind: bytes, body: bytes) -> bytes:
        sum_ = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", sum_)

    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = image.reshape(height, -1)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(
                b"IHDR",
                struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0),
            ),
            chunk(b"IDAT", zlib.compress(rows.tobytes(), level)),
            chunk(b"IEND", b""),
        )
    )


def picture_array(picture: Any) -> Array:
    """Converts a Pillow image to uint8 [h, w, 1 or 3], rotated as its Exif data say,
    without alpha.
    """
    from PIL import ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I;16"):  # 16 bits of gray, rounded to 8
        wide = np.asarray(picture).astype(np.uint32)
        return ((wide * 255 + 32895) >> 16).astype(np.uint8)[..., None]
    if picture.mode in ("I", "F"):
        raise ElementTypeError(
            f"a Pillow image has the mode {picture.mode!r}, whose scale is not defined; expected "
            'one of 8 bits, such as image.convert("L")'
        )
    is_gray = picture.mode in ("1", "L", "LA", "La")
    array = np.asarray(picture.convert("L" if is_gray else "RGB"))
    return array[..., None] if is_gray else array


def item_array(item: Any, name: str) -> Array:
    """Converts one image of a list to uint8 or float [h, w, c]."""
    if is_picture(item):
        return picture_array(item)
    array = as_array(item)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4 or 0 in array.shape:
        raise ShapeError(
            f"{name} has the shape {list(np.shape(item))}; expected [height, width] or "
            "[height, width, channels] with 1 to 4 channels"
        )
    return array


def encoded(item: Any, name: str) -> PathLike | bytes:
    """Converts one image of a list to the bytes of a file; a path stays a path."""
    if isinstance(item, (str, os.PathLike)):
        return item
    if are_bytes(item):
        return bytes(item)
    array = item_array(item, name)
    if array.dtype != np.uint8:
        raise ElementTypeError(
            f"{name} is of type {array.dtype}; expected uint8 in a list of images that differ in "
            "size or kind"
        )
    return png(array[..., : 1 if array.shape[2] < 3 else 3])


def is_foreign(image: PathLike | Encoded) -> bool:
    """Tells whether, by its name or the beginning of its bytes, only Pillow may read a file."""
    if isinstance(image, (str, os.PathLike)):
        return os.path.splitext(os.fsdecode(image))[1].lower() in FOREIGN
    start = bytes(memoryview(image)[:8])
    return start.startswith((b"GIF8", b"BM", b"II*\0", b"MM\0*")) or start[4:] == b"ftyp"


def advised(error: str) -> str:
    """Adds to an error of the library which extra to install for the format that it names."""
    found = re.search(r": is an? (GIF|BMP|TIFF|HEIC|AVIF) image; expected [^;]*$", error)
    if found is None:
        return error
    wanted = ("PIL", "pillow_heif") if found[1] == "HEIC" else ("PIL",)
    for module in wanted:
        try:
            importlib.import_module(module)
        except ImportError:
            return f"{error}; Python also reads {found[1]} with: pip install 'supcon[images]'"
    return error


def transcoded(image: PathLike | Encoded) -> bytes | None:
    """Reads the first picture of a file, or of a file's bytes, with Pillow and returns it as PNG.
    Returns None without Pillow, or if it cannot read the file either; the library then reports the
    error.
    """
    try:
        from PIL import Image
    except ImportError:
        return None
    try:
        from pillow_heif import register_heif_opener

        register_heif_opener()
    except ImportError:
        pass
    try:
        if isinstance(image, (str, os.PathLike)):
            image = Path(os.fsdecode(image)).read_bytes()
        with Image.open(io.BytesIO(image)) as picture:
            return png(picture_array(picture))
    except Exception:  # Pillow's decoders raise exceptions of any kind
        return None
