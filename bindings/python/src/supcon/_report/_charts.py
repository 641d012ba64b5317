"""Draws charts as SVG, in the page's colors, so that they follow its light and dark modes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from .._types import Array

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 380, 210, 46, 30, 10, 18


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Returns round numbers from `low` to `high`, at most `most` + 1 of them."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * it for it in (1, 2, 5, 10) if unit * it >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [it * step for it in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    return f"{value:.4g}"


def curves(x: Array, series: dict[str, Array], unit: str = "", label: str = "") -> str:
    """Draws lines over epochs. series: name → values, NaN where nothing was measured."""
    known = np.concatenate([it[np.isfinite(it)] for it in series.values()])
    low, high = float(known.min()), float(known.max())
    room = (high - low) * 0.06 or abs(high) * 0.05 or 1
    low, high = low - room, high + room
    first, last = float(x[0]), float(x[-1])

    def across(epoch: float) -> float:
        part = (epoch - first) / (last - first) if last > first else 0.5
        return LEFT + (WIDTH - LEFT - RIGHT) * part

    def down(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low))

    parts = []
    for tick in ticks(low, high, 5):
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down(tick):.1f}" '
            f'y2="{down(tick):.1f}"/><text x="{LEFT - 6}" y="{down(tick) + 4:.1f}" '
            f'text-anchor="end">{number(tick)}</text>'
        )
    for tick in sorted({round(it) for it in ticks(first, last, 6)} or {round(first)}):
        parts.append(
            f'<text x="{across(tick):.1f}" y="{HEIGHT - 12}" text-anchor="middle">{tick}</text>'
        )
    for at, values in enumerate(series.values()):
        sound = np.flatnonzero(np.isfinite(values))
        path = " ".join(f"{across(x[it]):.1f},{down(values[it]):.1f}" for it in sound)
        parts.append(f'<polyline class="line" style="stroke:var(--c{at})" points="{path}"/>')
        for it in sound if len(sound) <= 40 else sound[-1:]:
            parts.append(
                f'<circle cx="{across(x[it]):.1f}" cy="{down(values[it]):.1f}" r="2.6" '
                f'style="fill:var(--c{at})"/>'
            )
    wide = (WIDTH - LEFT - RIGHT) / max(1, len(x) - 1)
    for at, epoch in enumerate(x):
        words = [f"epoch {int(epoch)}"] + [
            f"{name} {number(values[at])}{unit}"
            for name, values in series.items()
            if math.isfinite(values[at])
        ]
        parts.append(
            f'<rect class="hit" x="{across(epoch) - wide / 2:.1f}" y="{TOP}" width="{wide:.1f}" '
            f'height="{HEIGHT - TOP - BOTTOM}" data-tip="{escape(chr(10).join(words))}"/>'
        )
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 1}" text-anchor="end">epoch</text>')
    key = ""
    if len(series) > 1:
        names = "".join(
            f'<span><i style="background:var(--c{at})"></i>{escape(name)}</span>'
            for at, name in enumerate(series)
        )
        key = f'<div class="key">{names}</div>'
    return (
        f'{key}<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def matrix(counts: Array, names: list[str]) -> str:
    """Draws a confusion matrix: rows are the truth, columns the predictions, shaded by the fraction
    of the row.
    """
    size = len(names)
    cell = 30 if size <= 12 else 22 if size <= 24 else 16
    shown = [it if len(it) <= 16 else it[:15] + "…" for it in names]
    left = 14 + 6.3 * max(map(len, shown))
    top = 14 + 5.2 * max(map(len, shown)) if size > 1 else 30
    width, height = left + cell * size + 3.2 * max(map(len, shown)), top + cell * size + 6
    totals, parts = np.maximum(counts.sum(1), 1), []
    for row in range(size):
        y = top + cell * row
        parts.append(
            f'<text class="name" x="{left - 6:.0f}" y="{y + cell / 2 + 4:.1f}" '
            f'text-anchor="end">{escape(shown[row])}</text>'
            f'<text class="name" transform="translate({left + cell * (row + 0.5) + 3:.1f} '
            f'{top - 6:.0f}) rotate(-55)">{escape(shown[row])}</text>'
        )
        for column in range(size):
            value = int(counts[row, column])
            share = value / totals[row]
            words = (
                f"{names[row]} taken for {names[column]}"
                if row != column
                else f"{names[row]}, rightly"
            )
            x = left + cell * column
            alpha = 0.04 if value == 0 else 0.12 + 0.88 * share
            parts.append(
                f'<rect x="{x:.0f}" y="{y:.0f}" width="{cell - 1}" height="{cell - 1}" rx="2" '
                f'style="fill:rgba(var(--heat),{alpha:.3f})" '
                f'data-tip="{escape(words)}&#10;{value:,} images, {share:.1%} of the class"/>'
            )
            if value and cell >= 22:
                said = str(value) if value < 1000 else f"{value / 1000:.1f}k"
                parts.append(
                    f'<text x="{x + cell / 2:.1f}" y="{y + cell / 2 + 3.5:.1f}" font-size="10" '
                    f'text-anchor="middle" pointer-events="none" '
                    f'class="{"on" if share > 0.5 else "name"}">{said}</text>'
                )
    return (
        f'<div class="wide"><svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'style="min-width:{width * 0.8:.0f}px;max-width:{width * 1.25:.0f}px" '
        f'aria-label="confusion matrix">{"".join(parts)}</svg></div>'
    )


def reliability(counts: Array, confidences: Array, accuracies: Array) -> str:
    """Draws accuracy against confidence, with the bins' counts below."""
    bins, high = len(counts), 250

    def across(confidence: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * confidence

    def down(accuracy: float) -> float:
        return TOP + 160 * (1 - accuracy)

    parts, wide = [], (WIDTH - LEFT - RIGHT) / bins
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down(tick):.1f}" '
            f'y2="{down(tick):.1f}"/><text x="{LEFT - 6}" y="{down(tick) + 4:.1f}" '
            f'text-anchor="end">{tick:.0%}</text>'
            f'<text x="{across(tick):.1f}" y="{high - 4}" text-anchor="middle">{tick:.0%}</text>'
        )
    most = max(int(max(counts)), 1)
    for at, count in enumerate(counts):
        if not count:
            continue
        words = escape(
            f"confidence {at / bins:.0%} to {(at + 1) / bins:.0%}\n{int(count):,} images\n"
            f"mean confidence {confidences[at]:.1%}\naccuracy {accuracies[at]:.1%}"
        )
        x, tall = across(at / bins), 44 * count / most
        parts.append(
            f'<rect x="{x + 1:.1f}" y="{down(accuracies[at]):.1f}" width="{wide - 2:.1f}" rx="2" '
            f'height="{160 * accuracies[at]:.1f}" style="fill:var(--c0)" data-tip="{words}"/>'
            f'<rect x="{x + 1:.1f}" y="{228 - tall:.1f}" width="{wide - 2:.1f}" '
            f'height="{tall:.1f}" style="fill:var(--soft)" opacity=".55" data-tip="{words}"/>'
        )
    parts.append(
        f'<path class="ideal" d="M{across(0):.1f} {down(0):.1f}L{across(1):.1f} {down(1):.1f}"/>'
        f'<text x="{LEFT - 6}" y="212" text-anchor="end">images</text>'
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {high}" role="img" aria-label="accuracy against confidence">'
        f"{''.join(parts)}</svg>"
    )


