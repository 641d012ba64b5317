"""The command `supcon`."""

from __future__ import annotations

import os
import sys


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        from ._app import run
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print(
            f"supcon: error: the command needs {error.name}: pip install 'supcon[cli]', or: "
            "pip install typer rich",
            file=sys.stderr,
        )
        return 1
    try:
        return run(given)
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
