"""Prints messages and progress on standard error."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

from .._data import Dataset
from .._progress import Count, Progress, clear_line, clock
from .._training import Event

if TYPE_CHECKING:
    from rich.progress import Progress as Rich


def log(level: str, text: str) -> None:
    clear_line()
    print(f"supcon: {'warning: ' if level == 'warning' else ''}{text}", file=sys.stderr)


def note(given: SimpleNamespace, text: str) -> None:
    if not given.quiet:
        print(text, file=sys.stderr)


def note_skipped(given: SimpleNamespace, data: Dataset) -> None:
    for text in data.skipped[:20]:
        note(given, f"supcon: skipped {text}")
    if len(data.skipped) > 20:
        note(given, f"supcon: skipped {len(data.skipped) - 20} more files")


def counted(given: SimpleNamespace, what: str) -> Count | None:
    """Returns a `progress` callback for `Model.embed`, or None with --quiet."""
    return None if given.quiet else Count(what)


class Bar:
    """The progress bar of a run: rich's on a terminal, plain lines elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self.plain: Progress | None = None
        self.bar: Rich | None = None
        if quiet:
            return
        if not sys.stderr.isatty():
            self.plain = Progress()
            return
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Rich

        self.bar = Rich(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self.task = self.bar.add_task("preparing", total=None, words="")
        self.bar.start()

    def __call__(self, event: Event) -> bool:
        if self.plain:
            self.plain(event)
        elif self.bar and event.kind == "step":
            self.bar.update(
                self.task,
                description=f"epoch {event.epoch}/{event.epochs}",
                total=event.steps,
                completed=event.step,
                words=f"{event.step}/{event.steps}  loss {event.loss:.4f}  "
                f"{event.images_per_second:,.0f} images/s  {clock(event.seconds_left)} left",
            )
        elif self.bar and event.kind == "epoch":
            self.bar.console.print(Progress.words(event), highlight=False, markup=False)
        return False

    def stage(self, what: str) -> None:
        """Shows a stage whose length is not known."""
        if self.bar:
            self.bar.reset(self.task, total=None, description=what, words="")
        elif self.plain:
            print(what, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self.plain:
            self.plain.close()
        if self.bar:
            self.bar.stop()
