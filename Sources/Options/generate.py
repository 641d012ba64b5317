"""Writes everything that is told once in Sources/Options, at each place where it is needed.

generate.py          writes the files
generate.py --check  writes nothing; names each file that differs, status 1 if any does
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import emit_c
import emit_docs
import emit_python
import emit_swift
import tables

PACKAGE = tables.ROOT / "bindings" / "python" / "src" / "supcon"


def header(structs: list[tables.Struct]) -> str:
    text = (tables.ROOT / "include" / "supcon.h").read_text(encoding="utf-8")
    for struct in structs:
        begin = f"/* generated from Sources/Options/{struct.name}.toml (make generate) */\n"
        end = "/* end of generated */\n"
        if text.count(begin) != 1:
            raise tables.TableError(f"include/supcon.h lacks the line {begin.strip()}")
        before, _, after = text.partition(begin)
        _, _, after = after.partition(end)
        text = before + begin + "\n".join(emit_c.region(struct)) + "\n" + end + after
    return text


def outputs() -> dict[Path, str]:
    structs = tables.read()
    swift_of = {it.c: it.swift for it in structs}
    found = {
        tables.ROOT / "include" / "supcon.h": header(structs),
        tables.ROOT / "Sources" / "SupConC" / "Options.generated.swift": emit_swift.translation(
            structs, swift_of
        ),
        tables.ROOT / "docs" / "options.md": emit_docs.page(structs),
        PACKAGE / "_generated.py": emit_python.module(structs),
        PACKAGE / "_rows.py": emit_python.rows(structs),
    }
    for struct in structs:
        if struct.file:
            found[tables.ROOT / struct.file] = emit_swift.struct(struct, swift_of)
    for path in sorted(PACKAGE.glob("*.py")):
        if path not in found and re.search(r"^ *# generated: ", path.read_text("utf-8"), re.M):
            found[path] = emit_python.keywords(structs, path)
    return found


def main() -> int:
    differ = 0
    for path, text in outputs().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        differ += 1
        if "--check" in sys.argv:
            print(f"{path.relative_to(tables.ROOT)} differs from the tables: run make generate")
        else:
            path.write_text(text, encoding="utf-8")
    return differ if "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
