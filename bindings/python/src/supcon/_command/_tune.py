"""Implements `supcon tune`."""

from __future__ import annotations

from types import SimpleNamespace

from .._options import CLASSIFIER, SEARCH, TRAIN
from ._flags import Flag
from ._train import configured, prepared
from ._train_flags import flags

# What only a whole run has.
_OF_RUNS = {
    *("output", "learning_rate", "val", "classifier", "report", "resume"),
    *CLASSIFIER,
    *(name for name, it in TRAIN.items() if it.row.course and name != "validation_fraction"),
}


def tune_flags() -> list[Flag]:
    return [
        *[it for it in flags() if it.name not in _OF_RUNS],
        Flag(
            "seconds",
            "Seconds after which trials end, and the best one so far is chosen "
            f"(default: {SEARCH['seconds'].default:g})",
            float,
            "X",
        ),
    ]


def run(arguments: SimpleNamespace) -> int:
    """Prints the learning rate that short runs on a part of the training images choose."""
    for name in _OF_RUNS:
        setattr(arguments, name, None)
    configured(arguments)
    arguments.learning_rate, arguments.classifier = "auto", False
    print(f"{prepared(arguments).options['learning_rate']:g}")
    return 0


COMMANDS = {
    "tune": (run, tune_flags(), "Finds the learning rate of a run by a short sweep."),
}
