"""The classes that the generated modules of options (`_generated`, `_rows`) are built from."""

from __future__ import annotations

import enum
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_double,
    c_int,
    c_int32,
    c_int64,
    c_uint32,
    c_void_p,
)
from typing import NamedTuple


class Choice(enum.IntEnum):
    """An enumeration of the header. Python writes its members in lower case: ``Form.OUT`` is
    ``"out"``.
    """

    @property
    def word(self) -> str:
        return self.name.lower()


class Limits(NamedTuple):
    """The legal values of an option, from `low` to `high`, ends that are open left out, and the
    words for them in a message.
    """

    low: float
    low_open: bool
    high: float
    high_open: bool
    words: str

    def hold(self, value: float) -> bool:
        """Tells whether the value is legal; NaN is not."""
        above = value > self.low if self.low_open else value >= self.low
        return above and (value < self.high if self.high_open else value <= self.high)


class Row(NamedTuple):
    """An option: Python's keyword; the struct's field; its kind (int, float, bool, str, bytes for a
    path, list for integers, or an enumeration); its table; its group in listings; a sentence of
    documentation; what it applies to; a special value with its meaning; a word that is accepted
    besides numbers, with its meaning; whether it is of the course of a whole run, which `tune`
    does not look at; its legal values, if Python checks them before the library does.
    """

    name: str
    field: str
    kind: type
    table: str
    group: str
    text: str
    applies: str
    special: tuple[float, str] | None
    word: tuple[str, str] | None = None
    course: bool = False
    limits: Limits | None = None


class Table:
    """The options of a struct."""

    def __init__(self, struct: type[Structure], *rows: Row) -> None:
        self.struct, self.rows = struct, rows


class TrialStruct(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_int32),
        ("learning_rate", c_double),
        ("score", c_double),
        ("accuracy", c_double),
        ("seconds", c_double),
        ("steps", c_int64),
        ("judges", c_int64),
    ]


ProgressCallback = CFUNCTYPE(c_int, c_int32, c_int64, c_int64, c_void_p)
TrialCallback = CFUNCTYPE(c_int, POINTER(TrialStruct), c_void_p)
