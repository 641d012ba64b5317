"""Judges a trained model on images that it has not seen, for the model card and the report of a
run; the result is kept as evaluation.npz in the run's folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any
from zipfile import BadZipFile

import numpy as np

from . import _files
from ._augmentation import augment
from ._data import Dataset
from ._errors import ArgumentError, FormatError
from ._evaluation import evaluate
from ._features import Features
from ._measures import alignment, calibration, retrieval, uniformity
from ._model import Model
from ._training import seed_number, validation_split
from ._types import Array, EmbedProgress, Float32, PathLike

MOST_JUDGED, MOST_KNOWN = 10_000, 10_000  # images, for a standard error of 0.5 % or less
MOST_MAPPED, MOST_MISTAKES, MOST_QUERIES = 1000, 24, 12
NEIGHBORS, VIEWS, VIEW_ROWS, THUMB = 6, 6, 6, 64


@dataclass
class Assessment:
    """The judged images (n of them) and everything that is shown of them. Without labels, all that
    needs labels is empty.

    judged : in words, which images; held_out : whether training saw none of them
    guesser : in words, what predicted
    class_names : [c]; metrics : name → number
    names, labels, predictions, confidences : [n]
    confusion : int [c, c], rows the truth
    bin_counts, bin_confidences, bin_accuracies : the reliability diagram
    mapped : [m], which images the map has; embeddings : float16 [m, d]
    mistakes, queries : which images were taken for another class, the surest first; which ask for
    neighbors
    thumbs : uint8 [m + mistakes + queries, h, w, 3] in that order, as the model sees them
    neighbor_names, neighbor_labels, neighbor_cosines : [queries, k], among training images;
    neighbor_thumbs : uint8 [queries, k, h, w, 3]
    view_names : [r]; views : uint8 [r, 1 + v, h, w, 3], the image and the views that training sees
    """

    judged: str = ""
    held_out: bool = False
    guesser: str = ""
    class_names: list[str] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    names: Array = field(default_factory=lambda: np.empty(0, str))
    labels: Array = field(default_factory=lambda: np.empty(0, np.int64))
    predictions: Array = field(default_factory=lambda: np.empty(0, np.int64))
    confidences: Array = field(default_factory=lambda: np.empty(0, np.float32))
    confusion: Array = field(default_factory=lambda: np.empty((0, 0), np.int64))
    bin_counts: Array = field(default_factory=lambda: np.empty(0, np.int64))
    bin_confidences: Array = field(default_factory=lambda: np.empty(0))
    bin_accuracies: Array = field(default_factory=lambda: np.empty(0))
    mapped: Array = field(default_factory=lambda: np.empty(0, np.int64))
    embeddings: Array = field(default_factory=lambda: np.empty((0, 0), np.float16))
    mistakes: Array = field(default_factory=lambda: np.empty(0, np.int64))
    queries: Array = field(default_factory=lambda: np.empty(0, np.int64))
    thumbs: Array = field(default_factory=lambda: np.empty((0, 1, 1, 3), np.uint8))
    neighbor_names: Array = field(default_factory=lambda: np.empty((0, 0), str))
    neighbor_labels: Array = field(default_factory=lambda: np.empty((0, 0), np.int64))
    neighbor_cosines: Array = field(default_factory=lambda: np.empty((0, 0), np.float32))
    neighbor_thumbs: Array = field(default_factory=lambda: np.empty((0, 0, 1, 1, 3), np.uint8))
    view_names: Array = field(default_factory=lambda: np.empty(0, str))
    views: Array = field(default_factory=lambda: np.empty((0, 0, 1, 1, 3), np.uint8))

    def save(self, path: PathLike) -> None:
        values = {it.name: getattr(self, it.name) for it in fields(self)}
        for name in ("class_names", "metrics"):
            values[name] = json.dumps(values[name])
        _files.write(os.fspath(path), lambda file: np.savez_compressed(file, **values))

    @classmethod
    def load(cls, path: PathLike) -> Assessment:
        try:
            with np.load(path, allow_pickle=False) as file:
                values = {it.name: file[it.name] for it in fields(cls)}
        except (ValueError, KeyError, EOFError, BadZipFile) as error:
            raise FormatError(f"{os.fspath(path)} is no evaluation of a run: {error}") from None
        for name in ("class_names", "metrics"):
            values[name] = json.loads(str(values[name]))
        values["judged"], values["guesser"] = str(values["judged"]), str(values["guesser"])
        values["held_out"] = bool(values["held_out"])
        return cls(**values)


def assess(
    model: Model,
    data: Dataset,
    options: dict[str, Any],
    test: Dataset | None = None,
    progress: Callable[[str], EmbedProgress | None] | None = None,
    training: Features | None = None,
) -> Assessment:
    """Judges a model on `test`, else on the validation split of its run (`options`: those of
    `supcon.train`), else on its training images, whose features are `training` if they have been
    kept. `progress(what)` returns a callback for `Model.embed`.
    """
    known, judged, words, held_out = _parts(data, options, test)
    tell = progress or (lambda what: None)
    if training is None:
        training = Features.of(model, _some(known, MOST_KNOWN), tell("training images"))
    elif len(training.data) > MOST_KNOWN:
        training = training.subset(_spread(len(training.data), MOST_KNOWN))
    judging = training
    if held_out:
        judging = Features.of(model, _some(judged, MOST_JUDGED), tell("held-out images"))
    known, judged = training.data, judging.data
    known_rows, rows = training.units(), judging.units()
    known_labels, labels = _classes_of(known, data), _classes_of(judged, data)
    found = Assessment(words, held_out, names=_names(judged))
    if labels is not None and known_labels is not None:
        found.class_names, found.labels = list(data.class_names), labels
        _classify(found, model, known_labels, known_rows, judging, rows)
    if len(rows) > 1:
        found.metrics["uniformity"] = uniformity(rows, n_jobs=model.n_jobs)
    found.metrics["images"] = len(judged)
    found.mapped = _spread(len(judged), MOST_MAPPED)
    found.embeddings = rows[found.mapped].astype(np.float16)
    found.queries = _queries(found, len(judged))
    _neighbors(found, model, known, known_labels, known_rows, rows, itself=not held_out)
    shown = np.concatenate([found.mapped, found.mistakes, found.queries])
    found.thumbs = _pictures(model, judged, shown)
    _views(found, model, known, options)
    return found


def _parts(
    data: Dataset, options: dict[str, Any], test: Dataset | None
) -> tuple[Dataset, Dataset, str, bool]:
    """Returns the training images, the judged images, a name for the latter, and whether they are
    unknown to training.
    """
    train, validation = validation_split(data, options)
    if test is not None:
        return train, test, _images(test, "test"), True
    if validation is not None:
        return train, validation, _images(validation, "held-out"), True
    return train, train, f"{_images(train, 'training')}, since none were held out", False


def _images(data: Dataset, kind: str) -> str:
    return f"{kind} {'image' if len(data) == 1 else 'images'}"


def _classes_of(some: Dataset, data: Dataset) -> Array | None:
    """Returns the class of each image as an index into the classes of `data`. Classes are matched
    by name, since two data sets may number theirs differently.
    """
    if some.labels is None or data.labels is None:
        return None
    at = {name: index for index, name in enumerate(data.class_names)}
    own = np.searchsorted(some.class_labels, some.labels)
    for index in np.unique(own):
        if some.class_names[index] not in at:
            raise ArgumentError(
                f"the test images have the class {some.class_names[index]!r}, which the training "
                f"images do not have; these have {', '.join(data.class_names[:20])}"
            )
    return np.array([at.get(it, 0) for it in some.class_names], np.int64)[own]


def _some(data: Dataset, most: int) -> Dataset:
    return data if len(data) <= most else data.subset(_spread(len(data), most))


def _spread(count: int, most: int) -> Array:
    """Returns at most `most` of `count` indices, evenly spread."""
    return np.arange(min(count, most), dtype=np.int64) * count // max(1, min(count, most))


def _names(data: Dataset) -> Array:
    paths = data.paths
    if paths is None:
        return np.array([f"image {it}" for it in range(len(data))])
    root = os.path.commonpath(map(os.path.dirname, map(os.path.abspath, paths)))
    names = [os.path.relpath(it, root) for it in paths]
    return np.array([os.fsencode(it).decode("utf-8", "replace") for it in names])


def _classify(
    found: Assessment,
    model: Model,
    known_labels: Array,
    known_rows: Float32,
    judging: Features,
    rows: Float32,
) -> None:
    """Fills in the predictions and all that follows from them. They are the model's classifier's,
    or a linear probe's on the training images where the model has no classifier for these classes.
    """
    classes, own = len(found.class_names), model.class_names == found.class_names
    several = len(np.unique(known_labels)) > 1
    found.guesser = "the model's classifier" if own else "a linear probe on the training images"
    if own:
        probabilities = model.forward_head(judging.rows, "probabilities")
    elif several:
        probe = evaluate(
            known_rows, known_labels, rows, found.labels, "linear", n_jobs=model.n_jobs
        )
        probabilities = np.zeros((len(rows), classes), np.float32)
        probabilities[:, probe.classes] = probe.probabilities
    else:
        return
    order = np.argsort(-probabilities, axis=1, kind="stable")
    found.predictions = order[:, 0]
    found.confidences = np.take_along_axis(probabilities, order[:, :1], 1)[:, 0]
    found.confusion = np.zeros((classes, classes), np.int64)
    np.add.at(found.confusion, (found.labels, found.predictions), 1)
    calibrated = calibration(probabilities, found.labels)
    found.bin_counts, found.bin_confidences, found.bin_accuracies = (
        calibrated.bin_counts,
        calibrated.bin_confidences,
        calibrated.bin_accuracies,
    )
    right = order == found.labels[:, None]
    found.metrics["top1"] = float(right[:, 0].mean())
    if len(found.class_names) > 5:
        found.metrics["top5"] = float(right[:, :5].any(1).mean())
    if found.held_out and several:
        near = evaluate(
            known_rows,
            known_labels,
            rows,
            found.labels,
            "knn",
            k=min(20, len(known_rows)),
            n_jobs=model.n_jobs,
        )
        found.metrics["knn_top1"] = near.top1
    found.metrics |= {
        "expected_calibration_error": calibrated.expected_calibration_error,
        "negative_log_likelihood": calibrated.negative_log_likelihood,
    }
    if len(np.unique(found.labels)) < len(found.labels):  # two images share a label
        found.metrics |= {
            "map_at_r": retrieval(rows, found.labels, n_jobs=model.n_jobs).map_at_r,
            "alignment": alignment(rows, found.labels, n_jobs=model.n_jobs),
        }
    wrong = np.flatnonzero(found.predictions != found.labels)
    surest = np.argsort(-found.confidences[wrong], kind="stable")
    found.mistakes = wrong[surest[:MOST_MISTAKES]]


def _queries(found: Assessment, count: int) -> Array:
    """Returns the images to show nearest neighbors of, from as many classes as fit."""
    if len(found.labels) == 0:
        return _spread(count, MOST_QUERIES)
    _, first = np.unique(found.labels, return_index=True)
    first = first[_spread(len(first), MOST_QUERIES)]
    more = np.setdiff1d(_spread(count, MOST_QUERIES), first)[: MOST_QUERIES - len(first)]
    return np.concatenate([first, more]).astype(np.int64)


def _neighbors(
    found: Assessment,
    model: Model,
    known: Dataset,
    known_labels: Array | None,
    known_rows: Float32,
    rows: Float32,
    itself: bool,
) -> None:
    cosines = rows[found.queries] @ known_rows.T
    if itself:  # the judged images are the known ones
        cosines[np.arange(len(found.queries)), found.queries] = -np.inf
    count = min(NEIGHBORS, len(known_rows) - itself)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    found.neighbor_cosines = np.take_along_axis(cosines, nearest, 1)
    found.neighbor_names = _names(known)[nearest]
    if known_labels is not None and len(found.labels):
        found.neighbor_labels = known_labels[nearest]
    pictures = _pictures(model, known, nearest.reshape(-1))
    found.neighbor_thumbs = pictures.reshape(*nearest.shape, *pictures.shape[1:])


def _views(found: Assessment, model: Model, known: Dataset, options: dict[str, Any]) -> None:
    chosen = _spread(len(known), VIEW_ROWS)
    some, given = known.subset(chosen), options.get("augmentation")
    pair = given if isinstance(given, (tuple, list)) else (given, given)
    common: dict[str, Any] = dict(
        seed=seed_number(options), size=model.image_size, n_jobs=model.n_jobs
    )
    columns = [augment(some, "none", **common)]
    columns += [augment(some, pair[min(it, 1)], view=it, **common) for it in range(VIEWS)]
    found.views, found.view_names = _bytes(np.stack(columns, 1)), _names(some)


def _pictures(model: Model, data: Dataset, indices: Array) -> Array:
    """Returns small pictures [n, h, w, 3] with the aspect ratio that the model sees."""
    height, width = model.image_size
    factor = min(1.0, THUMB / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    if len(indices) == 0:
        return np.empty((0, *size, 3), np.uint8)
    unique, back = np.unique(indices, return_inverse=True)
    pixels = augment(data.subset(unique), "none", size=size, n_jobs=model.n_jobs)
    return _bytes(pixels)[back.reshape(-1)]


def _bytes(pixels: Array) -> Array:
    """Converts floats from 0 to 1 to uint8 with three channels: the first of two, the first three
    of four.
    """
    shown = pixels[..., :3] if pixels.shape[-1] >= 3 else np.repeat(pixels[..., :1], 3, -1)
    made: Array = np.rint(shown * 255).astype(np.uint8)
    return made
