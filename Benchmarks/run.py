#!/usr/bin/env python3
"""Times libsupcon: a JSON line per case (a layer, …) with median, minimum, runs and the peak of
memory. Needs numpy only; builds what it measures.

    python3 Benchmarks/run.py [--threads 2] [--precision f32|bf16|int8] [--no-build] [CASE …]

CASE: train-step, frozen, cached, busy, loss, embed, int8, augment, jpeg, startup, overlap, scaling,
ranks, layers, limit, fashion-mnist, photographs, or a part of a case's name; none: all but the last
two, which take half an hour. compare.py times the peers beside it.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from cases import LONG, Case, Contender, chosen

ROOT = Path(__file__).resolve().parent.parent
SWIFT = os.environ.get("SWIFT", "swift")
EXECUTABLE = ROOT / ".build" / "release" / "benchmark"
SCRATCH = ROOT / "build" / "benchmarks"


def build() -> None:
    """The library and the benchmark executable, as a user would have them."""
    for command in (
        ["make", "lib", "DEPS=none", f"SWIFT={SWIFT}"],
        [SWIFT, "build", "-c", "release", "--product", "benchmark", "--quiet"],
    ):
        subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


def prepare() -> None:
    """The files that cases read."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    for width, height in ((500, 375), (2000, 1500)):
        file = SCRATCH / f"{width}x{height}.jpg"
        if not file.exists():
            subprocess.run(
                [EXECUTABLE, "write-jpeg", f"width={width}", f"height={height}", f"file={file}"],
                check=True,
            )


def command(contender: Contender, threads: int, peers: "str | None" = None) -> "list[str]":
    programs = {
        "swift": [str(EXECUTABLE)],
        "ours": [sys.executable, str(ROOT / "Benchmarks" / "ours.py")],
        "peers": [str(peers), str(ROOT / "Benchmarks" / "peers" / "peers.py")],
    }
    words = [
        f"{name}={value}".replace("{scratch}", str(SCRATCH)).replace("{benchmark}", str(EXECUTABLE))
        for name, value in ({"threads": threads} | contender.arguments).items()
    ]
    return programs[contender.program] + [contender.work] + words


def measure(
    case: Case, contender: Contender, threads: int, peers: "str | None" = None
) -> "list[dict]":
    """Runs one contender in a process of its own; its lines, printed too, with the case's name. A
    line with "error" if it failed.
    """
    number = str(contender.arguments.get("threads", threads))
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": number,
        "PYTHONPATH": f"{ROOT / 'bindings' / 'python' / 'src'}:{ROOT / 'Benchmarks'}",
    }
    done = subprocess.run(
        command(contender, threads, peers), env=environment, capture_output=True, text=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        lines = [{"error": (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]}]
    head = {
        "case": case.name,
        "precision": case.precision,
        "subject": contender.subject,
        "threads": int(number),
    }
    lines = [
        {name: value for name, value in (head | line).items() if value != ""} for line in lines
    ]
    for line in lines:
        print(json.dumps(line, ensure_ascii=False), flush=True)
    return lines


def parser(text: str) -> argparse.ArgumentParser:
    it = argparse.ArgumentParser(
        description=text.splitlines()[0],
        epilog=text.split("\n\n", 1)[-1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("cases", nargs="*", metavar="CASE")
    it.add_argument(
        "--threads",
        type=int,
        default=int(os.environ.get("THREADS", "2")),
        help="that everybody computes with (default: $THREADS, else 2)",
    )
    it.add_argument(
        "--precision",
        choices=("f32", "bf16", "int8"),
        help="only cases of this precision (default: all)",
    )
    it.add_argument("--no-build", action="store_true", help="measure what was built before")
    return it


def wanted(options: argparse.Namespace, compared: bool = False) -> "list[Case]":
    """The cases that the command line names, or all but the longest; compared: all but those
    without peers.
    """
    cases = [
        case
        for case in chosen(options.cases)
        if (options.cases or (case.group not in LONG and (case.peers or not compared)))
        and options.precision in (None, case.precision)
    ]
    if not cases:
        named = f" called {' '.join(options.cases)}" if options.cases else ""
        sys.exit(f"there is no case{named} of the precision {options.precision or 'any'}")
    return cases


def main() -> None:
    options = parser(__doc__).parse_args()
    cases = wanted(options)
    if not options.no_build:
        build()
    prepare()
    failed = [
        case
        for case in cases
        if any("error" in line for line in measure(case, case.ours, options.threads))
    ]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
