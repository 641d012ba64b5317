"""Shows objects in notebooks as short tables, and results in one line."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._data import Dataset

LONGEST = 10  # elements of an array that is written out


def brief(value: Any) -> str:
    """Describes a value in a few words: long arrays by type and shape, lists by their length."""
    if isinstance(value, np.ndarray):
        if value.ndim == 1 and value.size <= LONGEST:
            return np.array2string(value, precision=4, max_line_width=10_000)
        return f"{value.dtype} {list(value.shape)}"
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    if isinstance(value, list) and value and not isinstance(value[0], (str, int, float)):
        return number_of(len(value), type(value[0]).__name__)
    return str(value) if isinstance(value, str) else repr(value)


def some(names: Iterable[object], most: int = 10) -> str:
    """Joins names by commas; after `most` of them, says how many more there are."""
    words = [str(it) for it in names]
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def number_of(count: int, one: str, several: str | None = None) -> str:
    """Returns "1 channel", "3 channels"."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def table(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """Returns an HTML table with a heading and a row for each name and value; colors and fonts are
    those of the notebook.
    """
    style = "text-align: left; vertical-align: top"
    lines = [
        f'<tr><th style="{style}; white-space: nowrap">{html.escape(name)}</th>'
        f'<td style="{style}">{html.escape(brief(value))}</td></tr>'
        for name, value in rows
    ]
    return (
        f'<div><strong>{html.escape(title)}</strong><table style="margin: 0.3em 0">'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def described(data: Dataset) -> list[tuple[str, object]]:
    """Returns what is shown of a data set."""
    size = f"{data.height} × {data.width}" if data.height else "different sizes"
    rows: list[tuple[str, object]] = [
        ("images", f"{data.count:,}"),
        ("size", f"{size}, {number_of(data.channels, 'channel')}"),
    ]
    if data.class_indices is not None:
        sizes = np.bincount(data.class_indices, minlength=len(data.class_labels))
        named = (f"{name} ({size:,})" for name, size in zip(data.class_names, sizes))
        rows.append((number_of(len(sizes), "class", "classes"), some(named)))
    if data.targets is not None:
        rows.append(("targets", f"{data.targets.shape[1]} per image"))
    if data.skipped:
        rows.append(("left out", f"{len(data.skipped):,}; the first: {data.skipped[0]}"))
    return rows


class Shown:
    """The base of a dataclass that is shown briefly, in text and in notebooks."""

    def _shown(self) -> list[tuple[str, object]]:
        return [(it.name, getattr(self, it.name)) for it in fields(self)]  # type: ignore[arg-type]

    def __repr__(self) -> str:
        inside = (
            f"{name}={value!r}" if isinstance(value, str) else f"{name}={brief(value)}"
            for name, value in self._shown()
        )
        return f"{type(self).__name__}({', '.join(inside)})"

    def _repr_html_(self) -> str:
        rows = [(name.replace("_", " "), value) for name, value in self._shown()]
        return table(f"supcon.{type(self).__name__}", rows)
