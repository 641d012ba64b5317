"""Defines the flags of `supcon train`, and those that it shares with other commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from .. import _sources
from .._options import AUGMENTATION, CLASSIFIER, DATASET, LOSS, MODEL, MODEL_DATA, TRAIN
from .._presets import changed, only
from .._recipe import CHOICES, MODEL_CHOICES
from . import _flags
from ._flags import Flag, argument

SHORT = (
    "objective",
    "epochs",
    "batch_size",
    "learning_rate",
    "optimizer",
    "temperature",
    "architecture",
    "width",
    "augmentation",
    "precision",
    "resume",
)
# Of options whose default here is not the library's.
_DEFAULTS = {
    name: f"{by}; the preset's with --preset" for name, by in (CHOICES | MODEL_CHOICES).items()
}
_DEFAULTS["classifier_flip"] = "where views are flipped; no with --preset"


def threads_and_quiet() -> list[Flag]:
    return [
        Flag("threads", "Threads that compute (default: all)", int, "N"),
        Flag("quiet", "Print warnings and errors only.", bool, default=False, short="-q"),
    ]


def memory_limit() -> Flag:
    return Flag(
        "memory_limit",
        "Memory that a step of training or a pass of embedding may take, such as 500M (500 "
        "million) or 8G; an error if it is too little (default: what the machine has free)",
        parse=_flags.byte_count,
        metavar="BYTES",
        common=False,
    )


def augmentation_flags(common: Sequence[str] = ()) -> list[Flag]:
    return [
        *_flags.table(AUGMENTATION, "Augmentation", common),
        Flag(
            "augmentation_second",
            "Augmentation of the views after an image's first: another kind, and fields by the "
            "names above, such as crop_flip,crop_scale_min=0.5 or hue=0 (default: the same)",
            parse=_flags.second_augmentation,
            metavar="[KIND][,FIELD=X...]",
            panel="Augmentation",
            common=False,
        ),
    ]


def flags() -> list[Flag]:
    data: dict[str, Any] = dict(panel="Images", common=False)
    made = [
        argument(
            "data",
            f"{_sources.HELP} (default: that of --config)",
            optional=True,
            brief="folder, IDX, CIFAR, .npz, name",
        ),
        Flag(
            "output",
            "Folder of the run; or NAME.safetensors, for the model alone (default: runs/NAME of "
            "the data; a folder that holds a run is not overwritten)",
            metavar="PATH",
            short="-o",
        ),
        Flag(
            "config",
            "Options, and DATA, from a TOML file such as a run's config.toml; the command line "
            "takes precedence",
            metavar="FILE",
        ),
        Flag("preset", "A published recipe, see info --presets", metavar="NAME"),
        *[
            it
            for it in _flags.table(TRAIN, "Training", SHORT, _DEFAULTS)
            if it.name != "checkpoint_folder"
        ],
        *_flags.table(LOSS, "Loss", SHORT),
        *_flags.table(MODEL, "Model", SHORT, _DEFAULTS),
        Flag(
            "image_size",
            "Size in pixels of the images that the model takes; others are resized (default: that "
            "of the images, by the median if they differ, of 224x224 pixels at most)",
            parse=_flags.size,
            metavar="N|HxW",
            panel="Model",
        ),
        Flag(
            "init",
            "Begin with this model; the options of a model, and the size and statistics of its "
            "images, are the file's then, but a head that is given, or that the file lacks, is "
            "new. With --objective cross_entropy: transfer by fine-tuning. --objective linear "
            "and the presets that have it need this",
            metavar="MODEL",
            panel="Model",
        ),
        *augmentation_flags(SHORT),
        _flags.of(
            MODEL_DATA["seed"],
            "Training",
            ("seed",),
            "Seed of weights, sampling, augmentation and the validation split",
        ),
        _flags.of(TRAIN["checkpoint_folder"], "Training", text="The run's own, if it has a folder"),
        Flag(
            "val",
            "Labeled images to evaluate the model on at the end (default: val/ beside train/, else "
            "those that --validation-fraction holds out)",
            metavar="DATA",
            **data,
        ),
        Flag(
            "mean",
            "Mean per channel, of pixels from 0 to 1 (default: computed for images in memory, else "
            "the library's)",
            parse=_flags.numbers,
            metavar="M[,M...]",
            **data,
        ),
        Flag(
            "std",
            "Deviation per channel, of pixels from 0 to 1 (default: as for --mean)",
            parse=_flags.numbers,
            metavar="S[,S...]",
            **data,
        ),
        Flag(
            "own_part",
            "Over several processes: DATA are images that this process alone has, and the run is "
            "on those of all (default: every process has all images)",
            bool,
            default=False,
            **data,
        ),
        *_flags.table(DATASET, "Images"),
        Flag(
            "targets",
            "For --positives any, all, jaccard or kernel: numbers for each image, 0 and 1 for "
            "several labels, or real values. FILE.npy: [n] or [n, k], in the images' order; "
            "FILE.csv: a line of names, then a line per image; a first column called path is that "
            "of the image in the folder DATA, without it lines are in the images' order",
            metavar="FILE",
            **data,
        ),
        Flag(
            "long_tailed",
            "Keep all images of the first class, 1/FACTOR as many of the last, exponentially "
            "between",
            float,
            "FACTOR",
            **data,
        ),
        Flag("per_class", "Keep at most N images of each class, at random", int, "N", **data),
        Flag(
            "label_noise",
            "Give this fraction of the images a wrong label, at random (after the two above)",
            float,
            "RATE",
            **data,
        ),
        Flag(
            "classifier",
            "Fit a linear classifier on the frozen embeddings of the images that are not held out "
            "afterwards (default: if there are labels)",
            bool,
            panel="Classifier",
            common=False,
        ),
        *_flags.table(CLASSIFIER, "Classifier", defaults=_DEFAULTS),
        Flag(
            "report",
            "Make report.html at the end (default: yes)",
            bool,
            panel="Options",
            common=False,
        ),
        memory_limit(),
        *threads_and_quiet(),
    ]
    return made


def given_of(arguments: SimpleNamespace, table: Iterable[str]) -> dict[str, Any]:
    """Returns the options of a table that the command line or its configuration file gives."""
    return only({name: getattr(arguments, name, None) for name in table})


def augmentation_of(arguments: SimpleNamespace, base: Any = None) -> Any:
    """Returns the `augmentation` argument of `train`: `base` with the fields that were given; a
    dict, a pair of dicts, or None.
    """
    fields = given_of(arguments, AUGMENTATION)
    if "augmentation" in fields:
        fields["kind"] = fields.pop("augmentation")
    found = changed(base or {}, fields)
    if arguments.augmentation_second is not None:
        first = found[0] if isinstance(found, tuple) else found
        found = first, changed(first, arguments.augmentation_second)
    return found or None
