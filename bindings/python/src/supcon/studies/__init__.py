"""Claims of Khosla et al. (arXiv:2004.11362), run end to end at a size that a small machine can
take: `supcon study NAME`.

A module per study says what is compared, what the paper found and how it was found; `_runner`
trains and measures, `_report` writes. Nothing here knows a result of ours: tables have what the run
at hand measured.
"""

from __future__ import annotations

import importlib

from ._study import Study

NAMES = (
    "losses",
    "positives",
    "temperature",
    "batch-size",
    "epochs",
    "augmentations",
    "optimizers",
    "stability",
    "corruptions",
    "calibration",
    "transfer",
    "memory",
)


def find(name: str) -> Study:
    """Returns the `Study` of that name."""
    module = importlib.import_module(f".{name.replace('-', '_')}", __name__)
    study: Study = module.STUDY
    return study
