"""The command `supcon`: train, embed, evaluate, study, info."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time

import numpy as np

from . import _files, studies
from ._convert import integer
from ._errors import ArgumentError, SupConError
from ._evaluation import evaluate
from ._library import build_info, context, lib, library_path, set_log, version
from ._measures import alignment, ood_detection, ood_scores, retrieval, uniformity
from ._model import Model, load
from ._options import AUGMENTATION, CLASSIFIER, DATASET, EMBED, EVALUATE, LOSS, MODEL, MODEL_DATA, OOD, TRAIN, Option
from ._progress import Count, clear_line
from ._training import Training, objective_for, suit_classifier, train, trains_classifier

DATA = """Data: a folder with a folder of JPEG or PNG files per class; idx:IMAGES[,LABELS] (MNIST's files, gzipped or not); cifar10:FILE[,FILE...] or
cifar100:FILE[,FILE...] (binary version); npy:IMAGES.npy[,LABELS.npy] (uint8 [n, h, w] or [n, h, w, c])."""


# ------------------------------------------------------------------------------------------------------------------ the arguments
def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="supcon", description="Supervised contrastive learning on a CPU.",
                                  epilog="Exit status: 0; 1 after an error; 2 for wrong usage; 130 after Ctrl-C.")
    top.add_argument("--version", action="version", version=f"supcon {version()}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    it = _command(commands, "train", _train, "train an encoder on labelled or unlabelled images", DATA, "DATA --output MODEL")
    it.add_argument("data", metavar="DATA", help="what to learn (see below)")
    it.add_argument("-o", "--output", metavar="MODEL", required=True, help="safetensors file to write")
    group = it.add_argument_group("model")
    group.add_argument("--init", metavar="MODEL", help="begin with this safetensors file instead of random weights; what describes a model, and the size and "
                       "statistics of its images, are the file's then. With --objective cross_entropy and a small --learning-rate: transfer by fine-tuning")
    _flags(group, MODEL)
    group = it.add_argument_group("images")
    group.add_argument("--image-size", type=_size, metavar="N|HxW", help="pixels that the model is made for; other images are resized (default: "
                       "as large as the images; if they differ in size, the library's)")
    group.add_argument("--mean", type=_numbers, metavar="M[,M...]", help="per channel, of pixels from 0 to 1 (default: computed for npy:, else the library's)")
    group.add_argument("--std", type=_numbers, metavar="S[,S...]", help="per channel, of pixels from 0 to 1 (default: like --mean)")
    _flags(group, DATASET)
    group.add_argument("--long-tailed", type=float, metavar="FACTOR",
                       help="keep all images of the first class, 1/FACTOR as many of the last, exponentially between")
    group.add_argument("--per-class", type=int, metavar="N", help="keep at most N images of each class, at random")
    group.add_argument("--label-noise", type=float, metavar="RATE", help="give this share of the images a wrong label, at random (after the two above)")
    group = it.add_argument_group("training")
    _flags(group, TRAIN)
    group.add_argument("--milestones", type=_epochs, metavar="EPOCH[,EPOCH...]",
                       help="step schedule: epochs after which the rate is multiplied by --step-factor")
    _flag(group, MODEL_DATA["seed"], "of weights, sampling, augmentation and the validation split")
    _flags(it.add_argument_group("loss"), LOSS)
    _flags(it.add_argument_group("augmentation"), AUGMENTATION)
    group = it.add_argument_group("classifier")
    group.add_argument("--classifier", action=argparse.BooleanOptionalAction, default=None,
                       help="fit a linear classifier on the frozen embeddings afterwards (default: if there are labels)")
    _flags(group, CLASSIFIER)

    it = _command(commands, "embed", _embed, "turn images into embeddings", DATA + " A folder need not have folders in it here.",
                  "MODEL DATA --output FILE")
    it.add_argument("model", metavar="MODEL", help="safetensors file")
    it.add_argument("data", metavar="DATA", help="images (see below)")
    it.add_argument("-o", "--output", metavar="FILE", required=True, help="file to write: .npy (float32 [n, dimension]) or .csv (a row per image)")
    it.add_argument("--paths", metavar="FILE", help="write the images' paths to this file too, a line per row of the output")
    _embedding(it)

    it = _command(commands, "evaluate", _evaluate, "accuracy on TEST of a classifier fitted on the embeddings of TRAIN", DATA, "MODEL TRAIN TEST")
    it.add_argument("model", metavar="MODEL", help="safetensors file")
    it.add_argument("train", metavar="TRAIN", help="labelled images to fit on (see below)")
    it.add_argument("test", metavar="TEST", help="labelled images to predict")
    it.add_argument("--calibration", action="store_true", help="expected calibration error and reliability bins of each method's probabilities")
    it.add_argument("--retrieval", action="store_true", help="precision@1, R-precision and MAP@R of the test images among themselves")
    it.add_argument("--geometry", action="store_true", help="alignment and uniformity of the test images")
    it.add_argument("--outside", metavar="DATA", help="how well the distance to the 50th nearest training image tells these images from the test images")
    it.add_argument("--confusion", action=argparse.BooleanOptionalAction, default=None, help="print the confusion matrix (default: up to 20 classes)")
    it.add_argument("--json", action="store_true", help="print a JSON object per method instead")
    option = EVALUATE["method"]
    it.add_argument("--method", nargs="+", choices=option.choices, default=[option.default], help=f"{option.help} (default: {option.default})")
    _flags(it, {name: option for name, option in EVALUATE.items() if name != "method"})
    _embedding(it)

    it = _command(commands, "study", _study, "run one claim of the paper at a size that this machine can take, and write a table", None, "NAME --output DIR")
    it.add_argument("name", metavar="NAME", choices=studies.NAMES, help=", ".join(studies.NAMES))
    it.add_argument("-o", "--output", metavar="DIR", required=True, help="folder for NAME.md, NAME.png (with matplotlib) and NAME.json, from which a study that "
                    "was stopped goes on")
    it.add_argument("--data", default="digits", metavar="DATA", help="digits (scikit-learn's; the default), fashion-mnist[:FOLDER], or as for train, with --test")
    it.add_argument("--test", metavar="DATA", help="images to test with, for other data than digits and fashion-mnist")
    it.add_argument("--epochs", type=int, metavar="N", help="of the contrastive stage (default: 30 for digits, else 4)")
    it.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each arm (default: 3)")
    it.add_argument("--architecture", default="resnet18", metavar="NAME", help="as for train (default: resnet18)")
    it.add_argument("--width", type=int, metavar="N", help="channels of the first stage (default: 8)")
    it.add_argument("--batch-size", type=int, metavar="N", help="images per step (default: 64 for digits, else 256)")
    it.add_argument("--per-class", type=int, metavar="N", help="train on at most N images of each class")

    it = _command(commands, "info", _info, "what a model is, or what this library is", None, "[MODEL]", threads=False)
    it.add_argument("model", metavar="MODEL", nargs="?", help="safetensors file; without it: the library, its engines and the CPU's features")
    it.add_argument("--json", action="store_true", help="print a JSON object instead")
    return top


def _command(commands, name, function, text, epilog, usage, threads=True):
    it = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", epilog=epilog, usage=f"supcon {name} {usage} [OPTION...]")
    it.set_defaults(run=function)
    if threads:
        it.add_argument("--threads", type=int, metavar="N", help="threads that compute (default: every CPU this process may use)")
        it.add_argument("-q", "--quiet", action="store_true", help="no progress on standard error; warnings and errors alone")
    return it


def _embedding(it) -> None:
    option = EMBED["output"]
    it.add_argument("--layer", choices=option.choices, help=f"{option.help} (default: {option.default})")
    _flags(it, {name: option for name, option in EMBED.items() if name != "output"})
    _flag(it, MODEL["precision"])
    _flag(it, DATASET["on_error"])


def _flags(group, table: dict[str, Option]) -> None:
    for option in table.values():
        _flag(group, option)


def _flag(group, option: Option, text: str | None = None) -> None:
    """--option-name, with the library's default in the help; None if it is not given."""
    default = "none" if option.default is None else option.default if option.kind is not bool else ("yes" if option.default else "no")
    words = {"dest": option.name, "help": f"{text or option.help} (default: {default})"}
    if option.kind is bool:
        words["action"] = argparse.BooleanOptionalAction
    elif option.choices:
        words["choices"] = option.choices
    else:
        words["type"] = option.kind if option.kind in (int, float) else str
        words["metavar"] = {int: "N", float: "X", bytes: "PATH"}.get(option.kind, "NAME")
    group.add_argument("--" + option.name.replace("_", "-"), **words)


def _given(arguments, table) -> dict:
    """The options of a table that are on the command line."""
    return {name: getattr(arguments, name) for name in table if getattr(arguments, name, None) is not None}


def _size(text: str):
    parts = [int(it) for it in text.lower().split("x")]
    if len(parts) not in (1, 2):
        raise ValueError
    return tuple(parts) if len(parts) == 2 else (parts[0], parts[0])


def _numbers(text: str) -> list[float]:
    return [float(it) for it in text.split(",")]


def _epochs(text: str) -> list[int]:
    return [int(it) for it in text.split(",")]


# ------------------------------------------------------------------------------------------------------------------- the commands
def _train(arguments) -> int:
    _files.writable(arguments.output)
    begun = _begin(arguments)
    given = _given(arguments, DATASET)
    data = _files.read(arguments.data, **(given if begun is None else {"channels": begun.channels} | given))
    _note_skipped(arguments, data)
    data = _variant(arguments, data)
    labels = data.labels is not None
    objective = objective_for(arguments.objective, labels)
    model = begun or _new_model(arguments, data)
    if labels and trains_classifier(objective, arguments.joint_classifier):
        suit_classifier(model, data)
    _note(arguments, f"{data!r}; {model!r}".replace("<supcon.", "").replace(">", ""))
    options = _given(arguments, TRAIN) | _given(arguments, LOSS) | {"objective": objective}
    training = Training()
    try:
        train(model, data, **options, milestones=arguments.milestones, augmentation=_augmentation(arguments), seed=arguments.seed,
              verbose=not arguments.quiet, training=training)
    except KeyboardInterrupt:
        if not training.steps:
            raise
        model.save(arguments.output)
        folder = arguments.checkpoint_folder
        where = f"; go on from the checkpoint in {folder} with --resume" if folder and training.history else ""
        print(f"supcon: stopped in epoch {len(training.history) + 1}; the model learnt so far is in {arguments.output}{where}", file=sys.stderr)
        raise
    if labels and not trains_classifier(objective, arguments.joint_classifier) and arguments.classifier is not False:
        _note(arguments, "fitting the linear classifier")
        given = _given(arguments, CLASSIFIER)
        model.fit_classifier(data, iterations=given.get("classifier_iterations"), l2=given.get("classifier_l2"))
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
            raise ArgumentError(f"--{name.replace('_', '-')} and --init were given; expected one of the two: the file says what its model is")
    return load(arguments.init, precision=arguments.precision, n_jobs=arguments.threads)


def _new_model(arguments, data) -> Model:
    mean, std = _files.statistics(data)
    several = {"mean": mean if arguments.mean is None else arguments.mean, "std": std if arguments.std is None else arguments.std}
    for name, values in several.items():
        if values is not None and len(values) == 1:
            several[name] = values[0]
    size = arguments.image_size or ((data.height, data.width) if data.height else None)
    return Model(**_given(arguments, MODEL), image_size=size, channels=data.channels, **several, seed=arguments.seed, n_jobs=arguments.threads)


def _variant(arguments, data):
    """The data set, with its tail cut, thinned out, its labels spoilt, as asked for."""
    seed = MODEL_DATA["seed"].default if arguments.seed is None else arguments.seed
    for value, change in ((arguments.long_tailed, "long_tailed"), (arguments.per_class, "per_class"), (arguments.label_noise, "with_label_noise")):
        if value is not None:
            data = getattr(data, change)(value, seed)
    return data


def _augmentation(arguments) -> dict | None:
    fields = _given(arguments, AUGMENTATION)
    if "augmentation" in fields:
        fields["kind"] = fields.pop("augmentation")
    return fields or None


def _embed(arguments) -> int:
    _files.writable(arguments.output)
    if not arguments.output.endswith((".npy", ".csv")):
        raise ArgumentError(f"--output is {arguments.output!r}; expected a name that ends in .npy or .csv")
    model = load(arguments.model, precision=arguments.precision, n_jobs=arguments.threads)
    data = _files.read(arguments.data, on_error=arguments.on_error, channels=model.channels)
    _note_skipped(arguments, data)
    paths = data.paths
    if arguments.paths and paths is None:
        raise ArgumentError(f"--paths needs images that are files, which {arguments.data} does not have")
    rows = _rows(arguments, model, data, "embedding")
    if arguments.output.endswith(".npy"):
        _files.write(arguments.output, lambda file: np.save(file, rows))
    else:
        _files.write(arguments.output, lambda file: _files.csv(file, rows, paths))
    if arguments.paths:
        _files.write(arguments.paths, lambda file: file.writelines(os.fsencode(it) + b"\n" for it in paths))
    return 0


def _rows(arguments, model, data, what: str) -> np.ndarray:
    count = None if arguments.quiet else Count(what)
    try:
        given = _given(arguments, EMBED)
        return model.embed(data, arguments.layer or EMBED["output"].default, given.get("normalize", EMBED["normalize"].default),
                           batch_size=given.get("batch_size"), progress=count)
    finally:
        if count:
            count.close()


def _evaluate(arguments) -> int:
    model = load(arguments.model, precision=arguments.precision, n_jobs=arguments.threads)
    parts = []
    for spec in (arguments.train, arguments.test):
        data = _files.read(spec, on_error=arguments.on_error, channels=model.channels)
        _note_skipped(arguments, data)
        parts += [data, _files.label_names(data, spec)]
    train_data, train_labels, test_data, test_labels = parts
    train_rows, test_rows = _rows(arguments, model, train_data, "training images"), _rows(arguments, model, test_data, "test images")
    for method in arguments.method:
        found = evaluate(train_rows, train_labels, test_rows, test_labels, method, **_given(arguments, [it for it in EVALUATE if it != "method"]),
                         n_jobs=arguments.threads)
        calibration = found.calibration() if arguments.calibration else None
        if arguments.json:
            print(json.dumps({"method": method, "top1": found.top1, "top5": found.top5, "classes": found.classes.tolist(),
                              "confusion": found.confusion.tolist()} | ({"calibration": _files.plain(calibration)} if calibration else {})), flush=True)
        else:
            show = arguments.confusion if arguments.confusion is not None else len(found.classes) <= 20
            print(_files.report(method, found, show), flush=True)
            if calibration:
                print(_files.reliability(method, calibration), flush=True)
    for name, values in _measures(arguments, model, train_rows, test_rows, test_labels):
        words = ", ".join(f"{key.replace('_', ' ')} {value:.4f}" if isinstance(value, float) else f"{key.replace('_', ' ')} {value}"
                          for key, value in values.items())
        print(json.dumps({name: values}) if arguments.json else f"{name}: {words}", flush=True)
    return 0


def _measures(arguments, model, train_rows, test_rows, test_labels):
    """What was asked for beside the methods: (name, {measure: value})."""
    jobs = arguments.threads
    if arguments.retrieval:
        yield "retrieval", _files.plain(retrieval(test_rows, test_labels, n_jobs=jobs))
    if arguments.geometry:
        yield "geometry", {"alignment": alignment(test_rows, test_labels, n_jobs=jobs), "uniformity": uniformity(test_rows, n_jobs=jobs)}
    if arguments.outside:
        data = _files.read(arguments.outside, on_error=arguments.on_error, channels=model.channels)
        _note_skipped(arguments, data)
        outside = _rows(arguments, model, data, "images from outside")
        scores = [ood_scores(train_rows, it, k=min(OOD["k"].default, len(train_rows)), n_jobs=jobs) for it in (test_rows, outside)]
        yield "outside", _files.plain(ood_detection(*scores))


def _study(arguments) -> int:
    from .studies import _report, _runner, _study  # with what they need only here

    small = arguments.data == "digits"
    for name in ("seeds", "epochs", "width", "batch_size", "per_class"):
        if getattr(arguments, name) is not None:
            integer(f"--{name.replace('_', '-')}", getattr(arguments, name), 1, 2**31 - 1)
    settings = _study.Settings(
        arguments.data, arguments.test, arguments.epochs or (30 if small else 4), arguments.seeds, arguments.width or 8, arguments.architecture,
        arguments.batch_size or (64 if small else 256), arguments.per_class, threads=arguments.threads)
    set_log(_log, "warning")  # a line for each run is enough
    start = time.monotonic()
    say = (lambda text: None) if arguments.quiet else (lambda text: print(f"{time.monotonic() - start:7.0f} s  {text}", file=sys.stderr, flush=True))
    runner = _runner.Runner(studies.find(arguments.name), settings, arguments.output, say)
    words = " ".join(f"--{name.replace('_', '-')} {shlex.quote(str(getattr(settings, name)))}" for name in (
        "data", "test", "epochs", "seeds", "architecture", "width", "batch_size", "per_class") if getattr(settings, name) is not None)
    print(_report.write(runner, runner.run(), f"supcon study {arguments.name} {words} --output DIR"))
    return 0


def _info(arguments) -> int:
    if arguments.model:
        known = load(arguments.model).info()
        known["image_size"] = list(known["image_size"])
        known["mean"], known["std"] = ([float(f"{it:.6g}") for it in known[name]] for name in ("mean", "std"))
    else:
        known = {"version": version(), "library": str(library_path), "build": build_info(), "threads": lib.supcon_context_threads(context())}
    if arguments.json:
        print(json.dumps(known))
    else:
        for name, value in known.items():
            print(f"{name.replace('_', ' '):15} {', '.join(map(str, value)) if isinstance(value, list) else value}".rstrip())
    return 0


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
        print(f"supcon: error: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        return 1
