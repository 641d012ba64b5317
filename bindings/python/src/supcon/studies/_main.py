"""Runs a study for the command."""

from __future__ import annotations

import shlex
import sys
import time
from types import SimpleNamespace

from .._convert import integer
from . import _report, find
from ._runner import Runner
from ._study import Settings


def run(arguments: SimpleNamespace) -> str:
    """Runs the study that the arguments ask for and returns the path of its report."""
    small = arguments.data == "digits"
    for name in ("seeds", "epochs", "width", "batch_size", "per_class"):
        if getattr(arguments, name) is not None:
            integer(f"--{name.replace('_', '-')}", getattr(arguments, name), 1, 2**31 - 1)
    settings = Settings(
        arguments.data,
        arguments.test,
        arguments.epochs or (30 if small else 4),
        arguments.seeds,
        arguments.width or 8,
        arguments.architecture,
        arguments.batch_size or (64 if small else 256),
        arguments.per_class,
        threads=arguments.threads,
    )
    start = time.monotonic()

    def say(text: str) -> None:
        if not arguments.quiet:
            print(f"{time.monotonic() - start:7.0f} s  {text}", file=sys.stderr, flush=True)

    runner = Runner(find(arguments.name), settings, arguments.output, say)
    names = ("data", "test", "epochs", "seeds", "architecture", "width", "batch_size", "per_class")
    words = " ".join(
        f"--{it.replace('_', '-')} {shlex.quote(str(getattr(settings, it)))}"
        for it in names
        if getattr(settings, it) is not None
    )
    return _report.write(
        runner, runner.run(), f"supcon study {arguments.name} {words} --output DIR"
    )
