#!/usr/bin/env python3
"""Times libsupcon and its peers in turn, in one sitting, with the same number of threads; prints a
JSON line per run and per case, and at the end a table of ratios.

    python3 Benchmarks/compare.py [--threads 2] [--precision bf16] [--rounds 3] [--python PATH]
        [CASE …]

The peers (PyTorch, ONNX Runtime, OpenVINO, albumentations, …) live in build/peers, an environment
that the first run makes with pip (some GB); --python names another. Of peers and of their forms
(compiled or not, channels first or last) the first round tries all, and the best goes on: ours, it,
ours, it. A ratio is that of the medians over the rounds. CASE is as for run.py; fashion-mnist and
photographs (an hour each) are run only by their names.
"""

import json
import os
import statistics
import subprocess
import sys

from cases import Case
from run import ROOT, build, measure, parser, prepare, wanted
from tables import tables

PACKAGES = [
    "torch",
    "torchvision",
    "onnxruntime",
    "openvino",
    "onnx",
    "onnxscript",
    "pytorch-metric-learning",
    "albumentations",
    "scikit-learn",
    "pillow",
    "safetensors",
]


def environment() -> str:
    """The Python that has the peers; made if it is not there."""
    folder = ROOT / "build" / "peers"
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        print(f"Making {folder} with {', '.join(PACKAGES)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
            check=True,
        )
        ready.touch()
    return str(python)


def middle(lines: "list[dict]", what: str) -> "float | None":
    values = [line[what] for line in lines if what in line]
    return statistics.median(values) if values else None


def compare(case: Case, threads: int, rounds: int, python: str) -> dict:
    """Ours and the peers in turn; what came of it."""
    mine, theirs = [], {peer.subject: [] for peer in case.peers}
    contenders = case.peers
    for _ in range(case.rounds or rounds):
        mine += measure(case, case.ours, threads)
        for peer in contenders:
            theirs[peer.subject] += measure(case, peer, threads, python)
        usable = [
            peer for peer in case.peers if middle(theirs[peer.subject], "median_s") is not None
        ]
        contenders = tuple(
            sorted(usable, key=lambda peer: middle(theirs[peer.subject], "median_s"))[:1]
        )
    found = {
        "case": case.name,
        "precision": case.precision,
        "ours_s": middle(mine, "median_s"),
        "ours_bytes": middle(mine, "peak_bytes"),
    }
    if contenders:
        best = contenders[0].subject
        smallest = min(filter(None, (middle(lines, "peak_bytes") for lines in theirs.values())))
        found |= {"peer": best, "peer_s": middle(theirs[best], "median_s"), "peer_bytes": smallest}
    for name, lines in (("ours", mine), ("peer", theirs.get(found.get("peer"), []))):
        for what in ("accuracy", "slowdown"):
            if (value := middle(lines, what)) is not None:
                found[f"{name}_{what}"] = value
    return found


def main() -> None:
    it = parser(__doc__)
    it.add_argument("--rounds", type=int, default=3, help="how often to take turns (default: 3)")
    it.add_argument(
        "--python", help="a Python that has the peers (default: build/peers, made if missing)"
    )
    options = it.parse_args()
    cases = wanted(options, compared=True)
    if not options.no_build:
        build()
    prepare()
    python = os.path.abspath(options.python) if options.python else environment()
    results = []
    for case in cases:
        results.append(compare(case, options.threads, options.rounds, python))
        print(json.dumps(results[-1], ensure_ascii=False), flush=True)
    print("\n" + "\n\n".join(tables(results).values()))


if __name__ == "__main__":
    main()
