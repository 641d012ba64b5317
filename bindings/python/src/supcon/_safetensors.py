"""Reads and writes safetensors files (github.com/huggingface/safetensors): the header's length in 8
bytes, a JSON header, and the tensors' bytes. They are written as the library writes them:
completely or not at all, with a checksum, metadata in descending order of keys.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np

from ._errors import FileError, FormatError
from ._types import Array, PathLike

TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}
CHECKSUM = "supcon.crc32"
BLANK = "00000000"
LONGEST_HEADER = 100_000_000


def write(path: PathLike, tensors: dict[str, Array], metadata: dict[str, str]) -> None:
    """Writes `tensors`, those of wider elements first so that all are aligned. OSError
    otherwise.
    """
    names = {np.dtype(code): name for name, code in TYPES.items()}
    ordered = sorted(tensors.items(), key=lambda it: (-it[1].itemsize, it[0]))
    metadata = dict(metadata) | {CHECKSUM: BLANK}
    header: dict[str, Any] = {
        "__metadata__": {it: metadata[it] for it in sorted(metadata, reverse=True)}
    }
    parts: list[Any] = []
    offset = 0
    for name, tensor in ordered:
        dtype = tensor.dtype.newbyteorder("<")
        parts.append(np.ascontiguousarray(tensor, dtype).reshape(-1).view(np.uint8))
        header[name] = {
            "dtype": names[dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(parts[-1])],
        }
        offset += len(parts[-1])
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    start = struct.pack("<Q", len(text)) + text
    checksum = zlib.crc32(start)
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    mark = f'"{CHECKSUM}":"'.encode()
    start = start.replace(mark + BLANK.encode(), mark + f"{checksum:08x}".encode(), 1)

    from ._files import write as write_whole

    def save(file: BinaryIO) -> None:
        file.write(start)
        for part in parts:
            file.write(part)

    write_whole(os.fspath(path), save)


def read(path: PathLike) -> tuple[dict[str, Array], dict[str, str]]:
    """Returns tensors and metadata of a file. BF16 becomes float32. FileError, FormatError
    otherwise.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise FileError(f"cannot read {os.fspath(path)!r}: {error.strerror}") from None
    try:
        return parsed(content)
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)!r} cannot be read: {error}") from None


def parsed(content: bytes) -> tuple[dict[str, Array], dict[str, str]]:
    """Returns tensors and metadata of a file's content. FormatError otherwise."""
    length = struct.unpack_from("<Q", content)[0] if len(content) >= 8 else -1
    if not 2 <= length <= min(LONGEST_HEADER, len(content) - 8):
        raise FormatError(
            f"it has {len(content)} bytes and no safetensors header at their beginning"
        )
    try:
        header = json.loads(content[8 : 8 + length].decode())
        metadata = header.pop("__metadata__", {})
        entries = [
            (name, it["dtype"], tuple(it["shape"]), *it["data_offsets"])
            for name, it in header.items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise FormatError("its header is not that of a safetensors file") from None
    _check_sum(content, length, metadata)
    tensors = {}
    for name, dtype, shape, first, end in entries:
        width = 2 if dtype == "BF16" else np.dtype(TYPES[dtype]).itemsize if dtype in TYPES else 0
        if width == 0:
            raise FormatError(
                f"tensor {name} has dtype {dtype!r}; expected one of BF16, {', '.join(TYPES)}"
            )
        counts = (*shape, first, end)
        if not all(type(it) is int and it >= 0 for it in counts):
            raise FormatError(f"tensor {name} has a shape or an offset that is no size")
        count = 1
        for side in shape:
            count *= side
        if end - first != count * width or 8 + length + end > len(content):
            raise FormatError(
                f"tensor {name} of shape {list(shape)} in {dtype} is at bytes {first} to {end} of "
                f"{len(content) - 8 - length}"
            )
        if dtype == "BF16":
            bits = np.frombuffer(content, "<u2", count, 8 + length + first).astype(np.uint32)
            tensors[name] = (bits << 16).view(np.float32).reshape(shape)
        else:
            tensors[name] = np.frombuffer(content, TYPES[dtype], count, 8 + length + first).reshape(
                shape
            )
    return tensors, metadata


def _check_sum(content: bytes, length: int, metadata: Any) -> None:
    """Checks the checksum of a file of ours. The order of the metadata shows whether another
    program has rewritten it since.
    """
    if not isinstance(metadata, dict) or not all(isinstance(it, str) for it in metadata.values()):
        raise FormatError("its metadata are not strings")
    keys = list(metadata)
    expected = metadata.get(CHECKSUM)
    if expected is None or sum(a <= b for a, b in zip(keys, keys[1:])) > 2:
        return
    mark = f'"{CHECKSUM}":"'.encode()
    at = content.find(mark, 8, 8 + length) + len(mark)
    start = zlib.crc32(content[:at] + BLANK.encode())
    found = f"{zlib.crc32(memoryview(content)[at + len(BLANK) :], start):08x}"
    if found != expected:
        raise FormatError(
            f"its checksum is {found}, but its metadata have {expected}: it is damaged"
        )
