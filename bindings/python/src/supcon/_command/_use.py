"""Implements the commands that use a model: `supcon embed`, `classify`, `evaluate`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import _files, _sources
from .._config import suggestion
from .._data import Dataset
from .._errors import ArgumentError, StateError
from .._evaluation import Evaluation
from .._evaluation import evaluate as judge
from .._generated import OutputName
from .._measures import alignment, ood_detection, ood_scores, retrieval, uniformity
from .._model import Model, load
from .._options import DATASET, EMBED, EVALUATE, MODEL, OOD
from .._types import Array, Float32
from . import _flags
from ._flags import Flag, argument
from ._say import counted, note, note_skipped
from ._train_flags import given_of, memory_limit, threads_and_quiet

IMAGES = "JPEG, PNG and WebP files, or one DATA: " + _sources.HELP


def model_argument() -> Flag:
    return argument("model", "A safetensors file, or the folder of a run")


def model_flags() -> list[Flag]:
    return [
        _flags.of(MODEL["precision"], "Options"),
        Flag(
            "int8",
            "Embed in int8, in about half of the time, calibrated on these images: some hundreds "
            "similar to those to be embedded",
            metavar="DATA",
            common=False,
        ),
        *[it for it in _flags.table(DATASET, "Options") if it.name != "channels"],
        memory_limit(),
        *threads_and_quiet(),
    ]


def embedding_flags() -> list[Flag]:
    option = EMBED["output"]
    rest = {name: it for name, it in EMBED.items() if name != "output"}
    return [
        _flags.of(option, "Options", ("output",), name="layer"),
        *_flags.table(rest, "Options"),
        *model_flags(),
    ]


def model_path(path: str) -> str:
    """Returns the model inside a run's folder; other paths are returned unchanged."""
    if not os.path.isdir(path):
        return path
    inside = os.path.join(path, "model.safetensors")
    if not os.path.exists(inside):
        raise ArgumentError(
            f"the folder {path} has no model.safetensors; expected a model's file, or the folder "
            "of a run"
        )
    return inside


def reading(given: SimpleNamespace, model: Model) -> dict[str, Any]:
    """Returns the options for reading images: those of the command line, with the model's
    channels.
    """
    return given_of(given, DATASET) | _sources.channels_of(model)


def load_model(given: SimpleNamespace) -> Model:
    model = load(
        model_path(given.model),
        precision=given.precision,
        n_jobs=given.threads,
        memory_limit=given.memory_limit,
    )
    if given.int8:
        model.quantize(_sources.read(given.int8, beside=True, **reading(given, model))[0])
    return model


def rows_of(
    given: SimpleNamespace,
    model: Model,
    data: Dataset,
    what: str,
    output: OutputName | None = None,
    normalize: bool | None = None,
) -> Float32:
    count = counted(given, what)
    options = {name: it for name, it in given_of(given, EMBED).items() if name != "output"}
    if normalize is not None:
        options["normalize"] = normalize
    layer: Any = output or getattr(given, "layer", None) or EMBED["output"].default
    try:
        return model.embed(data, layer, **options, progress=count)
    finally:
        if count:
            count.close()


def images_of(given: SimpleNamespace, model: Model) -> Dataset:
    data = _sources.images(given.images, **reading(given, model))
    note_skipped(given, data)
    return data


def embed(given: SimpleNamespace) -> int:
    output = given.output or "embeddings.npy"
    if given.ranks.is_first:
        _files.writable(output)
    if not output.endswith((".npy", ".csv")):
        raise ArgumentError(f"--output is {output!r}; expected a name that ends in .npy or .csv")
    model = load_model(given)
    data = images_of(given, model)
    paths = data.paths
    if given.paths and paths is None:
        raise ArgumentError(
            f"--paths needs images that are files, which {given.images[0]} does not have"
        )
    rows = given.ranks.embed(data, lambda part: rows_of(given, model, part, "embedding"))
    if rows is None:
        return 0
    if output.endswith(".npy"):
        _files.write(output, lambda file: np.save(file, rows))
    else:
        _files.write(output, lambda file: _files.csv(file, rows, paths))
    if given.paths:
        lines = b"".join(os.fsencode(it) + b"\n" for it in paths or [])
        _files.write(given.paths, lambda file: file.write(lines))
    note(given, f"{len(rows):,} embeddings of {rows.shape[1]} numbers are in {output}")
    return 0


