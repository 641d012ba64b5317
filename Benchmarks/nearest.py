#!/usr/bin/env python3
"""Times exact nearest-neighbor search beside faiss's IndexFlatIP, ours and faiss in turn, each in a
process of its own; prints a JSON line per run, and a table.

    python3 Benchmarks/nearest.py [ROWS=100000] [DIMENSION=512] [K=10] [THREADS=2] [ROUNDS=3]

Needs the Python package supcon, numpy and faiss-cpu. Both search rows of length 1 by their product,
find the same, and begin with the rows in memory.
"""

import functools
import json
import os
import statistics
import subprocess
import sys

from timing import arguments, report, timed

QUERIES = (1, 1000)
DEFAULTS = dict(ROWS=100_000, DIMENSION=512, K=10, THREADS=2, ROUNDS=3)


def searcher(who: str, sizes: dict):
    """A function of the queries, and queries."""
    import numpy

    random = numpy.random.default_rng(0)
    rows, queries = (
        random.standard_normal((count, sizes["DIMENSION"]), dtype=numpy.float32)
        for count in (sizes["ROWS"], max(QUERIES))
    )
    for part in (rows, queries):
        part /= numpy.linalg.norm(part, axis=1, keepdims=True)
    k, threads = sizes["K"], sizes["THREADS"]
    if who == "faiss":
        import faiss

        faiss.omp_set_num_threads(threads)
        index = faiss.IndexFlatIP(sizes["DIMENSION"])
        index.add(rows)
        return (lambda asked: index.search(asked, k)), queries
    import supcon

    return (
        lambda asked: supcon.nearest(rows, asked, k=k, normalize=False, n_jobs=threads)
    ), queries


def work(who: str, sizes: dict) -> None:
    search, queries = searcher(who, sizes)
    for count in QUERIES:
        asked = queries[:count]
        times = timed(functools.partial(search, asked), runs=30 if count == 1 else 5, warm_up=2)
        total = int(search(asked)[1].sum())  # of the indices: whether both find the same
        report(times, who=who, queries=count, found=total)


def main() -> None:
    who = sys.argv[1] if sys.argv[1:2] in (["ours"], ["faiss"]) else None
    sizes = DEFAULTS | arguments(sys.argv[2 if who else 1 :])
    if who:
        return work(who, sizes)
    words = [f"{name}={value}" for name, value in sizes.items()]
    lines = []
    for _ in range(sizes["ROUNDS"]):
        for who in ("ours", "faiss"):
            told = subprocess.run(
                [sys.executable, __file__, who, *words],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": str(sizes["THREADS"])},
            ).stdout
            print(told, end="", flush=True)
            lines += map(json.loads, told.splitlines())
    print(
        "\n| queries | libsupcon | faiss IndexFlatIP | ratio | same rows |\n|---|---|---|---|---|"
    )
    for count in QUERIES:
        own = {
            who: statistics.median(
                it["median_s"] for it in lines if (it["who"], it["queries"]) == (who, count)
            )
            for who in ("ours", "faiss")
        }
        same = len({it["found"] for it in lines if it["queries"] == count}) == 1
        print(
            f"| {count} | {own['ours'] * 1e3:.3g} ms | {own['faiss'] * 1e3:.3g} ms | "
            f"{own['ours'] / own['faiss']:.2f} | {'yes' if same else 'no'} |"
        )


if __name__ == "__main__":
    main()
