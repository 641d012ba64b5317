"""Hands encoded images over to the library: files, and content of files in memory."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import _abi, _convert, _generated
from ._errors import FormatError
from ._images import integers
from ._library import lib, made_dataset
from ._pictures import advised, is_foreign, transcoded
from ._types import Int64


def hand_over(
    images: Sequence[Any],
    numbers: Int64 | None,
    options: _generated.DatasetOptions,
) -> tuple[_abi.Handle, tuple[Any, ...]]:
    """Creates a data set of paths and bytes. Returns its handle, and the buffers that it goes on
    using.
    """
    count = len(images)
    data, sizes = (ctypes.c_void_p * max(1, count))(), np.zeros(max(1, count), np.int64)
    paths = (ctypes.c_char_p * max(1, count))()
    keep: list[Any] = []
    for at, it in enumerate(images):
        if isinstance(it, tuple):
            paths[at], it = _convert.path("paths", it[0]), it[1]
        elif isinstance(it, Path):
            paths[at] = _convert.path("paths", it)
            it = transcoded(it) if is_foreign(it) else None
        elif is_foreign(it):
            it = transcoded(it) or it
        if it is not None:
            buffer = np.frombuffer(it, np.uint8)
            keep.append(buffer)
            data[at], sizes[at] = buffer.ctypes.data, buffer.size
            if not buffer.size:  # an empty buffer must not be NULL
                data[at] = sizes.ctypes.data
    try:
        handle = made_dataset(
            lib.supcon_dataset_from_encoded,
            data,
            integers(sizes),
            paths,
            count,
            integers(numbers),
            ctypes.byref(options),
        )
    except FormatError as error:
        raise FormatError(advised(str(error))) from None
    return handle, tuple(keep)
