"""What every timed program here does the same way: reads NAME=VALUE words, times a call, prints a
JSON line. Needs nothing but Python.
"""

import json
import statistics
import sys
import time


def arguments(words=None) -> dict:
    """NAME=VALUE words as a dict; values are numbers where they look like one."""
    pairs = (word.split("=", 1) for word in (sys.argv[2:] if words is None else words))
    return {name: int(value) if value.lstrip("-").isdigit() else value for name, value in pairs}


def timed(call, runs: int = 5, warm_up: int = 1) -> "list[float]":
    """Seconds of each of `runs` calls, after `warm_up` that do not count."""
    for _ in range(warm_up):
        call()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def peak_bytes() -> int:
    """This process's peak of resident memory."""
    with open("/proc/self/status") as file:
        return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM")), 0)


def report(seconds: "list[float]", **more) -> None:
    """Prints a JSON line: median, minimum and number of the times, the process's peak of memory,
    and more.
    """
    line = {
        "median_s": round(statistics.median(seconds), 9),
        "min_s": round(min(seconds), 9),
        "runs": len(seconds),
        "peak_bytes": peak_bytes(),
        **more,
    }
    print(json.dumps(line), flush=True)


def main(works: dict) -> None:
    """Runs works[WORK](NAME=VALUE …) as the command line says."""
    if len(sys.argv) < 2 or sys.argv[1] not in works:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(works)} NAME=VALUE …")
    works[sys.argv[1]](**arguments())
