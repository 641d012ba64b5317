"""supcon._abi against include/supcon.h: names, values, signatures; the layout of structs against
the C compiler.
"""

import ctypes
import shutil
import subprocess

import header
import pytest

from supcon import _abi, _functions, _library

ENUMERATORS, STRUCTS, FUNCTIONS, CALLBACKS, MACROS = header.read()
SCALARS = {
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "uint8_t": ctypes.c_uint8,
    "size_t": ctypes.c_size_t,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "int": ctypes.c_int,
    "supcon_status": ctypes.c_int32,
}
NAMED = {name: struct for struct, name in _abi.STRUCTS.items()} | {
    it.__name__: it for it in _abi.HANDLES
}


def in_ctypes(kind: str):
    word, _, stars = kind.partition(" ")
    if kind == "void":
        return None
    if word in _abi.CALLBACKS:
        return _abi.CALLBACKS[word]
    if word in ("void", "char"):  # void * and char * have types of their own
        found, stars = (ctypes.c_void_p if word == "void" else ctypes.c_char_p), stars[1:]
    else:
        found = SCALARS.get(word) or NAMED[word]
    for _ in stars:
        found = ctypes.POINTER(found)
    return found


def test_the_header_was_understood():
    assert (
        len(ENUMERATORS) > 50 and len(STRUCTS) >= 22 and len(FUNCTIONS) > 60 and len(CALLBACKS) >= 4
    )
    assert FUNCTIONS["supcon_dataset_from_files"] == (
        "supcon_status",
        ["char **", "int64_t", "int64_t *", "supcon_dataset_options *", "supcon_dataset **"],
    )
    assert ("uint64_t", "seed", None) in STRUCTS["supcon_model_options"] and (
        "float",
        "mean",
        4,
    ) in STRUCTS["supcon_model_options"]


def test_enumerations():
    ours = {
        prefix + it.name: int(it)
        for enumeration, prefix in _abi.PREFIXES.items()
        for it in enumeration
    }
    ours["SUPCON_OK"] = ours.pop("SUPCON_STATUS_OK")
    assert ours == ENUMERATORS


def test_abi_version():
    assert MACROS["SUPCON_ABI_VERSION"] == _abi.ABI_VERSION <= _library.lib.supcon_abi_version()


def test_functions():
    expected = {
        name: (in_ctypes(result), [in_ctypes(it) for it in arguments])
        for name, (result, arguments) in FUNCTIONS.items()
    }
    assert sorted(_functions.FUNCTIONS) == sorted(expected)
    for name, signature in expected.items():
        assert _functions.FUNCTIONS[name] == signature, name
        function = getattr(_library.lib, name)
        assert (function.restype, list(function.argtypes)) == signature, name


def test_callbacks():
    assert {name: (it._restype_, list(it._argtypes_)) for name, it in _abi.CALLBACKS.items()} == {
        name: (in_ctypes(result), [in_ctypes(it) for it in arguments])
        for name, (result, arguments) in CALLBACKS.items()
    } | {
        # its text is written to: bytes, which c_char_p makes, are not
        "supcon_describe_failure": (
            ctypes.c_int,
            [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p],
        )
    }


@pytest.mark.parametrize("name", STRUCTS)
def test_struct_members(name):
    expected = [
        (field, in_ctypes(kind) * length if length else in_ctypes(kind))
        for kind, field, length in STRUCTS[name]
    ]
    assert NAMED[name]._fields_ == expected


def test_struct_layout_is_the_compilers(tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    lines = [f'printf("{name} %zu\\n", sizeof({name}));' for name in STRUCTS]
    lines += [
        f'printf("{name}.{field} %zu\\n", offsetof({name}, {field}));'
        for name, members in STRUCTS.items()
        for _, field, _ in members
    ]
    source = tmp_path / "layout.c"
    source.write_text(
        '#include <stdio.h>\n#include <stddef.h>\n#include "supcon.h"\nint '
        "main(void) {" + "".join(lines) + "}\n"
    )
    subprocess.run(
        [compiler, "-std=c11", "-I", header.HEADER.parent, source, "-o", tmp_path / "layout"],
        check=True,
    )
    theirs = dict(
        line.split()
        for line in subprocess.run(
            [tmp_path / "layout"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
    )
    ours = {name: ctypes.sizeof(NAMED[name]) for name in STRUCTS}
    ours |= {
        f"{name}.{field}": getattr(NAMED[name], field).offset
        for name, members in STRUCTS.items()
        for _, field, _ in members
    }
    assert {name: int(value) for name, value in theirs.items()} == ours


def test_init_functions_tell_the_size():
    for struct in _abi.STRUCTS:
        if struct not in (_abi.Images, _abi.EventStruct, _abi.TrialStruct):
            assert _library.defaults(struct).struct_size == ctypes.sizeof(struct), struct
