"""The command `supcon`: train, embed, evaluate, study, views, info."""

from __future__ import annotations

import argparse
import json
import os
import sys

import numpy as np

from . import _abi, _files, studies
from ._augmentation import augment
from ._contact import contact_sheet, sheet
from ._convert import integer
from ._errors import ArgumentError, SupConError
from ._evaluation import evaluate
from ._library import build_info, context, lib, library_path, set_log, version
from ._measures import alignment, ood_detection, ood_scores, retrieval, uniformity
from ._model import Model, load
from ._options import (
    AUGMENTATION,
    CLASSIFIER,
    DATASET,
    EMBED,
    EVALUATE,
    LOSS,
    MODEL,
    MODEL_DATA,
    OOD,
    TRAIN,
    Option,
    augmentation,
)
from ._presets import Preset, changed, model_options, preset, presets, train_options
from ._progress import Count, clear_line
from ._training import (
    Training,
    need_encoder,
    objective_for,
    suit_classifier,
    train,
    trains_classifier,
)

DATA = """Data: a folder with a folder of JPEG or PNG files per class; idx:IMAGES[,LABELS] (MNIST's files, gzipped or not); cifar10:FILE[,FILE...] or
cifar100:FILE[,FILE...] (binary version); npy:IMAGES.npy[,LABELS.npy] (uint8 [n, h, w] or [n, h, w, c])."""


