"""What pyproject.toml cannot say: the version is the header's, and the package brings libsupcon
with it.

The library is $SUPCON_LIBRARY if that is set, else the one that is built in the repository around
this folder, else it is built there by `make lib`.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HEADER = ROOT / "include" / "supcon.h"


def version() -> str:
    if not HEADER.is_file():
        sys.exit(f"supcon is built within its repository: there is no {HEADER}")
    numbers = dict(
        re.findall(
            r"^#define SUPCON_VERSION_(MAJOR|MINOR|PATCH) (\d+)",
            HEADER.read_text(encoding="utf-8"),
            re.M,
        )
    )
    return "{MAJOR}.{MINOR}.{PATCH}".format(**numbers)


def library() -> Path:
    """The library to bring, built now if it has to be."""
    if override := os.environ.get("SUPCON_LIBRARY"):
        if not Path(override).is_file():
            sys.exit(f"SUPCON_LIBRARY is {override}, which is no file")
        return Path(override)
    built = ROOT / "build" / "lib" / "libsupcon.so.1"
    if not built.is_file():
        build(built)
    return built


def build(built: Path) -> None:
    """Runs `make lib`, and tells how far it is: on the terminal, because pip keeps what its builds
    print to itself; on the standard output where there is none.
    """
    if shutil.which("make") is None:
        sys.exit(
            f"libsupcon is built by make, which is not here; install it and run `make lib` in "
            f"{ROOT}, or set SUPCON_LIBRARY to a libsupcon.so.1"
        )
    # As root it installs missing Debian packages; nobody is asked for a password in the middle of
    # pip.
    command = ["make", "-C", str(ROOT), "lib", "QUIET="]
    command += [] if os.geteuid() == 0 else ["DEPS=none"]
    left_out = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    said = []
    with terminal() as tell:
        tell("libsupcon: building the library, which takes some minutes")
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        for line in process.stdout:
            said = [*said[-40:], line.rstrip()]
            if line.strip():
                tell(f"libsupcon: {line.strip()}")
        failed = process.wait() != 0 or not built.is_file()
        tell("libsupcon: the build failed" if failed else f"libsupcon: built {built}", last=True)
    if failed:
        sys.exit("\n".join([*said, f"libsupcon could not be built by: {' '.join(command)}"]))


@contextlib.contextmanager
def terminal():
    """A function that shows a line: in one place on the terminal, or below the former line."""
    try:
        screen = open("/dev/tty", "w")
    except OSError:
        yield lambda line, last=False: print(line, flush=True)
        return

    def tell(line, last=False):
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\033[K{line[:width]}", end="\n" if last else "", file=screen, flush=True)

    with screen:
        yield tell


class BuildWithLibrary(build_py):
    def run(self):
        path = library()
        if self.editable_mode:  # then the package finds it in the repository
            return super().run()
        shutil.rmtree(
            Path(self.build_lib) / "supcon", ignore_errors=True
        )  # what an earlier build left would be packed too
        super().run()
        target = Path(self.build_lib) / "supcon" / "lib"
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / "libsupcon.so.1")


class PlatformWheel(bdist_wheel):
    """Any Python 3, but this platform alone."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


class PlatformDistribution(Distribution):
    def has_ext_modules(self):
        return True


setup(
    version=version(),
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel},
    distclass=PlatformDistribution,
    data_files=[("share/man/man1", ["supcon.1"])],
)
