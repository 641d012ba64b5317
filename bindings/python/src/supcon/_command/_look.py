"""Implements the commands that show or report something: `supcon views`, `info`, `report`,
`study`.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import _abi, _files, _sources, studies
from .._augmentation import augment
from .._contact import contact_sheet, row_names, sheet
from .._convert import integer
from .._library import build_info, context, lib, library_path, set_log, version
from .._model import load
from .._options import AUGMENTATION, DATASET
from .._presets import preset, presets, suitable_size
from .._recipe import augmentation as chosen_augmentation
from . import _flags
from ._flags import Flag, argument, say
from ._say import log, note, note_skipped
from ._train_flags import augmentation_flags, augmentation_of, given_of, threads_and_quiet
from ._use import flag, model_path


def views(given: SimpleNamespace) -> int:
    output = given.output or "views.png"
    _files.writable(output)
    data = _sources.read(given.data, **given_of(given, DATASET))[0]
    note_skipped(given, data)
    count = min(integer("--images", given.images, 1, 256), len(data))
    chosen = np.arange(count) * len(data) // count
    size = given.size or suitable_size(data)
    common = dict(
        seed=integer("--seed", given.seed, 0, 2**64 - 1),
        epoch=given.epoch,
        size=size,
        n_jobs=given.threads,
    )
    if given.corruption:
        cells = [augment(data.subset(chosen), "none", size=size, n_jobs=given.threads)]
        for severity in range(1, 6):
            corrupted = data.corrupted(given.corruption, severity, seed=common["seed"], size=size)
            cells.append(augment(corrupted.subset(chosen), "none", n_jobs=given.threads))
        sheet(np.stack(cells, 1), output, names=row_names(data.subset(chosen)))
    else:
        augmentation = augmentation_of(given)
        if augmentation is None:  # as `supcon train` chooses
            augmentation, why = chosen_augmentation(data)
            note(given, why)
        contact_sheet(
            data.subset(chosen),
            augmentation or AUGMENTATION["augmentation"].default,
            path=output,
            views=given.views,
            **common,
        )
    print(output)
    return 0


def info(given: SimpleNamespace) -> int:
    if given.preset:
        known = vars(preset(given.preset))
    elif given.presets:
        known = {name: preset(name).description for name in presets()}
    elif given.model:
        known = load(model_path(given.model)).info()
        known["image_size"] = list(known["image_size"])
        known["mean"], known["std"] = (
            [float(f"{it:.6g}") for it in known[name]] for name in ("mean", "std")
        )
    else:
        known = {
            "version": version(),
            "library": str(library_path),
            "build": build_info(),
            "threads": lib.supcon_context_threads(context()),
        }
    if given.json:
        print(json.dumps(known))
    else:
        _show(known)
    return 0


def _show(known: dict[str, Any], margin: str = "") -> None:
    """Prints a line for each name; the entries of a nested dict are indented below its name."""
    for name, value in known.items():
        print(f"{margin + name:26} {'' if isinstance(value, dict) else say(value)}".rstrip())
        if isinstance(value, dict):
            _show(value, margin + "  ")


def report(given: SimpleNamespace) -> int:
    from .._report import report as make
    from .._report import sources

    data, test = sources(given.run, given.data, given.test)
    names = None if given.projection is None else given.projection.split(",")
    note(given, "making the report")
    print(make(given.run, data, test, projections=names, n_jobs=given.threads))
    return 0


def study(given: SimpleNamespace) -> int:
    from ..studies._main import run  # imports much that only this command needs

    set_log(log, "warning")  # the study prints a line for each run itself
    given.output = given.output or "studies"
    print(run(given))
    return 0


COMMANDS = {
    "views": (
        views,
        [
            argument("data", _sources.HELP),
            Flag("output", "PNG file (default: views.png)", metavar="FILE", short="-o"),
            Flag(
                "images",
                "Number of images, evenly spaced in DATA: the rows (default: 8)",
                int,
                "N",
                default=8,
            ),
            Flag("views", "Number of views of each: the columns (default: 8)", int, "N", default=8),
            Flag(
                "size",
                "Size of a view in pixels (default: that of the images; 224 if they differ or have "
                "more than 512 a side)",
                parse=_flags.size,
                metavar="N|HxW",
            ),
            Flag("seed", "Seed of the augmentation (default: 0)", int, "N", default=0),
            Flag("epoch", "Epoch whose views are drawn (default: 1)", int, "N", default=1),
            Flag(
                "corruption",
                "Show the image at severities 1 to 5 instead of views",
                choices=[it.word for it in _abi.Corruption],
                metavar="NAME",
            ),
            *augmentation_flags(("augmentation",)),
            *_flags.table(DATASET, "Options"),
            *threads_and_quiet(),
        ],
        "Draws images next to the views that training makes of them.",
    ),
    "info": (
        info,
        [
            argument(
                "model",
                "A safetensors file or the folder of a run; without it: the library, its engines "
                "and the CPU's features",
                optional=True,
            ),
            Flag("preset", "All options of a published recipe", choices=presets(), metavar="NAME"),
            flag("presets", "List the presets and their descriptions."),
            flag("json", "Print a JSON object."),
        ],
        "Describes a model, a preset, or this library.",
    ),
    "report": (
        report,
        [
            argument("run", "The folder of a run"),
            Flag(
                "data",
                "Images that it was trained on (default: those in config.toml)",
                metavar="DATA",
            ),
            Flag("test", "Labeled images to evaluate the model on instead", metavar="DATA"),
            Flag(
                "projection",
                "Projections of the map: pca, umap, tsne, separated by commas (default: pca, and "
                "umap or tsne where installed)",
                metavar="NAME[,NAME...]",
            ),
            *threads_and_quiet(),
        ],
        "Makes report.html of a run: curves, map, mistakes and more.",
    ),
    "study": (
        study,
        [
            argument("name", ", ".join(studies.NAMES), choices=list(studies.NAMES)),
            Flag(
                "output",
                "Folder for NAME.md, NAME.png (with matplotlib) and NAME.json, from which a study "
                "that was stopped continues (default: studies)",
                metavar="DIR",
                short="-o",
            ),
            Flag("data", f"{_sources.HELP} (default: digits)", metavar="DATA", default="digits"),
            Flag("test", "Images to test with (default: DATA's own)", metavar="DATA"),
            Flag("epochs", "Epochs of the first stage (default: 30 for digits, else 4)", int, "N"),
            Flag("seeds", "Number of runs of each arm (default: 3)", int, "N", default=3),
            Flag(
                "architecture", "Architecture, as for train (default: resnet18)", default="resnet18"
            ),
            Flag("width", "Channels of the first stage (default: 8)", int, "N"),
            Flag("batch_size", "Images per step (default: 64 for digits, else 256)", int, "N"),
            Flag("per_class", "Train on at most N images of each class", int, "N"),
            *threads_and_quiet(),
        ],
        "Runs one claim of the paper at a small size: a table and a plot.",
    ),
}