def classify(given: SimpleNamespace) -> int:
    if given.output:
        _files.writable(given.output)
    model = load_model(given)
    if not model.classes:
        raise StateError(
            f"{given.model} has no classifier; train it with labels, or with --classifier"
        )
    if given.top < 1:
        raise ArgumentError(f"--top is {given.top}; expected 1 or more")
    data = images_of(given, model)
    found = rows_of(given, model, data, "classifying", "probabilities", False)
    names, top = model.class_names, min(given.top, model.classes)
    best = np.argsort(-found, axis=1, kind="stable")[:, :top]
    paths = data.paths or [str(it) for it in range(len(found))]
    if given.json:
        for at, path in enumerate(paths):
            guesses = [{"class": names[it], "probability": float(found[at, it])} for it in best[at]]
            print(json.dumps({"image": path, "classes": guesses}))
    elif given.output:
        head = "path," + ",".join(f"class{it + 1},probability{it + 1}" for it in range(top))
        lines = [head]
        for at, path in enumerate(paths):
            cells = [_files.quoted(path)]
            for it in best[at]:
                cells += [_files.quoted(names[it]), f"{found[at, it]:.6g}"]
            lines.append(",".join(cells))
        text = "\n".join(lines) + "\n"
        _files.write(given.output, lambda file: file.write(os.fsencode(text)))
        note(given, f"the classes of {len(paths):,} images are in {given.output}")
    else:
        for at, path in enumerate(paths):
            words = "  ".join(f"{names[it]} {found[at, it]:.1%}" for it in best[at])
            print(f"{path}  {words}")
    return 0


def evaluate(given: SimpleNamespace) -> int:
    model = load_model(given)
    train, test = _sources.read(given.train, **reading(given, model))
    if given.test is not None:
        test = _sources.read(given.test, beside=True, **reading(given, model))[0]
    if test is None:
        raise ArgumentError(
            f"{given.train} has no images to test with; expected TEST, or data that have them, "
            "such as a folder of train/ and val/"
        )
    note_skipped(given, train)
    train_labels = _files.label_names(train, given.train)
    note_skipped(given, test)
    test_labels = _files.label_names(test, given.test or given.train)
    methods = _methods(given.method)
    train_rows = rows_of(given, model, train, "training images")
    test_rows = rows_of(given, model, test, "test images")
    for method in methods:
        found = judge(
            train_rows,
            train_labels,
            test_rows,
            test_labels,
            method,
            **given_of(given, [it for it in EVALUATE if it != "method"]),
            n_jobs=given.threads,
        )
        _tell(given, method, found)
    for name, values in _measures(given, model, train_rows, test_rows, test_labels):
        words = ", ".join(
            f"{key.replace('_', ' ')} {value:.4f}"
            if isinstance(value, float)
            else f"{key.replace('_', ' ')} {value}"
            for key, value in values.items()
        )
        print(json.dumps({name: values}) if given.json else f"{name}: {words}", flush=True)
    return 0


def _methods(words: list[str] | None) -> list[Any]:
    option = EVALUATE["method"]
    methods: list[Any] = [it for word in words or [option.default] for it in word.split(",")]
    for it in methods:
        if it not in option.choices:
            near = suggestion(it, option.choices)
            raise ArgumentError(
                f"--method is {it!r}; expected one of {', '.join(option.choices)}{near}"
            )
    return methods


