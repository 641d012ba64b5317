"""Writes the enumerations and structs of options in include/supcon.h."""

from __future__ import annotations

from tables import C_TYPES, Option, Struct, number, wrapped


def comment(text: str, indent: str = "") -> list[str]:
    lines = wrapped(text, f"{indent}/* ", f"{indent} * ", 97)
    return [*lines[:-1], f"{lines[-1]} */"]


def default(option: Option) -> str:
    if option.enum:
        return option.enum.prefix() + option.default.upper()
    if option.type == "bool":
        return str(int(option.default))
    if option.type == "architecture":
        return str(option.default)
    return number(option.default)


def field(option: Option) -> list[str]:
    """The field under its comment."""
    text = option.sentences()
    kind, _, detail = option.type.partition(":")
    pointer = kind in ("path", "architecture", "ints", "options", "callback", "pointer")
    if option.default is not None:
        text += " " + option.legal(default(option))
    elif kind in ("path", "ints") or (kind == "options" and not option.optional):
        text += " NULL (default): none." if kind in ("path", "ints") else " NULL: the defaults."
    if kind == "reserved":
        text = "Must be 0."
    if kind == "ints":
        text += f" [{option.name.removesuffix('s')}_count]"
    if kind == "options":
        declared = f"const {detail} *{option.name}"
    elif kind == "callback":
        declared = f"{detail} {option.name}"
    elif pointer:
        declared = C_TYPES[kind] + option.name
    else:
        length = "[4]" if kind == "channels" else ""
        declared = f"{C_TYPES.get(kind, 'int32_t')} {option.name}{length}"
    lines = [*comment(text, "  "), f"  {declared};"]
    if kind == "ints":
        lines.append(f"  int64_t {option.name.removesuffix('s')}_count;")
    return lines


def region(struct: Struct) -> list[str]:
    lines = []
    for enum in struct.enums:
        lines += [*comment(enum.doc), "enum {"]
        for i, value in enumerate(enum.values):
            lines += comment(enum.meaning(value), "  ")
            comma = "," if i + 1 < len(enum.values) else ""
            lines.append(f"  {enum.prefix()}{value[0].upper()} = {i}{comma}")
        lines.append("};")
    if struct.enums:
        lines.append("")
    lines += [*comment(struct.doc.replace("`", "")), f"typedef struct {struct.c} {{"]
    lines.append("  uint32_t struct_size;")
    for option in struct.options:
        if option.group:
            lines += ["", f"  /* --- {option.group} --- */"]
        lines += field(option)
    lines.append(f"}} {struct.c};")
    return lines
