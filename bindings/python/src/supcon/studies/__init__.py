"""Claims of Khosla et al. (arXiv:2004.11362), run end to end at a size that a small machine can
take: `supcon study NAME`.

A module per study says what is compared, what the paper found and how it was found; `_runner`
trains and measures, `_report` writes. Nothing here knows a result of ours: tables have what the run
at hand measured.
"""

from __future__ import annotations

import importlib

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


def find(name: str):
    """The `Study` of that name."""
    return importlib.import_module(f".{name.replace('-', '_')}", __name__).STUDY


def arguments(it) -> None:
    """The arguments of the command."""
    it.add_argument("name", metavar="NAME", choices=NAMES, help=", ".join(NAMES))
    it.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        required=True,
        help="folder for NAME.md, NAME.png (with matplotlib) and NAME.json, from "
        "which a study that was stopped goes on",
    )
    it.add_argument(
        "--data",
        default="digits",
        metavar="DATA",
        help="digits (scikit-learn's; the default), fashion-mnist[:FOLDER], or as "
        "for train, with --test",
    )
    it.add_argument(
        "--test",
        metavar="DATA",
        help="images to test with, for other data than digits and fashion-mnist",
    )
    it.add_argument(
        "--epochs",
        type=int,
        metavar="N",
        help="of the contrastive stage (default: 30 for digits, else 4)",
    )
    it.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="runs of each arm (default: 3)"
    )
    it.add_argument(
        "--architecture",
        default="resnet18",
        metavar="NAME",
        help="as for train (default: resnet18)",
    )
    it.add_argument(
        "--width", type=int, metavar="N", help="channels of the first stage (default: 8)"
    )
    it.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="images per step (default: 64 for digits, else 256)",
    )
    it.add_argument(
        "--per-class", type=int, metavar="N", help="train on at most N images of each class"
    )
