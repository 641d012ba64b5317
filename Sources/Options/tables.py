"""Reads the tables of options, one file per struct of include/supcon.h, and checks them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python before 3.11
    import tomli as tomllib  # type: ignore[no-redef]

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
# In the order of the header: a struct comes after those that it points to.
NAMES = (
    "context", "loss", "dataset", "augmentation", "model", "load", "embed", "classifier", "train",
    "search", "evaluate", "calibration", "ood", "nearest",
)  # fmt: skip
WIDTH = 100

# type of the table → type of C
C_TYPES = {
    "int": "int32_t",
    "int64": "int64_t",
    "uint64": "uint64_t",
    "float": "float",
    "double": "double",
    "bool": "int32_t",
    "path": "const char *",
    "architecture": "const char *",
    "ints": "const int32_t *",
    "pointer": "void *",
    "reserved": "int32_t",
    "channels": "float",
}


class TableError(Exception):
    """A sentence about a table that is not as it should be."""


def camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(it.capitalize() for it in tail)


def number(value) -> str:
    """A number as people write it: 1000000, 1e6, 0.1; a fraction as it stands in the table."""
    if isinstance(value, (str, int)):
        return str(value)
    text = repr(value)
    return re.sub(r"e([+-])0?(\d)$", lambda it: "e" + it[1].strip("+") + it[2], text).removesuffix(
        ".0"
    )


@dataclass
class Range:
    """The values that are legal: `text` is "A to B", "above A to B", "A to below B", "A or more" or
    "above A"."""

    text: str
    low: str
    low_open: bool
    high: str | None
    high_open: bool

    @classmethod
    def parse(cls, text: str) -> Range:
        found = re.fullmatch(r"(above )?(\S+)(?: to (below )?(\S+)| or more)?", text)
        if not found:
            raise TableError(f'range is "{text}"; expected such as "0 to 1" or "above 0"')
        above, low, below, high = found.groups()
        return cls(text, low, above is not None, high, below is not None)

    @property
    def words(self) -> str:
        """The legal values in words."""
        if not self.low_open:
            return self.text
        return f"a number above {self.low}" + (f", at most {self.high}" if self.high else "")

    def condition(self, name: str, real: bool) -> str:
        """The check in Swift."""
        parts = [f"{name} {'>' if self.low_open else '>='} {grouped(self.low)}"]
        if self.high:
            parts.append(f"{name} {'<' if self.high_open else '<='} {grouped(self.high)}")
        elif real:
            parts.append(f"{name}.isFinite")
        return " && ".join(parts)


def grouped(literal: str) -> str:
    """A Swift literal: digits in groups of three."""
    return f"{int(literal):_}" if re.fullmatch(r"\d{5,}", literal) else literal


@dataclass
class Enum:
    name: str
    python: str
    swift: str
    doc: str
    values: list[list[str]]
    map: str | None = None  # the array of SupConC that translates it; None: by raw value

    def prefix(self) -> str:
        return f"SUPCON_{self.name.upper()}_"

    def meaning(self, value: list[str]) -> str:
        """A sentence; a word of the library at its beginning stays small."""
        text = value[1]
        word = text.split()[0].strip(",;:")
        return (text if word in {it[0] for it in self.values} else text[0].upper() + text[1:]) + "."

    def literal(self, word: str) -> str:
        """The case in Swift, without the dot; "nil" for none."""
        for value in self.values:
            if value[0] == word:
                return value[2] if len(value) > 2 else camel(word)
        raise TableError(
            f"{word} is no {self.name}; expected {', '.join(it[0] for it in self.values)}"
        )


@dataclass
class Option:
    name: str
    type: str
    doc: str
    default: object = None
    range: Range | None = None
    special: list | None = None  # [value, what it means]
    more: str = ""
    applies: str = ""
    resume: str = "must agree"  # "may differ": not compared; "unused": of no effect in training
    group: str | None = None
    keyword: str | None = None  # Python's name for it
    course: bool = False  # of the course of a whole run: trials of a search take the default
    word: list | None = None  # [a word that Python takes beside numbers, what it means]
    python: str = "keyword"  # "data", "alone": in a table of its own; "special": by hand
    swift: str | None = None
    optional: bool = False
    enum: Enum | None = None

    @property
    def swift_name(self) -> str:
        return self.swift or camel(self.name)

    @property
    def real(self) -> bool:
        return self.type in ("float", "double")

    @property
    def in_swift(self) -> bool:
        return self.type not in ("pointer", "reserved") and not self.type.startswith("callback:")

    def sentences(self) -> str:
        """What it is, whom it serves, and which values are legal; defaults apart."""
        parts = [self.doc, self.more.strip()]
        if self.applies:
            parts.append(f"Applies to {self.applies}.")
        return " ".join(filter(None, parts))

    def legal(self, default: str) -> str:
        """The default and the legal values in words."""
        told = f"Default {default}"
        meaning = None if self.special is None else f"{number(self.special[0])}: {self.special[1]}"
        if meaning and number(self.special[0]) == number(self.default):
            told, meaning = f"{told}: {self.special[1]}", None
        limits = self.range.words if self.range else "0 or 1" if self.type == "bool" else None
        return "; ".join(filter(None, (told, limits, meaning))) + "."

    def expected(self) -> str:
        """The legal values for a message."""
        if self.special is None:
            return self.range.words
        value, meaning = self.special
        inside = float(self.range.low) <= value and not self.range.low_open
        return f"{self.range.words}, {'' if inside else 'or '}{number(value)} for {meaning}"


@dataclass
class Struct:
    name: str  # the file's
    c: str
    python: str
    table: str
    title: str
    doc: str
    swift: str | None = None
    file: str | None = None
    imports: list[str] = field(default_factory=list)
    conforms: str = "Sendable"
    validates: bool = False
    memberwise: bool = False
    checks: bool = True  # validateRanges() is made
    early: bool = False  # Python checks ranges too: the library sees these options after a run
    notes: str = ""  # lines of their own behind doc
    enums: list[Enum] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)

    @property
    def checked(self) -> list[Option]:
        return [it for it in self.options if self.checks and it.range and it.in_swift]


def read() -> list[Struct]:
    structs, enums = [], {}
    for name in NAMES:
        table = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
        struct = Struct(name, **table["struct"])
        for row in table.get("enum", ()):
            struct.enums.append(Enum(**row))
            enums[row["name"]] = struct.enums[-1]
        for row in table["option"]:
            if "range" in row:
                row["range"] = Range.parse(row["range"])
            option = Option(doc=row.pop("doc", ""), **row)
            kind, _, detail = option.type.partition(":")
            if kind == "choice":
                option.enum = enums[detail]
                option.enum.literal(option.default)
            elif kind not in C_TYPES and kind not in ("options", "callback"):
                raise TableError(f"{struct.c}.{option.name} has the type {option.type}")
            if option.type != "reserved" and not option.doc.endswith("."):
                raise TableError(f"{struct.c}.{option.name} has no sentence in doc")
            struct.options.append(option)
        structs.append(struct)
    return structs


def wrapped(text: str, first: str, rest: str, width: int = WIDTH) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