# ------------------------------------------------------------------------------------------------------------------
# the arguments
def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="supcon",
        description="Supervised contrastive learning on a CPU.",
        epilog="Exit status: 0; 1 after an error; 2 for wrong usage; 130 after Ctrl-C.",
    )
    top.add_argument("--version", action="version", version=f"supcon {version()}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    it = _command(
        commands,
        "train",
        _train,
        "train an encoder on labeled or unlabeled images",
        DATA,
        "DATA --output MODEL",
    )
    it.add_argument("data", metavar="DATA", help="what to learn (see below)")
    it.add_argument(
        "-o", "--output", metavar="MODEL", required=True, help="safetensors file to write"
    )
    it.add_argument(
        "--preset",
        choices=presets(),
        help="a published recipe; other options change it, and where they do not "
        "its values stand in the place of "
        "the defaults below (supcon info --preset NAME prints them all)",
    )
    _memory(it)
    group = it.add_argument_group("model")
    group.add_argument(
        "--init",
        metavar="MODEL",
        help="begin with this safetensors file instead of random weights; what "
        "describes a model, and the size and "
        "statistics of its images, are the file's then. With --objective "
        "cross_entropy and a small --learning-rate: transfer by fine-tuning. "
        "--objective linear and the presets that have it need this",
    )
    _flags(group, MODEL)
    group = it.add_argument_group("images")
    group.add_argument(
        "--image-size",
        type=_size,
        metavar="N|HxW",
        help="pixels that the model is made for; other images are resized (default: "
        "as large as the images; if they differ in size, the library's)",
    )
    group.add_argument(
        "--mean",
        type=_numbers,
        metavar="M[,M...]",
        help="per channel, of pixels from 0 to 1 (default: computed for npy:, else the library's)",
    )
    group.add_argument(
        "--std",
        type=_numbers,
        metavar="S[,S...]",
        help="per channel, of pixels from 0 to 1 (default: like --mean)",
    )
    _flags(group, DATASET)
    group.add_argument(
        "--targets",
        metavar="FILE",
        help="for --positives any, all, jaccard or kernel: numbers for each image, "
        "0 and 1 for several labels, or real values. "
        "FILE.npy: [n] or [n, k], in the images' order; FILE.csv: a line of "
        "names, then a line per image; a first column called path is that of "
        "the "
        "image in the folder DATA, without it lines are in the images' order",
    )
    group.add_argument(
        "--long-tailed",
        type=float,
        metavar="FACTOR",
        help="keep all images of the first class, 1/FACTOR as many of the last, "
        "exponentially between",
    )
    group.add_argument(
        "--per-class", type=int, metavar="N", help="keep at most N images of each class, at random"
    )
    group.add_argument(
        "--label-noise",
        type=float,
        metavar="RATE",
        help="give this share of the images a wrong label, at random (after the two above)",
    )
    group = it.add_argument_group("training")
    _flags(group, TRAIN)
    _flag(group, MODEL_DATA["seed"], "of weights, sampling, augmentation and the validation split")
    _flags(it.add_argument_group("loss"), LOSS)
    _augmentation_flags(it)
    group = it.add_argument_group("classifier")
    group.add_argument(
        "--classifier",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="fit a linear classifier on the frozen embeddings afterwards (default: "
        "if there are labels)",
    )
    _flags(group, CLASSIFIER)

    it = _command(
        commands,
        "embed",
        _embed,
        "turn images into embeddings",
        DATA + " A folder need not have folders in it here.",
        "MODEL DATA --output FILE",
    )
    it.add_argument("model", metavar="MODEL", help="safetensors file")
    it.add_argument("data", metavar="DATA", help="images (see below)")
    it.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help="file to write: .npy (float32 [n, dimension]) or .csv (a row per image)",
    )
    it.add_argument(
        "--paths",
        metavar="FILE",
        help="write the images' paths to this file too, a line per row of the output",
    )
    _embedding(it)

    it = _command(
        commands,
        "evaluate",
        _evaluate,
        "accuracy on TEST of a classifier fitted on the embeddings of TRAIN",
        DATA,
        "MODEL TRAIN TEST",
    )
    it.add_argument("model", metavar="MODEL", help="safetensors file")
    it.add_argument("train", metavar="TRAIN", help="labeled images to fit on (see below)")
    it.add_argument("test", metavar="TEST", help="labeled images to predict")
    it.add_argument(
        "--calibration",
        action="store_true",
        help="expected calibration error and reliability bins of each method's probabilities",
    )
    it.add_argument(
        "--retrieval",
        action="store_true",
        help="precision@1, R-precision and MAP@R of the test images among themselves",
    )
    it.add_argument(
        "--geometry", action="store_true", help="alignment and uniformity of the test images"
    )
    it.add_argument(
        "--outside",
        metavar="DATA",
        help="how well the distance to the 50th nearest training image tells these "
        "images from the test images",
    )
    it.add_argument(
        "--confusion",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="print the confusion matrix (default: up to 20 classes)",
    )
    it.add_argument("--json", action="store_true", help="print a JSON object per method instead")
    option = EVALUATE["method"]
    it.add_argument(
        "--method",
        nargs="+",
        choices=option.choices,
        default=[option.default],
        help=f"{option.help} (default: {option.default})",
    )
    _flags(it, {name: option for name, option in EVALUATE.items() if name != "method"})
    _embedding(it)

    it = _command(
        commands,
        "study",
        _study,
        "run one claim of the paper at a size that this machine can take, and write a table",
        None,
        "NAME --output DIR",
    )
    studies.arguments(it)

    it = _command(
        commands,
        "views",
        _views,
        "a contact sheet: images of DATA with the views that training makes of them, or corrupted",
        DATA,
        "DATA --output SHEET.png",
    )
    it.add_argument("data", metavar="DATA", help="images (see below)")
    it.add_argument("-o", "--output", metavar="FILE", required=True, help="PNG file to write")
    it.add_argument(
        "--images",
        type=int,
        metavar="N",
        default=8,
        help="rows: so many images, spread over the data (default: 8)",
    )
    it.add_argument(
        "--views",
        type=int,
        metavar="N",
        default=8,
        help="columns: so many views of each (default: 8)",
    )
    it.add_argument(
        "--size",
        type=_size,
        metavar="N|HxW",
        help="pixels of a view (default: as large as the images; 224 if they differ)",
    )
    it.add_argument(
        "--seed", type=int, metavar="N", default=0, help="of the augmentation (default: 0)"
    )
    it.add_argument("--epoch", type=int, metavar="N", default=1, help="whose views (default: 1)")
    it.add_argument(
        "--corruption",
        choices=[it.word for it in _abi.Corruption],
        help="show the image at severities 1 to 5 instead of views",
    )
    _augmentation_flags(it)
    _flag(it, DATASET["on_error"])
    _flag(it, DATASET["channels"])

    it = _command(
        commands,
        "info",
        _info,
        "what a model or a preset is, or what this library is",
        None,
        "[MODEL]",
        threads=False,
    )
    group = it.add_mutually_exclusive_group()
    group.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help="safetensors file; without it: the library, its engines and the CPU's features",
    )
    group.add_argument(
        "--preset",
        choices=presets(),
        help="a published recipe, with every option of its model and its training",
    )
    group.add_argument("--presets", action="store_true", help="what each preset is")
    it.add_argument("--json", action="store_true", help="print a JSON object instead")
    return top


