#!/usr/bin/env python3
"""Makes Markdown tables of the JSON lines of run.py and compare.py.

python3 Benchmarks/tables.py < LINES                              prints them
python3 Benchmarks/tables.py --into docs/performance.md < LINES   puts each in its place there,
between <!-- begin NAME --> and <!-- end NAME -->
"""

import argparse
import json
import re
import sys
from pathlib import Path

from cases import all_cases

PARTS = {
    "forward_s": "forward",
    "input_gradient_s": "input gradient",
    "weight_gradient_s": "weight gradient",
    "norm_forward_s": "norm forward",
    "norm_again_s": "norm again",
    "norm_backward_s": "norm backward",
    "pack_s": "pack",
}


def markdown(head, rows) -> str:
    return "\n".join(
        "| " + " | ".join(map(str, row)) + " |" for row in [head, ["---"] * len(head), *rows]
    )


def milliseconds(seconds) -> str:
    return (
        "" if seconds is None else f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:.0f}"
    )


def duration(seconds) -> str:
    for unit, size in (("s", 1), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def megabytes(number) -> str:
    return f"{number / 1e6:.0f} MB"


# ---------------------------------------------------------------------------------------------
# beside the peers
def ratio_row(name, precision, ours, peer, which, goal, aim, form) -> list:
    """Marks: ✗ above the goal, ✓ the goal is reached, ✓✓ the aim too."""
    ratio, mark = "not measured", ""
    if ours is not None and peer is not None:
        ratio = f"{ours / peer:.2f}"
        mark = (
            ""
            if goal is None
            else " ✗"
            if ours / peer > goal
            else " ✓✓"
            if aim and ours / peer <= aim
            else " ✓"
        )
    return [
        name,
        precision,
        "–" if ours is None else form(ours),
        "–" if peer is None else form(peer),
        which or "–",
        ratio + mark,
        goal or "",
        aim or "",
    ]


def ratios(results) -> str:
    """`results`: what compare.py says of each case."""
    by_name = {(case.name, case.precision): case for case in all_cases()}
    latest = {(it["case"], it["precision"]): it for it in results}
    known = [(by_name[key], it) for key, it in latest.items() if key in by_name]
    rows = []
    for case, it in known:
        notes = "".join(
            f", {who} {it[f'{name}_accuracy']:.2%}"
            for name, who in (("ours", "ours"), ("peer", "theirs"))
            if f"{name}_accuracy" in it
        )
        rows.append(
            ratio_row(
                case.name + notes,
                case.precision,
                it["ours_s"],
                it.get("peer_s"),
                it.get("peer"),
                case.goal,
                case.aim,
                duration,
            )
        )
    for case, it in known:
        if case.memory_goal is not None:
            rows.append(
                ratio_row(
                    f"peak memory, {case.name}",
                    case.precision,
                    it["ours_bytes"],
                    it.get("peer_bytes"),
                    "the form that takes least",
                    case.memory_goal,
                    case.memory_aim,
                    megabytes,
                )
            )
    return markdown(
        ["case", "precision", "libsupcon", "best peer", "which", "ratio", "goal", "aim"], rows
    )


# ---------------------------------------------------------------------------------------------
# on a busy machine
def slowdowns(results) -> str:
    """How many times as long a step takes beside a foreign process: ours and the peer's."""
    rows = [
        [
            it["case"].removeprefix("busy "),
            it["precision"],
            f"{it['ours_slowdown']:.2f}",
            f"{it['peer_slowdown']:.2f}" if "peer_slowdown" in it else "–",
        ]
        for it in results
    ]
    return markdown(["step", "precision", "libsupcon", "PyTorch"], rows)


# ---------------------------------------------------------------------------------------------
# layer by layer
def whole_of(lines) -> dict:
    return next(line for line in lines if line["layer"] == "whole step")


def layers(lines) -> str:
    """A row per layer: what it takes of the whole step, and how much of the CPU's limit its
    convolutions reach.
    """
    whole = whole_of(lines)
    rows = [
        [
            line["layer"],
            line.get("shape", ""),
            milliseconds(line["total_s"]),
            f"{line['total_s'] / whole['total_s']:.1%}",
            *(milliseconds(line.get(it)) for it in PARTS),
            f"{line['share_of_limit']:.0%}" if "share_of_limit" in line else "",
        ]
        for line in lines
        if line is not whole
    ]
    rows.append(["**whole step**", "", milliseconds(whole["total_s"]), *[""] * 8])
    return markdown(["layer", "shape", "ms", "of the step", *PARTS.values(), "of the limit"], rows)


def layers_summary(groups) -> str:
    """A row per network: where a step's time goes."""
    rows = []
    for (case, precision), lines in groups.items():
        whole = whole_of(lines)
        sums = [sum(line.get(part, 0) for line in lines) for part in PARTS]
        others = sum(line["total_s"] for line in lines if line is not whole) - sum(sums)
        operations = sum(
            line["gflops"] * sum(line.get(part, 0) for part in list(PARTS)[:3])
            for line in lines
            if "gflops" in line
        )
        reached = operations / whole["total_s"]
        rows.append(
            [
                case.removeprefix("layers "),
                precision,
                milliseconds(whole["total_s"]),
                *map(milliseconds, sums),
                milliseconds(others),
                f"{reached:.0f}",
                f"{reached / whole['limit_gflops']:.0%}",
            ]
        )
    return markdown(
        [
            "network",
            "precision",
            "step",
            *PARTS.values(),
            "pool, loss, optimizer",
            "GFLOP/s",
            "of the limit",
        ],
        rows,
    )


# ---------------------------------------------------------------------------------------------
# curves
def curves(lines, what: str) -> str:
    """A row per point, a column per precision: the median and, behind it, the peak of memory."""
    cell = {(line["case"], line["precision"]): line for line in lines}
    names, precisions = (
        list(dict.fromkeys(line["case"] for line in lines)),
        list(dict.fromkeys(line["precision"] for line in lines)),
    )
    rows = []
    for name in names:
        found = [cell.get((name, precision)) for precision in precisions]
        times = [duration(it["median_s"]) if it else "" for it in found]
        rows.append(
            [
                name.removeprefix("scaling ")
                .removeprefix("overlap: ")
                .removeprefix("loss+gradient "),
                *times,
                *(megabytes(it.get("extra_bytes", it["peak_bytes"])) if it else "" for it in found),
                *(
                    [
                        duration(found[0]["epoch_end_s"])
                        if found[0] and "epoch_end_s" in found[0]
                        else ""
                    ]
                    if what == "overlap"
                    else []
                ),
            ]
        )
    head = [
        what,
        *(f"time, {it}" for it in precisions),
        *(f"memory, {it}" for it in precisions),
        *(["end of an epoch"] if what == "overlap" else []),
    ]
    return markdown(head, rows)


def tables(lines) -> "dict[str, str]":
    """Every table that these lines are enough for, by its name."""
    found = {}
    if results := [line for line in lines if "ours_s" in line]:
        found["ratios"] = ratios(results)
        if busy := [it for it in results if "ours_slowdown" in it]:
            found["busy"] = slowdowns(busy)
    groups = {}
    for line in lines:
        if "layer" in line:
            groups.setdefault((line["case"], line["precision"]), []).append(line)
    if groups:
        found["layers-summary"] = layers_summary(groups)
        found["layers"] = "\n\n".join(
            f"**{case.removeprefix('layers ')}, {precision}**\n\n{layers(group)}"
            for (case, precision), group in groups.items()
        )
    for name, prefix in (
        ("scaling", "scaling "),
        ("overlap", "overlap: "),
        ("loss", "loss+gradient "),
    ):
        if points := [
            line
            for line in lines
            if "median_s" in line
            and line["case"].startswith(prefix)
            and line["subject"] == "libsupcon"
        ]:
            found[name] = curves(points, name)
    if limits := [line for line in lines if line.get("case") == "limit of multiply-adds"]:
        found["limit"] = markdown(
            ["precision", "GFLOP/s"],
            [[line["precision"], f"{line['gflops']:.0f}"] for line in limits],
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, metavar="FILE")
    options = parser.parse_args()
    found = tables([json.loads(line) for line in sys.stdin if line.startswith("{")])
    if not options.into:
        print("\n\n".join(found.values()))
        return
    text = options.into.read_text()
    for name, table in found.items():
        place = re.compile(f"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        text = place.sub(
            lambda match, table=table: match[1] + "\n" + table + "\n\n" + match[2], text
        )
    options.into.write_text(text)


if __name__ == "__main__":
    main()
