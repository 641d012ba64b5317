"""Writes the table, the verdicts and the plot of a study."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np

from .._library import build_info
from .._types import Array
from ._runner import Outcome, Runner
from ._study import LOWER, MEASURES, Arm, Claim, Study

VERDICTS = (
    "*Agrees* and *contradicts*: the difference is larger than twice its "
    "standard error (spread over seeds and the number of test images "
    "together); "
    "otherwise it is *undecided* at this size."
)


def write(runner: Runner, outcomes: list[Outcome], command: str) -> str:
    """Writes NAME.md, and NAME.png if matplotlib is installed; returns the path of the first."""
    study, name = runner.study, os.path.join(runner.folder, runner.study.name)
    pictured = draw(study, outcomes, name + ".png")
    with open(name + ".md", "w", encoding="utf-8") as file:
        file.write(
            text(runner, outcomes, command, os.path.basename(name) + ".png" if pictured else None)
        )
    return name + ".md"


def text(runner: Runner, outcomes: list[Outcome], command: str, picture: str | None) -> str:
    study, settings = runner.study, runner.settings
    train, test = runner.parts(0).train, runner.parts(0).test
    validation, names = runner.parts(0).validation, test.class_names
    lines = [
        f"# {study.title}",
        "",
        study.paper,
        "",
        "## How it was run here",
        "",
        f"- Data: {settings.data}, {len(train):,} images to train on and "
        f"{len(validation):,} to choose by (a split of its own for each seed), "
        f"{len(test):,} to test with, {len(names)} classes. What was chosen was "
        "tested once, after all had been trained.",
        f"- Model: {settings.architecture} of width {settings.width}; "
        f"{settings.epochs} epochs, batches of {settings.batch_size}, "
        "unless the row says otherwise.",
        f"- {settings.seeds} {'seed' if settings.seeds == 1 else 'seeds'}: mean "
        "± standard deviation over them.",
        f"- {sum(it.seconds for it in outcomes) / 60:.0f} minutes of training, "
        f"{date.today().isoformat()}; {build_info()}.",
        "",
        f"    {command}",
        "",
        "## What came out",
        "",
        *table(study, outcomes),
        "",
    ]
    failures = [it for outcome in outcomes for it in outcome.failures]
    if failures:
        lines += [
            "Runs that collapsed or diverged count as 0 when the validation images choose:",
            "",
            *(f"- {it}" for it in failures),
            "",
        ]
    claims = study.claims(settings)
    if claims:
        lines += [
            "| claim | paper | here | |",
            "|---|---|---|---|",
            *(judge(it, outcomes) for it in claims),
            "",
            VERDICTS,
            "",
        ]
    if study.summary:
        lines += [*study.summary(outcomes), ""]
    if picture:
        lines += [f"![{study.title}]({picture})", ""]
    if study.notes:
        lines += ["## What differs from the paper", "", study.notes, ""]
    if study.full:
        lines += ["## At full size", "", study.full, ""]
    return "\n".join(lines)


def table(study: Study, outcomes: list[Outcome]) -> list[str]:
    measures = [it for it in study.measures if any(it in outcome.measures for outcome in outcomes)]
    papers = [it for it in measures if any(it in outcome.arm.paper for outcome in outcomes)]
    chosen = any(len(it.arm.grid) > 1 for it in outcomes)
    head = [
        "",
        *(f"paper: {MEASURES[it][0]}" for it in papers),
        *(MEASURES[it][0] for it in measures),
        "validation top-1 %",
    ]
    head += ["chosen"] * chosen
    rows = [head, ["---"] + ["---:"] * (len(papers) + len(measures) + 1) + ["---"] * chosen]
    for it in outcomes:
        row = [it.arm.name, *(str(it.arm.paper.get(name, "")) for name in papers)]
        row += [spread(name, it.measures.get(name, np.array([np.nan]))) for name in measures] + [
            spread("top1", it.validation)
        ]
        if chosen:
            row.append(", ".join(f"{name} {value}" for name, value in it.chosen.items()))
        rows.append(row)
    return ["| " + " | ".join(row) + " |" for row in rows]


def spread(name: str, values: Array) -> str:
    """Formats "91.23 ± 0.10"; failed runs are left out and counted."""
    _, factor, digits = MEASURES[name]
    sound = values[np.isfinite(values)] * factor
    if len(sound) == 0:
        return "failed"
    words = f"{sound.mean():.{digits}f}" + (
        f" ± {sound.std(ddof=1):.{digits}f}" if len(sound) > 1 else ""
    )
    return words + (f" ({len(values) - len(sound)} failed)" if len(sound) < len(values) else "")


def judge(claim: Claim, outcomes: list[Outcome]) -> str:
    """Returns a row: the claim, the paper's difference, ours with its standard error, the
    verdict.
    """
    by_name = {it.arm.name: it for it in outcomes}
    first, second = (
        by_name[it].measures.get(claim.measure, np.array([np.nan]))
        for it in (claim.first, claim.second)
    )
    _, factor, digits = MEASURES[claim.measure]
    gaps = (first - second) * factor * (-1 if claim.measure in LOWER else 1)
    gaps = gaps[np.isfinite(gaps)]
    paper = "" if claim.paper is None else f"{claim.paper:+g}"
    if len(gaps) == 0:
        return f"| {claim.text} | {paper} | failed | undecided |"
    mean, error = (
        gaps.mean(),
        standard_error(claim.measure, gaps, first, second, factor, by_name[claim.first]),
    )
    if claim.margin is not None:
        verdict = (
            "agrees"
            if abs(mean) + 2 * error <= claim.margin
            else "contradicts"
            if abs(mean) - 2 * error > claim.margin
            else "undecided"
        )
    else:
        verdict = (
            "undecided"
            if not abs(mean) > 2 * error
            else "agrees"
            if mean > 0
            else "**contradicts**"
        )
    better = " better" if claim.measure in LOWER else ""
    return (
        f"| {claim.text} | {paper} | {mean:+.{digits}f}{better} ± {error:.{digits}f} | {verdict} |"
    )


def standard_error(
    measure: str, gaps: Array, first: Array, second: Array, factor: float, outcome: Outcome
) -> float:
    """Returns the standard error of the mean difference over seeds. For fractions of images it is
    at least that of drawing the test images, as if both arms were tested independently.
    """
    over_seeds = gaps.std(ddof=1) / math.sqrt(len(gaps)) if len(gaps) > 1 else 0.0
    if measure not in ("top1", "top5", "knn", "corrupted"):
        return over_seeds if len(gaps) > 1 else math.inf
    shares = [float(np.nanmean(it)) for it in (first, second)]
    return max(
        over_seeds, factor * math.sqrt(sum(it * (1 - it) for it in shares) / max(outcome.tested, 1))
    )


def draw(study: Study, outcomes: list[Outcome], path: str) -> bool:
    """Plots a dot for each seed with mean and standard deviation, on the study's axis or in a row
    per arm, or boxes of many arms; the paper's figures, if any, are plotted beside it. Returns
    False without matplotlib.
    """
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        return False
    measure = study.measures[0]
    label, factor, _ = MEASURES[measure]
    if study.group:
        draw_boxes(plt, study, study.group, outcomes, measure, path)
        return True
    paper = [
        (it, it.arm.paper[measure])
        for it in outcomes
        if isinstance(it.arm.paper.get(measure), (int, float))
    ]
    numeric = study.axis is not None and all(it.arm.x is not None for it in outcomes)
    high = 4.6 if numeric else 2.0 + 0.42 * len(outcomes)
    figure, axes = plt.subplots(
        1,
        2 if paper else 1,
        figsize=(11 if paper else 6.5, high),
        dpi=130,
        squeeze=False,
        layout="constrained",
    )
    ours, ink = axes[0][0], "#1f5fa8"
    for at, it in enumerate(outcomes):
        values = factor * it.measures.get(measure, np.array([np.nan]))
        sound = values[np.isfinite(values)]
        place = it.arm.x if numeric else len(outcomes) - 1 - at
        places = np.full(len(values), place, float)
        ours.scatter(
            *((places, values) if numeric else (values, places)),
            s=18,
            color=ink,
            alpha=0.45,
            linewidths=0,
            label="a seed" if at == 0 else None,
        )
        mean = [sound.mean() if len(sound) else np.nan]
        deviation = sound.std(ddof=1) if len(sound) > 1 else 0.0
        ours.errorbar(
            *(([place], mean) if numeric else (mean, [place])),
            **{"yerr" if numeric else "xerr": [deviation]},
            color=ink,
            marker="D",
            markersize=7,
            capsize=4,
            linestyle="none",
            label="mean ± standard deviation" if at == 0 else None,
        )
    if numeric:
        means = [
            factor * np.nanmean(it.measures[measure])
            if np.isfinite(it.measures.get(measure, [np.nan])).any()
            else np.nan
            for it in outcomes
        ]
        ours.plot([it.arm.x for it in outcomes], means, color=ink, linewidth=1.2)
    figure.suptitle(f"{study.title}: {label}", x=0.01, ha="left", fontweight="bold")
    ours.set_title("measured here", loc="left", fontsize=10)
    if paper:
        theirs = axes[0][1]
        spots = [it.arm.x if numeric else len(outcomes) - 1 - outcomes.index(it) for it, _ in paper]
        figures = [value for _, value in paper]
        theirs.plot(
            *((spots, figures) if numeric else (figures, spots)),
            color="#8a4b08",
            marker="D",
            linestyle="-" if numeric else "none",
            label="the paper",
        )
        theirs.set_title("the paper's figures, on a scale of their own", loc="left", fontsize=10)
    figure.legend(loc="outside lower left", ncols=3, fontsize=8, frameon=False)
    for axis in axes[0]:
        if numeric:
            axis.set_xlabel(study.axis)
            axis.set_ylabel(label)
            if study.logarithmic:
                axis.set_xscale("log")
                axis.set_xticks([it.arm.x for it in outcomes], [f"{it.arm.x:g}" for it in outcomes])
                axis.minorticks_off()
        else:
            axis.set_yticks(
                range(len(outcomes)),
                [it.arm.name for it in reversed(outcomes)]
                if axis is ours
                else [""] * len(outcomes),
            )
            axis.set_ylim(-0.6, len(outcomes) - 0.4)
            axis.set_xlabel(label)
        axis.grid(color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    plt.close(figure)
    return True


def draw_boxes(
    plt: Any,
    study: Study,
    group: Callable[[Arm], str],
    outcomes: list[Outcome],
    measure: str,
    path: str,
) -> None:
    """Plots a box per group, from the lower to the upper quartile, with the median, and a dot per
    run beside it; a failed run counts as 0.
    """
    label, factor, _ = MEASURES[measure]
    groups: dict[str, list[float]] = {}
    for it in outcomes:
        groups.setdefault(group(it.arm), []).extend(
            factor * np.nan_to_num(it.measures.get(measure, np.zeros(1)))
        )
    figure, axes = plt.subplots(
        figsize=(1.6 + 1.8 * len(groups), 4.6), dpi=130, layout="constrained"
    )
    axes.boxplot(
        list(groups.values()),
        widths=0.4,
        showfliers=False,
        medianprops={"color": "#1f5fa8", "linewidth": 2},
    )
    axes.set_title(f"{study.title}: {label}", loc="left", fontweight="bold", fontsize=11)
    axes.plot([], [], color="#1f5fa8", linewidth=2, label="median; box: quartiles")
    for place, values in enumerate(groups.values(), 1):
        axes.scatter(
            place + np.linspace(-0.12, 0.12, len(values)),
            values,
            s=14,
            color="#1f5fa8",
            alpha=0.45,
            linewidths=0,
            label="a run" if place == 1 else None,
        )
    figure.legend(loc="outside lower left", ncols=2, fontsize=8, frameon=False)
    axes.set_xticks(
        range(1, len(groups) + 1),
        [f"{name}\n{len(values)} runs" for name, values in groups.items()],
    )
    axes.set_ylabel(label)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    plt.close(figure)