def _command(commands, name, function, text, epilog, usage, threads=True):
    it = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=epilog,
        usage=f"supcon {name} {usage} [OPTION...]",
    )
    it.set_defaults(run=function)
    if threads:
        it.add_argument(
            "--threads",
            type=int,
            metavar="N",
            help="threads that compute (default: every CPU this process may use)",
        )
        it.add_argument(
            "-q",
            "--quiet",
            action="store_true",
            help="no progress on standard error; warnings and errors alone",
        )
    return it


def _augmentation_flags(it) -> None:
    group = it.add_argument_group("augmentation")
    _flags(group, AUGMENTATION)
    group.add_argument(
        "--augmentation-second",
        type=_second,
        metavar="[KIND][,FIELD=X...]",
        help="how the views after an image's first differ: another kind, and fields "
        "by the names above, such as crop_flip,crop_scale_min=0.5 or hue=0 "
        "(default: not)",
    )


def _memory(it) -> None:
    it.add_argument(
        "--memory-limit",
        type=_bytes,
        metavar="BYTES",
        help="memory that a step of training or a pass of embedding may take, such "
        "as 500M (500 million) "
        "or 8G; an error where it is too little (default: what the machine has "
        "free then)",
    )


def _embedding(it) -> None:
    _memory(it)
    option = EMBED["output"]
    it.add_argument(
        "--layer", choices=option.choices, help=f"{option.help} (default: {option.default})"
    )
    _flags(it, {name: option for name, option in EMBED.items() if name != "output"})
    _flag(it, MODEL["precision"])
    it.add_argument(
        "--int8",
        metavar="DATA",
        help="embed in int8, in about half of the time, calibrated on these images: "
        "some hundreds such as will be embedded",
    )
    _flag(it, DATASET["on_error"])


def _flags(group, table: dict[str, Option]) -> None:
    for option in table.values():
        _flag(group, option)


def _flag(group, option: Option, text: str | None = None) -> None:
    """--option-name, with the library's default in the help; None if it is not given."""
    words = {
        "dest": option.name,
        "help": f"{text or option.help} (default: {_say(option.default)})",
    }
    if option.kind is bool:
        words["action"] = argparse.BooleanOptionalAction
    elif option.choices:
        words["choices"] = option.choices
    elif option.kind is list:
        words["type"], words["metavar"] = _epochs, "N[,N...]"
    else:
        words["type"] = option.kind if option.kind in (int, float) else str
        words["metavar"] = {int: "N", float: "X", bytes: "PATH"}.get(option.kind, "NAME")
    group.add_argument("--" + option.name.replace("_", "-"), **words)


def _given(arguments, table) -> dict:
    """The options of a table that are on the command line."""
    return {
        name: getattr(arguments, name)
        for name in table
        if getattr(arguments, name, None) is not None
    }


def _size(text: str):
    parts = [int(it) for it in text.lower().split("x")]
    if len(parts) not in (1, 2):
        raise ValueError
    return tuple(parts) if len(parts) == 2 else (parts[0], parts[0])


def _bytes(text: str) -> int:
    unit = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}.get(text[-1:].upper())
    try:
        number = float(text[:-1]) * unit if unit else int(text)
    except ValueError:
        number = 0
    if not 1 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r}: expected bytes above 0, such as 500M or 8G")
    return int(number)


def _numbers(text: str):
    numbers = [float(it) for it in text.split(",")]
    return numbers if len(numbers) > 1 else numbers[0]


