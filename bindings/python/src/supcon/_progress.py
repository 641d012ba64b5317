"""Shows progress on standard error: a bar on a terminal. Elsewhere (a log, a notebook) it is a
plain line after the first seconds of a run, one a minute from then on, and one for each epoch.
"""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from ._training import Event


def clock(seconds: float) -> str:
    """Formats seconds as "4:05" or "1:02:03"; "?" if unknown."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(int(max(0, seconds) + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bar(share: float, width: int = 24) -> str:
    filled = int(max(0.0, min(1.0, share)) * width)
    return "█" * filled + "·" * (width - filled)


_drawn: _Line | None = None  # the line with a bar on the terminal now


def clear_line() -> None:
    """Clears the line of a bar, so that something else can be printed."""
    if _drawn is not None:
        _drawn.clear()


class _Line:
    """A line of a terminal on which a bar is drawn; elsewhere, plain lines now and then."""

    FIRST_LINE, NEXT_LINES = 5.0, 60.0  # seconds between plain lines without a terminal

    def __init__(self, stream: TextIO | None = None, interval: float = 0.1) -> None:
        self.next_line = time.monotonic() + self.FIRST_LINE
        self.stream = stream or sys.stderr
        self.live = bool(getattr(self.stream, "isatty", lambda: False)())
        self.interval, self.last, self.open = interval, 0.0, False

    def _draw(self, share: float, before: str, after: str) -> None:
        now = time.monotonic()
        if not self.live:
            if now >= self.next_line:
                self.next_line = now + self.NEXT_LINES
                self._write(f"{before} {after}\n")
        elif now - self.last >= self.interval or share >= 1:
            global _drawn
            self.last, self.open, _drawn = now, True, self
            self._write(f"\r{before} {bar(share)} {after}\x1b[K")

    def _line(self, text: str) -> None:
        self._write(("\r\x1b[K" if self.open else "") + text + "\n")
        self.open = False

    def clear(self) -> None:
        if self.open:
            self._write("\r\x1b[K")
            self.open = False

    def close(self) -> None:
        global _drawn
        _drawn = None
        if self.open:
            self._write("\n")
            self.open = False

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
        except UnicodeEncodeError:  # the terminal lacks the bar's characters
            self.stream.write(text.replace("█", "#").replace("·", "."))
        self.stream.flush()


class Progress(_Line):
    """The progress of a run: call it with each event, and `close` it at the end."""

    def __init__(self, stream: TextIO | None = None, interval: float = 0.1) -> None:
        super().__init__(stream, interval)
        if self.live:  # a first step may take a minute
            self._draw(0, "preparing", "")
            self.last = 0.0

    def __call__(self, event: Event) -> None:
        if event.kind == "epoch":
            self._line(self.words(event))
        elif event.kind == "step":  # warnings also come through the log
            self._draw(
                event.step / max(1, event.steps),
                f"epoch {event.epoch}/{event.epochs}",
                f"{event.step}/{event.steps}  loss {event.loss:.4f}  "
                f"{event.images_per_second:,.0f} images/s  {clock(event.seconds_left)} "
                "left",
            )

    @staticmethod
    def words(event: Event) -> str:
        """Formats the figures of an epoch in a line."""
        measured = [
            ("kNN@1", event.knn_accuracy, ".2%"),
            ("train", event.train_accuracy, ".2%"),
            ("alignment", event.alignment, ".3f"),
            ("uniformity", event.uniformity, ".3f"),
        ]
        words = "".join(
            f"  {name} {value:{form}}" for name, value, form in measured if not math.isnan(value)
        )
        alone = (
            f"  {event.anchors_without_positive} anchors without a positive"
            if event.anchors_without_positive
            else ""
        )
        return (
            f"epoch {event.epoch}/{event.epochs}  loss {event.loss:.4f}{words}  "
            f"{event.images_per_second:,.0f} images/s  {clock(event.seconds_left)} left{alone}"
        )


class Count(_Line):
    """The progress of a count, for `Model.embed`: call it with (done, total)."""

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self.what, self.start = what, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        spent = max(1e-9, time.monotonic() - self.start)
        left = clock((total - done) * spent / max(1, done))
        self._draw(
            done / max(1, total),
            self.what,
            f"{done}/{total}  {done / spent:,.0f} images/s  {left} left",
        )
