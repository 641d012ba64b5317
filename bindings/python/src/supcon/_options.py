"""The options of the library by their Python keywords; Sources/Options generates the rows.

Defaults are not here: they are read from the library (`default_of`), and an option that is None
stays as the library has it.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from . import _convert, _generated, _rows, _schema
from ._errors import ArgumentError
from ._library import Struct, defaults, initial

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True)
class Option:
    """One keyword of a struct's, as its row in Sources/Options says."""

    struct: type[ctypes.Structure]
    row: _schema.Row

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def field(self) -> str:
        return self.row.field

    @property
    def kind(self) -> type:
        return self.row.kind

    @property
    def help(self) -> str:
        """A phrase for docstrings and --help: what it is, whom it serves, what values mean."""
        text = self.row.text[:-1]
        if not text.split()[0].isupper():
            text = text[0].lower() + text[1:]
        parts = [text]
        if self.choices:
            parts += [f"{word}: {it}" for word, it in _rows.MEANINGS[self.kind].items()]
        if self.row.special:
            parts.append(f"{self.row.special[0]:g}: {self.row.special[1]}")
        if self.row.word:
            parts.append(f"{self.row.word[0]}: {self.row.word[1]}")
        return "; ".join(parts) + (f" ({self.row.applies})" if self.row.applies else "")

    @property
    def choices(self) -> list[str]:
        """The words of an enumeration; none of another kind."""
        return [it.word for it in self.kind] if issubclass(self.kind, _schema.Choice) else []

    @property
    def default(self) -> Any:
        return default_of(self.struct, self.field, self.kind)

    def number(self, value: Any) -> Any:
        """`value` as the field takes it; an exception that names the option if it cannot be."""
        if issubclass(self.kind, _schema.Choice):
            return _convert.choice(self.name, value, self.kind)
        if self.kind is bool:
            return _convert.flag(self.name, value)
        if self.kind is int:
            return _convert.integer(
                self.name, value, *_convert.RANGES[_ctype(self.struct, self.field)]
            )
        if self.kind is float:
            return _convert.real(self.name, value)
        if self.kind is bytes:
            return _convert.path(self.name, value)
        if self.kind is list:
            low, high = _convert.RANGES[ctypes.c_int32]
            return [_convert.integer(self.name, it, low, high) for it in value]
        if not isinstance(value, str) or "\0" in value:
            raise ArgumentError(
                f"{self.name} is {value!r}; expected a word such as {self.default!r}"
            )
        return value.encode()


@functools.cache
def _library_defaults(struct: type[Struct]) -> Struct:
    return initial(struct)


def default_of(struct: type[ctypes.Structure], field: str, kind: type) -> Any:
    """What the library's init function sets `field` to, as Python writes it."""
    return _word(_library_defaults(struct), field, kind)


def _word(struct: ctypes.Structure, field: str, kind: type) -> Any:
    """The field of a filled struct, as Python writes it."""
    value = getattr(struct, field)
    if kind is list:
        return value[: getattr(struct, _count(field))] or None
    if value is None:
        return None
    if issubclass(kind, _schema.Choice):
        return kind(value).word
    if kind is bool:
        return bool(value)
    if kind is float and _ctype(type(struct), field) is ctypes.c_float:
        return shortest(value)
    return value.decode() if isinstance(value, bytes) else value


def _ctype(struct: type[ctypes.Structure], field: str) -> Any:
    return next(it[1] for it in struct._fields_ if it[0] == field)


def _count(field: str) -> str:
    """The field beside a list that says how long it is: of milestones it is milestone_count."""
    return f"{field.removesuffix('s')}_count"


def shortest(value: float) -> float:
    """The shortest decimal that is this f32: 0.1, not 0.10000000149."""
    return float(str(np.float32(value)))


def words(struct: ctypes.Structure, table: dict[str, Option]) -> dict[str, Any]:
    """Every option of the table by its name, as a filled struct has it: what `build` makes the
    struct of.
    """
    return {name: _word(struct, option.field, option.kind) for name, option in table.items()}