MARKERS = (
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0",
    "M-3.6,-3.6h7.2v7.2h-7.2z",
    "M0,-4.8L4.6,3.4H-4.6z",
    "M0,-5L5,0L0,5L-5,0z",
)


def marker(number: int) -> tuple[str, str]:
    """Returns (path, color) of a class: eight colors in four shapes."""
    if number < 0:
        return MARKERS[0], "var(--c0)"
    return MARKERS[number // 8 % 4], f"var(--c{number % 8})"


def legend(names: list[str]) -> str:
    buttons = []
    for at, name in enumerate(names):
        path, color = marker(at)
        buttons.append(
            f'<button data-class="{at}" aria-pressed="false"><svg viewBox="-6 -6 12 12">'
            f'<path d="{path}" style="fill:{color}"/></svg>{escape(name)}</button>'
        )
    return f'<div class="legend">{"".join(buttons)}</div>' if names else ""


def scatter(
    projections: dict[str, Array], labels: Sequence[int] | Array, tips: list[str], thumbs: list[str]
) -> str:
    """Draws the points of the first projection; the page's script moves them to the others.
    `thumbs`: attributes for the script.
    """
    wide, high = 760, 520
    places, parts = [], []
    for points in projections.values():
        across, down = np.abs(points).max(0) + 1e-12
        unit = min((wide / 2 - 12) / across, (high / 2 - 12) / down)
        places.append([(wide / 2 + unit * x, high / 2 - unit * y) for x, y in points])
    for at, tip in enumerate(tips):
        of = int(labels[at]) if len(labels) else -1
        path, color = marker(of)
        spots = ";".join(f"{it[at][0]:.1f},{it[at][1]:.1f}" for it in places)
        x, y = places[0][at]
        parts.append(
            f'<path class="p" d="{path}" data-of="{of}" data-at="{spots}" data-tip="{escape(tip)}" '
            f'{thumbs[at]} style="fill:{color};transform:translate({x:.1f}px,{y:.1f}px)"/>'
        )
    return (
        f'<svg class="map" viewBox="0 0 {wide} {high}" role="img" '
        f'aria-label="map of the embeddings">{"".join(parts)}</svg>'
    )