def _second(text: str) -> dict:
    fields = {}
    try:
        for number, part in enumerate(text.split(",")):
            name, equals, value = part.partition("=")
            name, value = (
                (name.strip().replace("-", "_"), value) if equals or number else ("kind", part)
            )
            fields[name] = AUGMENTATION[name].kind(value) if name in AUGMENTATION else value
        augmentation(fields)  # says what is wrong
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None
    return fields


def _epochs(text: str) -> list[int]:
    return [int(it) for it in text.split(",")]


# -------------------------------------------------------------------------------------------------------------------
# the commands
def _train(arguments) -> int:
    _files.writable(arguments.output)
    recipe = preset(arguments.preset) if arguments.preset else None
    options = train_options(recipe, _given(arguments, (*TRAIN, *LOSS, "seed")))
    options["augmentation"] = _augmentation(arguments, options.get("augmentation"))
    begun = _begin(arguments)
    if begun is None:
        need_encoder(options, "--init MODEL")
    given = _given(arguments, DATASET)
    data = _files.read(
        arguments.data, **(given if begun is None else {"channels": begun.channels} | given)
    )
    _note_skipped(arguments, data)
    if arguments.targets is not None:
        if arguments.positives in (None, "classes"):
            raise ArgumentError(
                "--targets was given without --positives any, all, jaccard or kernel, "
                "which says what they mean"
            )
        data = data.with_targets(_files.targets(arguments.targets, data, arguments.data))
    data = _variant(arguments, data)
    labels = data.labels is not None
    options["objective"] = objective_for(options, data)
    model = begun or _new_model(arguments, data, recipe)
    learns_classes = trains_classifier(options["objective"], options.get("joint_classifier"))
    if labels and learns_classes:
        suit_classifier(model, data)
    _note(arguments, f"{data!r}; {model!r}".replace("<supcon.", "").replace(">", ""))
    training = Training()
    try:
        train(model, data, **options, verbose=not arguments.quiet, training=training)
    except (KeyboardInterrupt, SupConError) as reason:
        if not training.steps:
            raise
        model.save(arguments.output)
        folder = arguments.checkpoint_folder
        where = (
            f"; go on from the checkpoint in {folder} with --resume"
            if folder and training.history
            else ""
        )
        print(
            f"supcon: {'stopped' if isinstance(reason, KeyboardInterrupt) else 'the run ended'} "
            f"in epoch {len(training.history) + 1}; the model "
            f"learned so far is in {arguments.output}{where}",
            file=sys.stderr,
        )
        raise
    if labels and not learns_classes and arguments.classifier is not False:
        _note(arguments, "fitting the linear classifier")
        given = _given(arguments, CLASSIFIER)
        model.fit_classifier(
            data, iterations=given.get("classifier_iterations"), l2=given.get("classifier_l2")
        )
    elif arguments.classifier and not labels:
        raise ArgumentError(f"--classifier needs labels, and {arguments.data} has none")
    model.save(arguments.output)
    print(arguments.output)
    return 0


def _begin(arguments) -> Model | None:
    """The model of --init."""
    if arguments.init is None:
        return None
    for name in (*MODEL, "image_size", "mean", "std"):
        if name != "precision" and getattr(arguments, name) is not None:
            raise ArgumentError(
                f"--{name.replace('_', '-')} and --init were given; expected one of the "
                "two: the file says what its model is"
            )
    return load(
        arguments.init,
        precision=arguments.precision,
        n_jobs=arguments.threads,
        memory_limit=arguments.memory_limit,
    )


def _new_model(arguments, data, recipe: Preset | None) -> Model:
    given = _given(arguments, (*MODEL, "image_size", "mean", "std", "seed"))
    return Model(
        **model_options(recipe, data, given),
        n_jobs=arguments.threads,
        memory_limit=arguments.memory_limit,
    )


def _variant(arguments, data):
    """The data set, with its tail cut, thinned out, its labels spoilt, as asked for."""
    seed = MODEL_DATA["seed"].default if arguments.seed is None else arguments.seed
    for value, change in (
        (arguments.long_tailed, "long_tailed"),
        (arguments.per_class, "per_class"),
        (arguments.label_noise, "with_label_noise"),
    ):
        if value is not None:
            data = getattr(data, change)(value, seed)
    return data


