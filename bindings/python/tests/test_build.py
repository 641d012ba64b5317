"""How the package is built by pip, and what its import says when a library is missing."""

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import supcon

PACKAGE = Path(__file__).parents[1]
ROOT = PACKAGE.parents[1]


@pytest.fixture
def tree(tmp_path):
    """A copy of the repository without sources and without a built library."""
    setuptools = pytest.importorskip("setuptools")
    if int(setuptools.__version__.split(".")[0]) < 77:
        pytest.skip(f"setuptools {setuptools.__version__} is older than 77, which pip would take")
    if not (ROOT / "Makefile").is_file():
        pytest.skip("not in the repository")
    copy = tmp_path / "tree"
    (copy / "include").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", copy)
    shutil.copy(ROOT / "LICENSE", copy)
    shutil.copy(ROOT / "include" / "supcon.h", copy / "include")
    left_out = shutil.ignore_patterns("build", "lib", "*.egg-info", "tests", "__pycache__")
    shutil.copytree(PACKAGE, copy / "bindings" / "python", ignore=left_out, symlinks=True)
    return copy


def run_in_terminal(command, folder, environment):
    """Runs a command with a controlling terminal, its output in a file, as pip does; returns the
    status, the output, and what came on the terminal.
    """
    output = folder / "output"
    process, screen = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT, 0o600), 1)
        os.dup2(1, 2)
        os.execvpe(command[0], command, environment)
    shown = b""
    while True:
        try:
            part = os.read(screen, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(screen)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return status, output.read_text(), shown.decode()


def environment(**changes):
    left_out = ("SUPCON_LIBRARY", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "SWIFT")
    return {k: v for k, v in os.environ.items() if k not in left_out} | changes


SETUP = [sys.executable, "setup.py", "build_py"]


def test_build_shows_its_progress_on_the_terminal(tree, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "make").write_text(
        '#!/bin/sh\nset -e\necho "[1/2] Compiling first"; echo "[2/2] Compiling second"\n'
        f"mkdir -p {tree}/build/lib; echo library > {tree}/build/lib/libsupcon.so.1\n"
    )
    (tools / "make").chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}"
    status, output, shown = run_in_terminal(
        SETUP, tree / "bindings" / "python", environment(PATH=path)
    )
    assert status == 0, output
    assert shown.index("[1/2] Compiling first") < shown.index("[2/2] Compiling second")
    found = list((tree / "bindings" / "python" / "build").rglob("libsupcon.so.1"))
    assert [it.read_text() for it in found] == ["library\n"]


def test_build_without_swift_gives_the_advice(tree):
    if shutil.which("make") is None:
        pytest.skip("make is not here")
    tools = dict(DEPS="none", SWIFT="")
    done = subprocess.run(
        SETUP,
        cwd=tree / "bindings" / "python",
        env=environment(**tools),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # without a terminal
    )
    assert done.returncode != 0
    assert "There is no swift here" in done.stdout
    assert "https://www.swift.org/install/linux" in done.stdout


def import_error(library, **changes):
    done = subprocess.run(
        [sys.executable, "-c", "import supcon"],
        env=environment(SUPCON_LIBRARY=str(library), **changes),
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]


def test_import_error_names_what_is_missing(tmp_path):
    """A copy of the library that needs two libraries which nobody has. That of a wheel brings its
    own, by other names.
    """
    body = supcon.library_path.read_bytes()
    for name in (b"libdnnl.so.", b"libpng16.so."):
        if b"\0" + name not in body or b"\0" + name.replace(b".so.", b"-") in body:
            pytest.skip(f"the library does not need {name.decode()}")
        body = body.replace(b"\0" + name, b"\0" + name.replace(b"lib", b"lxb"))
    library = tmp_path / "libsupcon.so.1"
    library.write_bytes(body)
    said = import_error(library)
    assert "it needs " in said and "lxbdnnl.so." in said and "lxbpng16.so." in said
    assert "openblas" not in said and "turbojpeg" not in said


def test_import_error_names_the_packages(tmp_path):
    (tmp_path / "ldd").write_text(
        "#!/bin/sh\n"
        'echo "	libdnnl.so.2 => not found"; echo "	libpng16.so.16 => not found"\n'
        'echo "	libz.so.1 => /lib/libz.so.1 (0x1)"; echo "	libx.so.3 => not found"\n'
    )
    (tmp_path / "ldd").chmod(0o755)
    library = tmp_path / "libsupcon.so.1"
    library.write_text("no library")
    said = import_error(library, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert "it needs libdnnl.so.2, libpng16.so.16, libx.so.3, which this system lacks" in said
    assert said.endswith("apt-get install libdnnl2 libpng16-16")


def test_import_error_of_a_broken_file(tmp_path):
    library = tmp_path / "libsupcon.so.1"
    library.write_text("no library")
    assert "invalid ELF header" in import_error(library) or "file too short" in import_error(
        library
    )
