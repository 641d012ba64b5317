"""Runs the command as a user does."""

import subprocess
import sys

COMMAND = [sys.executable, "-m", "supcon"]
TRAIN = [
    "--width",
    "4",
    "--epochs",
    "2",
    "--batch-size",
    "16",
    "--validation-fraction",
    "0",
    "--precision",
    "f32",
    "--seed",
    "3",
    "--threads",
    "1",
]


def run(*arguments, code=0):
    found = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    assert found.returncode == code, found.stderr
    return found