def _augmentation(arguments, base=None):
    """What `train` takes: a dict, a pair of them, or None; `base` with what is on the command line."""
    fields = _given(arguments, AUGMENTATION)
    if "augmentation" in fields:
        fields["kind"] = fields.pop("augmentation")
    found = changed(base or {}, fields)
    if arguments.augmentation_second is not None:
        first = found[0] if isinstance(found, tuple) else found
        found = first, changed(first, arguments.augmentation_second)
    return found or None


def _views(arguments) -> int:
    _files.writable(arguments.output)
    data = _files.read(arguments.data, **_given(arguments, DATASET))
    _note_skipped(arguments, data)
    count = min(integer("--images", arguments.images, 1, 256), len(data))
    chosen = np.arange(count) * len(data) // count
    common = dict(
        seed=integer("--seed", arguments.seed, 0, 2**64 - 1),
        epoch=arguments.epoch,
        size=arguments.size,
        n_jobs=arguments.threads,
    )
    if arguments.corruption:
        size = arguments.size or ((data.height, data.width) if data.height else (224, 224))
        cells = [augment(data.subset(chosen), "none", size=size, n_jobs=arguments.threads)]
        for severity in range(1, 6):
            corrupted = data.corrupted(
                arguments.corruption, severity, seed=common["seed"], size=size
            )
            cells.append(augment(corrupted.subset(chosen), "none", n_jobs=arguments.threads))
        sheet(np.stack(cells, 1), arguments.output)
    else:
        contact_sheet(
            data.subset(chosen),
            _augmentation(arguments) or AUGMENTATION["augmentation"].default,
            path=arguments.output,
            views=arguments.views,
            **common,
        )
    print(arguments.output)
    return 0


def _embed(arguments) -> int:
    _files.writable(arguments.output)
    if not arguments.output.endswith((".npy", ".csv")):
        raise ArgumentError(
            f"--output is {arguments.output!r}; expected a name that ends in .npy or .csv"
        )
    model = _model(arguments)
    data = _files.read(arguments.data, on_error=arguments.on_error, channels=model.channels)
    _note_skipped(arguments, data)
    paths = data.paths
    if arguments.paths and paths is None:
        raise ArgumentError(
            f"--paths needs images that are files, which {arguments.data} does not have"
        )
    rows = _rows(arguments, model, data, "embedding")
    if arguments.output.endswith(".npy"):
        _files.write(arguments.output, lambda file: np.save(file, rows))
    else:
        _files.write(arguments.output, lambda file: _files.csv(file, rows, paths))
    if arguments.paths:
        _files.write(
            arguments.paths, lambda file: file.writelines(os.fsencode(it) + b"\n" for it in paths)
        )
    return 0


def _model(arguments):
    model = load(
        arguments.model,
        precision=arguments.precision,
        n_jobs=arguments.threads,
        memory_limit=arguments.memory_limit,
    )
    if arguments.int8:
        model.quantize(
            _files.read(arguments.int8, on_error=arguments.on_error, channels=model.channels)
        )
    return model


def _rows(arguments, model, data, what: str) -> np.ndarray:
    count = None if arguments.quiet else Count(what)
    try:
        given = _given(arguments, EMBED)
        return model.embed(
            data,
            arguments.layer or EMBED["output"].default,
            given.get("normalize", EMBED["normalize"].default),
            batch_size=given.get("batch_size"),
            progress=count,
        )
    finally:
        if count:
            count.close()


