"""The interface of the released versions, NUMBER.h beside this file, against today's header and
library: what was there must still be there, at the same offset and with the same value. Adding is
fine, changing is not (docs/versioning.md).

    abi.py check LIBRARY   prints a line for each difference that breaks a program; status 1 if any
    abi.py record          keeps today's header as that of its version
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
sys.path.insert(0, str(ROOT / "bindings" / "python" / "tests"))
import header  # noqa: E402


def layout(path: Path) -> dict[str, int]:
    """{"struct": size, "struct.field": offset} as the C compiler lays them out."""
    structs = header.read(path)[1]
    lines = [f'printf("{name} %zu\\n", sizeof({name}));' for name in structs] + [
        f'printf("{name}.{field} %zu\\n", offsetof({name}, {field}));'
        for name, members in structs.items()
        for _, field, _ in members
    ]
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder) / "layout.c", Path(folder) / "layout"
        source.write_text(
            f'#include <stddef.h>\n#include <stdio.h>\n#include "{path}"\n'
            f"int main(void) {{ {''.join(lines)} }}\n"
        )
        subprocess.run(["cc", "-std=c11", source, "-o", program], check=True)
        told = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return {name: int(number) for name, number in map(str.split, told.splitlines())}


def differences(old: Path, new: Path, symbols: set[str]):
    """Sentences, one for each thing of `old` that `new` or the library lacks or has changed."""
    values, structs, functions, callbacks, macros = header.read(old)
    values_now, structs_now, functions_now, callbacks_now, macros_now = header.read(new)
    for kind, then, now in (
        ("enumerator", values, values_now),
        ("function", functions, functions_now),
        ("callback", callbacks, callbacks_now),
    ):
        for name, value in then.items():
            if now.get(name) != value:
                yield f"{kind} {name} was {value} and is {now.get(name)}"
    for name in sorted(functions.keys() - symbols):
        yield f"function {name} is not exported"
    sizes, sizes_now = layout(old), layout(new)
    for name, members in structs.items():
        if sizes_now.get(name, 0) < sizes[name]:
            yield f"{name} had {sizes[name]} bytes and has {sizes_now.get(name)}"
        kinds = {field: (kind, length) for kind, field, length in structs_now.get(name, [])}
        for kind, field, length in members:
            then, now = sizes[f"{name}.{field}"], sizes_now.get(f"{name}.{field}")
            if then != now or kinds.get(field) != (kind, length):
                yield (
                    f"{name}.{field} was {kind} at {then} and is {kinds.get(field, (None,))[0]} "
                    f"at {now}"
                )
        # A field in what was padding is one that an old program sets to rubbish.
        for _, field, _ in structs_now.get(name, []):
            at = sizes_now[f"{name}.{field}"]
            if f"{name}.{field}" not in sizes and at < sizes[name]:
                yield f"{name}.{field} is new and stands at {at}, within old padding"
    if macros_now["SUPCON_ABI_VERSION"] < macros["SUPCON_ABI_VERSION"]:
        yield "SUPCON_ABI_VERSION fell"


def padded(path: Path):
    """Structs with padding: at the end, a field that comes next could not be told by the size;
    between fields, the library would write what happened to lie on its stack."""
    sizes = layout(path)
    bytes_of = {"int32_t": 4, "uint32_t": 4, "float": 4}
    for name, members in header.read(path)[1].items():
        end = 0
        for kind, field, length in members:
            at = sizes[f"{name}.{field}"]
            if at != end:
                yield f"{name} has {at - end} bytes of padding before {field}; name it `reserved`"
            end = at + bytes_of.get(kind, 8) * (length or 1)
        if end != sizes[name]:
            yield f"{name} ends in {sizes[name] - end} bytes of padding; name them `reserved`"


def first_sizes(oldest: Path):
    """Structs whose least size, by the library's source, is not that of the first version."""
    source = (ROOT / "Sources" / "SupConC" / "SizedStruct.swift").read_text()
    sizes = layout(oldest)
    for name, size in re.findall(r"extension (\w+).*firstSize: Int \{ (\d+) \}", source):
        if name in sizes and sizes[name] != int(size):
            yield f"firstSize of {name} is {size}; expected {sizes[name]}, as in {oldest.name}"


def check(library: str) -> int:
    today = ROOT / "include" / "supcon.h"
    told = subprocess.run(
        ["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True
    ).stdout
    symbols = {line.split()[-1] for line in told.splitlines()}
    recorded = sorted(FOLDER.glob("*.h"))
    found = [*padded(today), *(it for old in recorded[:1] for it in first_sizes(old))]
    for old in recorded:
        found += [f"since {old.stem}: {it}" for it in differences(old, today, symbols)]
    print("\n".join(found) or f"the interface of {', '.join(it.stem for it in recorded)} is kept")
    return int(bool(found) or not recorded)


def record() -> int:
    today = ROOT / "include" / "supcon.h"
    macros = header.read(today)[4]
    numbers = [macros[f"SUPCON_VERSION_{part}"] for part in ("MAJOR", "MINOR", "PATCH")]
    kept = FOLDER / f"{'.'.join(map(str, numbers))}.h"
    shutil.copyfile(today, kept)
    print(kept)
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["record"]:
        sys.exit(record())
    if len(sys.argv) != 3 or sys.argv[1] != "check":
        sys.exit(__doc__)
    sys.exit(check(sys.argv[2]))