def _table(known: _schema.Table, table: str = "") -> dict[str, Option]:
    """The options of a struct by their names: those that a caller gives, or in the table "data"
    those that the data decide, in "alone" those that training decides.
    """
    return {it.name: Option(known.struct, it) for it in known.rows if it.table == table}


MODEL, MODEL_DATA = _table(_rows.MODEL), _table(_rows.MODEL, "data")
TRAIN, TRAIN_DATA = _table(_rows.TRAIN), _table(_rows.TRAIN, "data")
LOSS, LOSS_ALONE = _table(_rows.LOSS), _table(_rows.LOSS, "alone")
AUGMENTATION = _table(_rows.AUGMENTATION)
CLASSIFIER = _table(_rows.CLASSIFIER)
EMBED = _table(_rows.EMBED)
EVALUATE = _table(_rows.EVALUATE)
CALIBRATION = _table(_rows.CALIBRATION)
OOD = _table(_rows.OOD)
NEAREST = _table(_rows.NEAREST)
LOAD = _table(_rows.LOAD)
DATASET = _table(_rows.DATASET)


def fill(struct: Struct, table: dict[str, Option], values: dict[str, Any]) -> Struct:
    """Sets the fields of `struct` whose option has a value in `values`; None leaves the default.
    ArgumentError for an unknown name.
    """
    for name, value in values.items():
        if name not in table:
            raise ArgumentError(f"{name!r} is no option here; expected one of {', '.join(table)}")
        if value is None:
            continue
        option, number = table[name], table[name].number(value)
        if option.kind is list:
            array = (ctypes.c_int32 * len(number))(*number)
            setattr(struct, _count(option.field), len(number))
            number = ctypes.cast(array, ctypes.POINTER(ctypes.c_int32))  # keeps the array
        setattr(struct, option.field, number)
    return struct


def build(table: dict[str, Option], **values: Any) -> Any:
    """A struct with the library's defaults, and `values` set."""
    return fill(defaults(next(iter(table.values())).struct), table, values)


def augmentations(
    value: Any,
) -> tuple[_generated.AugmentationOptions | None, _generated.AugmentationOptions | None]:
    """An augmentation, or a pair of them: of an image's first view and of the others."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ArgumentError(
                f"augmentation has {len(value)} parts; expected one augmentation, or "
                "two: of an image's first view and of the others"
            )
        return augmentation(value[0]), augmentation(value[1]) or defaults(
            _generated.AugmentationOptions
        )
    return augmentation(value), None


def augmentation(value: Any) -> _generated.AugmentationOptions | None:
    """A kind such as "simclr", or a dict with "kind" and fields such as {"kind": "simclr",
    "crop_scale_min": 0.5}; None: the default.
    """
    if value is None:
        return None
    fields = {"kind": value} if not isinstance(value, dict) else dict(value)
    fields["augmentation"] = fields.pop("kind", None)
    made: _generated.AugmentationOptions = build(AUGMENTATION, **fields)
    return made


def describe(*tables: dict[str, Option]) -> str:
    """Lines for a docstring, an option each: what it is, its choices and the library's default."""
    lines = []
    for table in tables:
        for option in table.values():
            kind = (
                f"{{{', '.join(map(repr, option.choices))}}}"
                if option.choices
                else "path"
                if option.kind is bytes
                else option.kind.__name__
            )
            text = option.help[0].upper() + option.help[1:]
            lines.append(f"    {option.name} : {kind}, default {option.default!r}\n        {text}.")
    return "\n".join(lines)


def documented(*tables: dict[str, Option]) -> Callable[[Decorated], Decorated]:
    """A decorator that puts the options into the docstring in the place of "    {options}", and the
    library's {mean}, {std} and {side} of images.
    """

    def decorate(it: Decorated) -> Decorated:
        if it.__doc__:
            model = _library_defaults(_generated.ModelOptions)
            it.__doc__ = it.__doc__.replace("    {options}", describe(*tables))
            for name, value in (
                ("mean", model.mean[0]),
                ("std", model.std[0]),
                ("side", model.image_height),
            ):
                it.__doc__ = it.__doc__.replace(f"{{{name}}}", f"{value:g}")
        return it

    return decorate
