"""Converts Python values to the library's numbers, and raises an error where ctypes would silently
truncate.
"""

from __future__ import annotations

import ctypes
import math
import operator
import os
from typing import Any

import numpy as np

from ._errors import ArgumentError, ElementTypeError
from ._schema import Choice
from ._types import ArrayLike, Int64

# ctypes integer → its range
RANGES: dict[Any, tuple[int, int]] = {
    ctypes.c_int32: (-(2**31), 2**31 - 1),
    ctypes.c_int64: (-(2**63), 2**63 - 1),
    ctypes.c_uint64: (0, 2**64 - 1),
}


def integer(name: str, value: Any, low: int, high: int) -> int:
    """Returns `value` as an int within [low, high]. numpy's integers are accepted, floats and bools
    are not.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise ElementTypeError(f"{name} is {value!r}; expected an integer")
    if not low <= number <= high:
        raise ArgumentError(f"{name} is {number}; expected an integer from {low} to {high}")
    return number


def real(name: str, value: Any) -> float:
    """Returns `value` as a finite float."""
    try:
        if isinstance(value, (str, bytes, bool)):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ElementTypeError(f"{name} is {value!r}; expected a number") from None
    if not math.isfinite(number):
        raise ArgumentError(f"{name} is {number}; expected a finite number")
    return number


def flag(name: str, value: Any) -> int:
    """Returns `value`, which must be True, False, 1 or 0, as the library's int."""
    if isinstance(value, (str, bytes)) or value not in (True, False):
        raise ElementTypeError(f"{name} is {value!r}; expected True or False")
    return int(bool(value))


def choice(name: str, value: Any, enumeration: type[Choice]) -> int:
    """Returns the number of a word such as "cross_entropy" in `enumeration`."""
    if isinstance(value, enumeration):
        return int(value)
    words = {it.word: int(it) for it in enumeration}
    if not isinstance(value, str) or value not in words:
        raise ArgumentError(f"{name} is {value!r}; expected one of {', '.join(map(repr, words))}")
    return words[value]


def path(name: str, value: Any) -> bytes:
    """Returns a str or path-like object as the bytes that the library opens."""
    try:
        encoded = os.fsencode(value)
    except TypeError:
        raise ElementTypeError(f"{name} is {value!r}; expected a path") from None
    if b"\0" in encoded:
        raise ArgumentError(f"{name} is {value!r}; a path has no NUL")
    return encoded


def per_channel(name: str, value: Any, channels: int) -> list[float]:
    """Returns one number per channel, from a sequence of that length or from one number for all."""
    numbers = (
        [value] * channels
        if isinstance(value, (int, float))
        else list(value)
        if hasattr(value, "__iter__")
        else [value]
    )
    if len(numbers) != channels:
        raise ArgumentError(
            f"{name} has {len(numbers)} numbers; expected one for each of the {channels} channels"
        )
    return [real(name, it) for it in numbers]


def seed(value: Any) -> int:
    """Returns `value` as a seed, 0 to 2^64 - 1."""
    return integer("seed", value, 0, 2**64 - 1)


def strings(encoded: list[bytes]) -> Any:
    """Returns an array of C strings."""
    return (ctypes.c_char_p * max(1, len(encoded)))(*encoded)


def labels(given: ArrayLike | None) -> Int64 | None:
    """Checks integer labels and returns them as int64 [n]; None stays None."""
    if given is None:
        return None
    array = np.asarray(given)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise ElementTypeError(
            f"labels are {array.dtype} {list(array.shape)}; expected integers [n]"
        )
    return np.ascontiguousarray(array, np.int64)
