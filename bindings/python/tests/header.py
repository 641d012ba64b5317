"""include/supcon.h, read by a small parser of its own."""

import re
from pathlib import Path

HEADER = Path(__file__).resolve().parents[3] / "include" / "supcon.h"


def read(path=HEADER):
    """A header such as HEADER: (enumerators {name: value}, structs {name: [(type, name, array
    length)]}, functions {name: (result, [types])}, callbacks likewise, macros).
    """
    text = Path(path).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    macros = {
        name: int(value)
        for name, value in re.findall(r"^#define (SUPCON_\w+) (\d+)\s*$", text, re.M)
    }
    text = re.sub(r"^\s*#(.*\\\n)*.*$", "", text, flags=re.M).replace('extern "C" {', "")
    enumerators = {}
    for body in re.findall(r"\benum\s*\{(.*?)\}", text, re.S):
        for name, value in re.findall(r"(\w+)\s*=\s*(-?\d+)", body):
            enumerators[name] = int(value)
    structs = {}
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\}", text, re.S):
        members = []
        for member in filter(None, (it.strip() for it in body.split(";"))):
            kind, field, length = re.fullmatch(
                r"(.*?)\s*(\w+)(?:\[(\d+)\])?", member, re.S
            ).groups()
            members.append((clean(kind), field, int(length) if length else None))
        structs[name] = members
    callbacks = {
        name: (clean(result), types(arguments))
        for result, name, arguments in re.findall(r"typedef (\w+) \(\*(\w+)\)\((.*?)\)", text, re.S)
    }
    text = re.sub(
        r"typedef.*?;|enum\s*\{.*?\};", "", re.sub(r"\{.*?\}", "", text, flags=re.S), flags=re.S
    )
    functions = {}
    for result, name, arguments in re.findall(
        r"([\w\s*]+?)\b(supcon_\w+)\s*\((.*?)\)\s*;", text, re.S
    ):
        functions[name] = (clean(result), types(arguments))
    return enumerators, structs, functions, callbacks, macros


def clean(kind: str) -> str:
    """A type without const and SUPCON_MUST_CHECK: "float *", "supcon_model **"."""
    stars = kind.count("*")
    word = " ".join(
        it
        for it in re.sub(r"[*]", " ", kind).split()
        if it not in ("const", "struct", "SUPCON_MUST_CHECK")
    )
    return word + (" " + "*" * stars if stars else "")


def types(arguments: str) -> list[str]:
    """The types of a list of parameters; "const char *const *paths" is "char **"."""
    if arguments.strip() == "void":
        return []
    return [clean(re.sub(r"\w+\s*$", "", it.strip())) for it in arguments.split(",")]