def _evaluate(arguments) -> int:
    model = _model(arguments)
    parts = []
    for spec in (arguments.train, arguments.test):
        data = _files.read(spec, on_error=arguments.on_error, channels=model.channels)
        _note_skipped(arguments, data)
        parts += [data, _files.label_names(data, spec)]
    train_data, train_labels, test_data, test_labels = parts
    train_rows, test_rows = (
        _rows(arguments, model, train_data, "training images"),
        _rows(arguments, model, test_data, "test images"),
    )
    for method in arguments.method:
        found = evaluate(
            train_rows,
            train_labels,
            test_rows,
            test_labels,
            method,
            **_given(arguments, [it for it in EVALUATE if it != "method"]),
            n_jobs=arguments.threads,
        )
        calibration = found.calibration() if arguments.calibration else None
        if arguments.json:
            print(
                json.dumps(
                    {
                        "method": method,
                        "top1": found.top1,
                        "top5": found.top5,
                        "classes": found.classes.tolist(),
                        "confusion": found.confusion.tolist(),
                    }
                    | ({"calibration": _files.plain(calibration)} if calibration else {})
                ),
                flush=True,
            )
        else:
            show = (
                arguments.confusion if arguments.confusion is not None else len(found.classes) <= 20
            )
            print(_files.report(method, found, show), flush=True)
            if calibration:
                print(_files.reliability(method, calibration), flush=True)
    for name, values in _measures(arguments, model, train_rows, test_rows, test_labels):
        words = ", ".join(
            f"{key.replace('_', ' ')} {value:.4f}"
            if isinstance(value, float)
            else f"{key.replace('_', ' ')} {value}"
            for key, value in values.items()
        )
        print(json.dumps({name: values}) if arguments.json else f"{name}: {words}", flush=True)
    return 0


def _measures(arguments, model, train_rows, test_rows, test_labels):
    """What was asked for beside the methods: (name, {measure: value})."""
    jobs = arguments.threads
    if arguments.retrieval:
        yield "retrieval", _files.plain(retrieval(test_rows, test_labels, n_jobs=jobs))
    if arguments.geometry:
        yield (
            "geometry",
            {
                "alignment": alignment(test_rows, test_labels, n_jobs=jobs),
                "uniformity": uniformity(test_rows, n_jobs=jobs),
            },
        )
    if arguments.outside:
        data = _files.read(arguments.outside, on_error=arguments.on_error, channels=model.channels)
        _note_skipped(arguments, data)
        outside = _rows(arguments, model, data, "images from outside")
        scores = [
            ood_scores(train_rows, it, k=min(OOD["k"].default, len(train_rows)), n_jobs=jobs)
            for it in (test_rows, outside)
        ]
        yield "outside", _files.plain(ood_detection(*scores))


def _study(arguments) -> int:
    from .studies._main import run  # with what it needs only here

    set_log(_log, "warning")  # a line for each run is enough
    print(run(arguments))
    return 0


def _info(arguments) -> int:
    if arguments.preset:
        known = vars(preset(arguments.preset))
    elif arguments.presets:
        known = {name: preset(name).description for name in presets()}
    elif arguments.model:
        known = load(arguments.model).info()
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
    if arguments.json:
        print(json.dumps(known))
    else:
        _show(known)
    return 0


def _show(known: dict, margin: str = "") -> None:
    """A line for each name; those of a dict within stand below its name, further right."""
    for name, value in known.items():
        print(f"{margin + name:26} {'' if isinstance(value, dict) else _say(value)}".rstrip())
        if isinstance(value, dict):
            _show(value, margin + "  ")


def _say(value) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_say, value))
    return (
        "none"
        if value is None
        else ("yes" if value else "no")
        if isinstance(value, bool)
        else str(value)
    )


def _log(level: str, text: str) -> None:
    clear_line()
    print(f"supcon: {'warning: ' if level == 'warning' else ''}{text}", file=sys.stderr)


def _note(arguments, text: str) -> None:
    if not arguments.quiet:
        print(text, file=sys.stderr)


def _note_skipped(arguments, data) -> None:
    for text in data.skipped[:20]:
        _note(arguments, f"supcon: skipped {text}")
    if len(data.skipped) > 20:
        _note(arguments, f"supcon: skipped {len(data.skipped) - 20} more files")


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    arguments = parser().parse_args(argv)
    set_log(_log, "warning" if getattr(arguments, "quiet", True) else "info")
    try:
        if getattr(arguments, "threads", None) is not None:
            integer("--threads", arguments.threads, 1, 1024)
        return arguments.run(arguments)
    except KeyboardInterrupt:
        print("supcon: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who read our output has gone; nothing is left to say to them
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (SupConError, OSError, ValueError, MemoryError) as error:
        print(
            f"supcon: error: {' '.join(str(error).split()) or type(error).__name__}",
            file=sys.stderr,
        )
        return 1
