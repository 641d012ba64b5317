"""The classes that the generated modules of options (`_generated`, `_rows`) are built from."""

from __future__ import annotations

import enum
from ctypes import CFUNCTYPE, Structure, c_int, c_int32, c_int64, c_void_p
from typing import NamedTuple


class Choice(enum.IntEnum):
    """An enumeration of the header. Python writes its members in lower case: ``Form.OUT`` is
    ``"out"``.
    """

    @property
    def word(self) -> str:
        return self.name.lower()


class Row(NamedTuple):
    """An option: Python's keyword; the struct's field; its kind (int, float, bool, str, bytes for a
    path, list for integers, or an enumeration); its table; its group in listings; a sentence of
    documentation; what it applies to; a special value with its meaning; a word that is accepted
    besides numbers, with its meaning.
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


class Table:
    """The options of a struct."""

    def __init__(self, struct: type[Structure], *rows: Row) -> None:
        self.struct, self.rows = struct, rows


ProgressCallback = CFUNCTYPE(c_int, c_int32, c_int64, c_int64, c_void_p)
