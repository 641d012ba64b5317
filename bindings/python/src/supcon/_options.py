"""The options of the library by their Python keywords; Sources/Options generates the rows.

Defaults are not here: they are read from the library (`default_of`), and an option that is None
stays as the library has it.
"""

from __future__ import annotations

import ctypes
import functools
import inspect
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
    """An option, as its row in Sources/Options describes it."""

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
        """The text for docstrings and --help: its meaning, its choices, special values, and what it
        applies to.
        """
        parts = [self.row.text[:-1]]
        if self.choices:
            parts += [f"{word}: {it}" for word, it in _rows.MEANINGS[self.kind].items()]
        if self.row.special:
            parts.append(f"{self.row.special[0]:g}: {self.row.special[1]}")
        if self.row.word:
            parts.append(f"{self.row.word[0]}: {self.row.word[1]}")
        return "; ".join(parts) + (f" ({self.row.applies})" if self.row.applies else "")

    @property
    def choices(self) -> list[str]:
        """The words of an enumeration; empty for other kinds."""
        return [it.word for it in self.kind] if issubclass(self.kind, _schema.Choice) else []

    @property
    def default(self) -> Any:
        return default_of(self.struct, self.field, self.kind)

    def number(self, value: Any) -> Any:
        """Converts `value` for the struct's field; an exception for a wrong one names the
        option.
        """
        found, limits, special = self._converted(value), self.row.limits, self.row.special
        if limits:
            stored = _ctype(self.struct, self.field)(found).value
            if not limits.hold(stored) and not (special and stored == special[0]):
                raise ArgumentError(f"{self.name} is {value}; expected {limits.words}")
        return found

    def _converted(self, value: Any) -> Any:
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
    """Returns the library's default of `field`, in Python's form."""
    return _word(_library_defaults(struct), field, kind)


def _word(struct: ctypes.Structure, field: str, kind: type) -> Any:
    """Returns the field of a filled struct, in Python's form."""
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
    """Returns the name of the field with a list's length, such as milestone_count for
    milestones.
    """
    return f"{field.removesuffix('s')}_count"


def shortest(value: float) -> float:
    """Returns the shortest decimal that rounds to this f32: 0.1, not 0.10000000149."""
    return float(str(np.float32(value)))


def words(struct: ctypes.Structure, table: dict[str, Option]) -> dict[str, Any]:
    """Returns every option of the table by name, with its value in a filled struct; `build` is the
    inverse.
    """
    return {name: _word(struct, option.field, option.kind) for name, option in table.items()}


def _table(known: _schema.Table, table: str = "") -> dict[str, Option]:
    """Returns the options of a struct by name: those that a caller gives, those that depend on the
    data (table "data"), or those for losses outside of training (table "alone").
    """
    return {it.name: Option(known.struct, it) for it in known.rows if it.table == table}


MODEL, MODEL_DATA = _table(_rows.MODEL), _table(_rows.MODEL, "data")
TRAIN, TRAIN_DATA = _table(_rows.TRAIN), _table(_rows.TRAIN, "data")
SEARCH = _table(_rows.SEARCH)
LOSS, LOSS_ALONE = _table(_rows.LOSS), _table(_rows.LOSS, "alone")
AUGMENTATION = _table(_rows.AUGMENTATION)
CLASSIFIER = _table(_rows.CLASSIFIER)
# the same by the names that they have outside of a run: l2, not classifier_l2
CLASSIFIER_ALONE = {
    it.field: Option(it.struct, it.row._replace(name=it.field)) for it in CLASSIFIER.values()
}
EMBED = _table(_rows.EMBED)
EVALUATE = _table(_rows.EVALUATE)
CALIBRATION = _table(_rows.CALIBRATION)
OOD = _table(_rows.OOD)
NEAREST = _table(_rows.NEAREST)
LOAD = _table(_rows.LOAD)
DATASET = _table(_rows.DATASET)


def fill(struct: Struct, table: dict[str, Option], values: dict[str, Any]) -> Struct:
    """Sets the fields of `struct` that have a value in `values`; None leaves the default.
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
            number = ctypes.cast(array, ctypes.POINTER(ctypes.c_int32))  # keeps the array alive
        setattr(struct, option.field, number)
    return struct


def build(table: dict[str, Option], **values: Any) -> Any:
    """Returns a struct with the library's defaults and `values`."""
    return fill(defaults(next(iter(table.values())).struct), table, values)


def augmentations(
    value: Any,
) -> tuple[_generated.AugmentationOptions | None, _generated.AugmentationOptions | None]:
    """Converts an augmentation, or a pair of them: for an image's first view and for the others."""
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
    """Converts a kind such as "simclr", or a dict with "kind" and fields such as {"kind": "simclr",
    "crop_scale_min": 0.5}; None: the default.
    """
    if value is None:
        return None
    fields = {"kind": value} if not isinstance(value, dict) else dict(value)
    fields["augmentation"] = fields.pop("kind", None)
    made: _generated.AugmentationOptions = build(AUGMENTATION, **fields)
    return made


def describe(*tables: dict[str, Option], instead: dict[str, str]) -> str:
    """Returns the docstring's lines for each option: its meaning, choices and default, or what
    `instead` has in the default's place.
    """
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
            default = instead.get(option.name, repr(option.default))
            lines.append(f"{option.name} : {kind}, default {default}\n    {option.help}.")
    return "\n".join(lines)


def documented(
    *tables: dict[str, Option], instead: dict[str, str] | None = None
) -> Callable[[Decorated], Decorated]:
    """Returns a decorator that replaces {options} in a docstring by the options (see `describe`),
    and {mean}, {std} and {side} by the library's defaults for images. The docstring loses its
    indentation, as since Python 3.13 all do.
    """

    def decorate(it: Decorated) -> Decorated:
        if it.__doc__:
            model = _library_defaults(_generated.ModelOptions)
            told = describe(*tables, instead=instead or {})
            it.__doc__ = inspect.cleandoc(it.__doc__).replace("{options}", told)
            for name, value in (
                ("mean", model.mean[0]),
                ("std", model.std[0]),
                ("side", model.image_height),
            ):
                it.__doc__ = it.__doc__.replace(f"{{{name}}}", f"{value:g}")
        return it

    return decorate
