"""Describes the command's flags for typer, which builds the parser. Most come from the library's
tables of options.
"""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Optional

import typer

from .._options import AUGMENTATION, Option, augmentation

COMMAND_LINE: list[str] = []  # the arguments as they were given
COMMON = 44  # characters of help in the short form of --help


class UsageError(Exception):
    """Wrong usage that the parser does not see; it is reported as the parser's own errors are."""

    def format_message(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Flag:
    """One argument or option of a command. common: shown by --help even where not every option
    fits; parse: converts the text, and raises ValueError for a bad one; brief: a shorter help.
    """

    name: str
    help: str
    kind: type = str
    metavar: str | None = None
    panel: str = "Options"
    default: object = None
    short: str | None = None
    choices: Sequence[str] = ()
    parse: Callable[[str], Any] | None = None
    several: bool = False
    positional: bool = False
    optional: bool = False
    common: bool = True
    brief: str | None = None


def argument(name: str, help: str, **more: Any) -> Flag:
    return Flag(name, help, metavar=more.pop("metavar", name.upper()), positional=True, **more)


def of(
    option: Option,
    panel: str,
    common: Sequence[str] = (),
    text: str | None = None,
    name: str | None = None,
    default: str | None = None,
) -> Flag:
    """Makes the flag of an option of the library, with its default in the help: the library's,
    unless `default` says what the command does. Its value is None if it is not given.
    """
    return Flag(
        name or option.name,
        f"{text or option.help} (default: {default or say(option.default)})",
        {int: int, float: float, bool: bool}.get(option.kind, str),
        {int: "N", float: "X", bytes: "PATH", list: "N[,N...]"}.get(option.kind, "NAME"),
        panel,
        choices=option.choices,
        parse=epochs if option.kind is list else number_or(option.row.word),
        common=option.name in common,
    )


def table(
    options: dict[str, Option],
    panel: str,
    common: Sequence[str] = (),
    defaults: dict[str, str] | None = None,
) -> list[Flag]:
    """Makes the flags of options; `defaults` says what the command does where it differs."""
    instead = defaults or {}
    return [of(it, panel, common, default=instead.get(name)) for name, it in options.items()]


def say(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(say, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def command(
    function: Callable[[SimpleNamespace], int], flags: list[Flag], whole: bool
) -> Callable[..., int]:
    """Returns a function for typer whose signature has the flags. `function` gets their values as
    one object. whole: --help shows every option with its full text.
    """
    parameters: list[inspect.Parameter] = []
    annotations: dict[str, Any] = {}

    def plain(value: Any) -> Any:
        return value.value if isinstance(value, enum.Enum) else value

    def run(**given: Any) -> int:
        values = {
            name: [plain(it) for it in value] if isinstance(value, (list, tuple)) else plain(value)
            for name, value in given.items()
        }
        return function(SimpleNamespace(command_line=COMMAND_LINE, **values))

    for flag in flags:
        kind, default = _typed(flag), _info(flag, whole)
        annotations[flag.name] = kind
        parameters.append(
            inspect.Parameter(
                flag.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind
            )
        )
    vars(run)["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = annotations
    run.__name__, run.__doc__ = function.__name__, inspect.getdoc(function)
    return run


def _typed(flag: Flag) -> Any:
    kind: Any = flag.kind
    if flag.choices and flag.parse is None:
        make: Any = enum.Enum  # mypy refuses a name that is not a literal
        kind = make(flag.name, {it: it for it in flag.choices}, type=str)
    if flag.several:
        return list[kind] if flag.positional and not flag.optional else Optional[list[kind]]
    return kind if flag.positional and not flag.optional else Optional[kind]


def _info(flag: Flag, whole: bool) -> Any:
    words: dict[str, Any] = dict(help=flag.help if whole else brief(flag), show_default=False)
    if flag.parse or flag.kind in (int, float):
        words["parser"] = parser(flag.parse or flag.kind)  # whose errors name the value
    if flag.metavar and (flag.positional or flag.parse or not flag.choices or not whole):
        words["metavar"] = flag.metavar if flag.kind is not bool else None
    if flag.positional:
        return typer.Argument(None if flag.optional else ..., **words)
    words["rich_help_panel"] = flag.panel if whole else "Options"
    dashed = "--" + flag.name.replace("_", "-")
    names = [f"{dashed}/--no-{dashed[2:]}"] if _negatable(flag) else [dashed]
    names += [flag.short] if flag.short else []
    return typer.Option(flag.default, *names, hidden=not (flag.common or whole), **words)


def _negatable(flag: Flag) -> bool:
    return flag.kind is bool and flag.default is None and flag.name != "resume"


def brief(flag: Flag) -> str:
    """Shortens a help text to its first words (or its choices) and the default, in one line."""
    text, _, default = flag.help.partition(" (default: ")
    default = default.rstrip(")")
    text = flag.brief or text.split("; ")[0].split(" (")[0]
    text = re.sub(r"^(the number of|the|whether) ", "", text, flags=re.IGNORECASE)
    text = text[:1].upper() + text[1:]
    if flag.choices:
        text = ", ".join(it for it in flag.choices if it != default)
        text = f"{default}, {text}" if default in flag.choices else text
    most = COMMON
    if default and len(default) < 14 and not flag.choices:
        most -= len(default) + 3
    if len(text) > most:
        text = text[: most - 2].rsplit(" ", 1)[0].rstrip(",:") + " …"
    return text if most == COMMON else f"{text} [{default}]"


def parser(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Wraps a conversion for typer, so that a bad value is reported as wrong usage."""

    def read(text: Any) -> Any:
        if not isinstance(text, str):
            return text
        try:
            return parse(text)
        except ValueError as error:
            said = str(error)
            raise typer.BadParameter(said if text in said else f"{text!r}: {said}") from None

    read.__name__ = parse.__name__.strip("_")
    return read


# ------------------------------------------------------------------------------------- texts
def size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) not in (1, 2) or not all(it.isdecimal() for it in parts):
        raise ValueError("expected pixels, such as 224 or 192x256")
    return (int(parts[0]), int(parts[-1]))


def byte_count(text: str) -> int:
    unit = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}.get(text[-1:].upper())
    try:
        number = float(text[:-1]) * unit if unit else int(text)
    except ValueError:
        number = 0
    if not 1 <= number < 2**63:
        raise ValueError(f"{text!r}: expected bytes above 0, such as 500M or 8G")
    return int(number)


def numbers(text: str) -> float | list[float]:
    found = [float(it) for it in text.split(",")]
    return found if len(found) > 1 else found[0]


def epochs(text: str) -> list[int]:
    return [int(it) for it in text.split(",")]


def number_or(word: tuple[str, str] | None) -> Callable[[str], str | float] | None:
    """Returns a function that reads a number or the option's `word`; None for an option without a
    word.
    """
    if word is None:
        return None

    def read(text: str) -> str | float:
        try:
            return text if text == word[0] else float(text)
        except ValueError:
            raise ValueError(f"{text!r}: expected a number, or {word[0]}") from None

    return read


def second_augmentation(text: str) -> dict[str, Any]:
    fields = {}
    for number, part in enumerate(text.split(",")):
        name, equals, value = part.partition("=")
        name, value = (
            (name.strip().replace("-", "_"), value) if equals or number else ("kind", part)
        )
        fields[name] = AUGMENTATION[name].kind(value) if name in AUGMENTATION else value
    augmentation(fields)  # raises an error for wrong fields
    return fields