def _tell(given: SimpleNamespace, method: str, found: Evaluation) -> None:
    calibration = found.calibration() if given.calibration else None
    if given.json:
        known = {
            "method": method,
            "top1": found.top1,
            "top5": found.top5,
            "classes": found.classes.tolist(),
            "confusion": found.confusion.tolist(),
        }
        known |= {} if found.l2 is None else {"l2": found.l2}
        known |= {"calibration": _files.plain(calibration)} if calibration else {}
        print(json.dumps(known), flush=True)
        return
    show = given.confusion if given.confusion is not None else len(found.classes) <= 20
    print(_files.report(method, found, show), flush=True)
    if calibration:
        print(_files.reliability(method, calibration), flush=True)


def _measures(
    given: SimpleNamespace,
    model: Model,
    train_rows: Float32,
    test_rows: Float32,
    test_labels: Array,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the measures that were asked for beside the methods, as (name, {measure: value})."""
    jobs = given.threads
    if given.retrieval:
        yield "retrieval", _files.plain(retrieval(test_rows, test_labels, n_jobs=jobs))
    if given.geometry:
        yield (
            "geometry",
            {
                "alignment": alignment(test_rows, test_labels, n_jobs=jobs),
                "uniformity": uniformity(test_rows, n_jobs=jobs),
            },
        )
    if given.outside:
        data = _sources.read(given.outside, beside=True, **reading(given, model))[0]
        note_skipped(given, data)
        outside = rows_of(given, model, data, "images from outside")
        scores = [
            ood_scores(train_rows, it, k=min(OOD["k"].default, len(train_rows)), n_jobs=jobs)
            for it in (test_rows, outside)
        ]
        yield "outside", _files.plain(ood_detection(*scores))


def flag(name: str, help: str) -> Flag:
    return Flag(name, help, bool, default=False)


COMMANDS = {
    "embed": (
        embed,
        [
            model_argument(),
            argument("images", IMAGES, several=True),
            Flag(
                "output",
                "NAME.npy (float32 [n, dimension]) or NAME.csv (a row per image) (default: "
                "embeddings.npy)",
                metavar="FILE",
                short="-o",
            ),
            Flag(
                "paths",
                "Write the images' paths to this file too, a line per row of the output",
                metavar="FILE",
            ),
            *embedding_flags(),
        ],
        "Turns images into embeddings.",
    ),
    "classify": (
        classify,
        [
            model_argument(),
            argument("images", IMAGES, several=True),
            Flag(
                "output",
                "Write a CSV file instead of lines on standard output",
                metavar="FILE.csv",
                short="-o",
            ),
            Flag("top", "Number of classes of each image (default: 1)", int, "N", default=1),
            flag("json", "Print a JSON object per image."),
            _flags.of(EMBED["batch_size"], "Options"),
            *model_flags(),
        ],
        "Predicts the classes of images.",
    ),
    "evaluate": (
        evaluate,
        [
            model_argument(),
            argument("train", "Labeled images to fit on: " + _sources.HELP),
            argument("test", "Labeled images to predict (default: TRAIN's own)", optional=True),
            Flag(
                "method",
                f"{EVALUATE['method'].help}; several separated by commas (default: "
                f"{EVALUATE['method'].default})",
                metavar="NAME[,NAME...]",
                several=True,
            ),
            flag("calibration", "Calibration error and bins of each method."),
            flag("retrieval", "Precision@1, R-precision and MAP@R of TEST."),
            flag("geometry", "Alignment and uniformity of TEST."),
            Flag(
                "outside",
                "Measure how well the distance to the 50th nearest training image separates these "
                "images from the test images",
                metavar="DATA",
            ),
            Flag("confusion", "Print the confusion matrix (default: up to 20 classes)", bool),
            flag("json", "Print a JSON object per method."),
            *_flags.table(
                {n: it for n, it in EVALUATE.items() if n != "method"}, "Options", ("k",)
            ),
            *embedding_flags(),
        ],
        "Judges embeddings: fits on TRAIN, reports accuracy on TEST.",
    ),
}
