"""Implements `supcon train`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from .. import _config, _files, _sources
from .._augmentation import image_size as pair
from .._collectives import Collectives, first_does
from .._data import Dataset
from .._errors import ArgumentError, SupConError
from .._features import Features
from .._model import Model, load
from .._options import CLASSIFIER, DATASET, LOSS, MODEL, MODEL_DATA, TRAIN, build
from .._presets import (
    model_options,
    only,
    preset,
    presets,
    suitable_size,
    train_options,
)
from .._recipe import classifier_flip, network, suited
from .._run import Run
from .._suiting import (
    BESIDE_INIT,
    HEAD,
    need_encoder,
    objective_for,
    suit_classifier,
    suit_head,
    trains_classifier,
)
from .._training import Event, Training, train, validation_split
from .._tune import tune
from .._types import PathLike
from ._flags import UsageError
from ._say import Bar, note, note_skipped
from ._train_flags import augmentation_of, flags, given_of


def configured(arguments: SimpleNamespace) -> None:
    """Fills in from the file of --config what the command line leaves open; checks --preset and
    DATA.
    """
    for section, values in (_config.read(arguments.config) if arguments.config else {}).items():
        if section == "augmentation_second":
            if arguments.augmentation_second is None:
                arguments.augmentation_second = values
            continue
        names = {"kind": "augmentation"} if section == "augmentation" else {}
        if section == "model" and (arguments.init or "init" in values):  # its file has the rest
            values = {it: values[it] for it in ("init", "channels", *BESIDE_INIT) if it in values}
        for key, value in values.items():
            name = "data" if (section, key) == ("data", "path") else names.get(key, key)
            if not hasattr(arguments, name):
                near = _config.suggestion(name, vars(arguments))
                raise ArgumentError(
                    f"{arguments.config}: [{section}] has {key!r}, which is no option{near}"
                )
            if getattr(arguments, name) is None:
                setattr(arguments, name, value)
    if arguments.data is None:
        raise UsageError("missing argument 'DATA', or --config FILE with a path in its [data]")
    if arguments.preset and arguments.preset not in presets():
        near = (
            _config.suggestion(arguments.preset, presets()) or f"; expected {', '.join(presets())}"
        )
        raise ArgumentError(f"--preset is {arguments.preset!r}{near}")


def run(arguments: SimpleNamespace) -> int:
    """Trains an encoder on labeled or unlabeled images."""
    configured(arguments)
    alone = (arguments.output or "").endswith(".safetensors")
    if alone and arguments.ranks.is_first:
        _files.writable(arguments.output)
    bar = Bar(arguments.quiet)
    try:
        return _train(arguments, prepared(arguments), alone, bar)
    finally:
        bar.close()


@dataclass
class Prepared:
    """The start of a run: its images and those that judge it, the model, and the options of
    `supcon.train`.
    """

    data: Dataset
    test: Dataset | None
    model: Model
    options: dict[str, Any]


def prepared(arguments: SimpleNamespace) -> Prepared:
    """Reads the images, and chooses what the command line leaves open."""
    recipe = preset(arguments.preset) if arguments.preset else None
    given = given_of(arguments, (*TRAIN, *LOSS, "seed"))
    searches = given.get("learning_rate") == "auto"
    options = train_options(recipe, given | ({"learning_rate": None} if searches else {}))
    options["augmentation"] = augmentation_of(arguments, options.get("augmentation"))
    build(CLASSIFIER, **given_of(arguments, CLASSIFIER))  # refuses what is wrong before the run
    begun = _begin(arguments)
    if begun is None:
        need_encoder(options, "--init MODEL")
    reading = given_of(arguments, DATASET)
    if begun is not None:
        reading = _sources.channels_of(begun) | reading
    data, test = _sources.read(arguments.data, **reading)
    if arguments.val is not None:
        test = _sources.read(arguments.val, beside=True, **reading)[0]
    for part in (data, test) if test is not None else (data,):
        note_skipped(arguments, part)
    if arguments.targets is not None:
        if arguments.positives in (None, "classes"):
            raise ArgumentError(
                "--targets was given without --positives any, all, jaccard or kernel, "
                "which says what they mean"
            )
        data = data.with_targets(_files.targets(arguments.targets, data, arguments.data))
    ranks = getattr(arguments, "ranks", None)
    collectives = ranks and ranks.collectives
    joins = collectives if getattr(arguments, "own_part", None) else None
    if joins:
        data = Dataset.join(data, joins)
    data = _variant(arguments, data)
    if arguments.classifier and data.labels is None:
        raise ArgumentError(f"--classifier needs labels, and {arguments.data} has none")
    options["objective"] = objective_for(options, data)
    why = ""
    if recipe is None:
        size = pair(arguments.image_size or suitable_size(data))
        size = size if begun is None else begun.image_size
        found, why = _of_first(
            joins, lambda: _chosen(data, only(options), size, begun, test is not None, searches)
        )
        options |= found
    given = given_of(arguments, (*MODEL, "image_size", "mean", "std", "seed"))
    if begun is None:
        described = _of_first(joins, lambda: model_options(recipe, data, given))
        model = Model(**described, n_jobs=arguments.threads, memory_limit=arguments.memory_limit)
    else:
        model = begun
    has_new_head = begun is not None and suit_head(begun, recipe, given, options)
    if recipe is None:
        told = network(model, given, begun is not None, has_new_head)
        more = ""
        if arguments.classifier_flip is None:
            arguments.classifier_flip, more = classifier_flip(options)
        more = more if fits_classifier(arguments, data, options) else ""
        why = "; ".join(filter(None, (why, told, more)))
        if why:
            note(arguments, why)
    if data.labels is not None and learns_classes(options):
        suit_classifier(model, data)
    if searches:
        limit = only({"seconds": getattr(arguments, "seconds", None)})
        tuning = tune(
            model,
            data,
            verbose=not arguments.quiet,
            collectives=collectives,
            **limit,
            **options,
        )
        options["learning_rate"] = tuning.learning_rate
        note(arguments, tuning.recipe)
    return Prepared(data, test, model, options)


def _chosen(data: Dataset, *arguments: Any) -> tuple[dict[str, Any], str]:
    """Returns the options that `suited` adds, and the sentence that says why."""
    given: dict[str, Any] = arguments[0]
    found, why = suited(data, *arguments)
    return {name: it for name, it in found.items() if it is not given.get(name)}, why


def _of_first(collectives: Collectives | None, choose: Callable[[], Any]) -> Any:
    """Returns what ``choose()`` returns at rank 0, where the ranks have images of their own, by
    which each would choose otherwise.
    """
    return first_does(collectives, choose) if collectives else choose()


def fits_classifier(arguments: SimpleNamespace, data: Dataset, options: dict[str, Any]) -> bool:
    """Tells whether a linear classifier is fitted after the run."""
    has_labels = data.labels is not None
    return has_labels and not learns_classes(options) and arguments.classifier is not False


def learns_classes(options: dict[str, Any]) -> bool:
    return trains_classifier(options["objective"], options.get("joint_classifier"))


def _train(arguments: SimpleNamespace, begin: Prepared, alone: bool, bar: Bar) -> int:
    data, model, options = begin.data, begin.model, begin.options
    said = f"{data!r}; {model!r}".replace("<supcon.", "").replace(">", "")
    bar.stage(said) if bar.plain else note(arguments, said)
    folder, given = None, options
    if not alone and arguments.ranks.is_first:
        folder = Run(
            arguments.output or os.path.join("runs", _name(arguments.data)),
            resume=bool(arguments.resume),
            sections=_sections(arguments),
            title="supcon " + " ".join(map(shlex.quote, arguments.command_line)),
        )
        given = folder.begin(model, data, options)
        note(arguments, f"the run is kept in {folder.path}")
    training = Training()

    def hear(event: Event) -> bool:
        if folder:
            folder(event)
        return bar(event)

    try:
        train(
            model,
            data,
            **given,
            callbacks=[hear],
            collectives=arguments.ranks.collectives,
            training=training,
        )
    except (KeyboardInterrupt, SupConError) as reason:
        bar.close()
        if training.steps:
            _stopped(arguments, reason, model, data, training, folder, given)
        elif folder:
            folder.discard()
        raise
    if not arguments.ranks.is_first:
        return 0
    known = None
    if fits_classifier(arguments, data, options):
        bar.stage("fitting the linear classifier")
        fit = given_of(arguments, CLASSIFIER)
        # held-out images judge the classifier too
        train_part = validation_split(data, options)[0]
        try:
            known = Features.of(model, train_part, flip=bool(fit.get("classifier_flip")))
            known.fit_classifier(model, fit.get("classifier_iterations"), fit.get("classifier_l2"))
        except (KeyboardInterrupt, SupConError):
            bar.close()
            where = _keep(arguments, model, data, folder)
            print(
                f"supcon: the classifier was not fitted; the encoder is in {where}",
                file=sys.stderr,
            )
            raise
    if folder is None:
        model.save(arguments.output)
        print(arguments.output)
        return 0
    bar.stage("judging the model")
    folder.finish(model, data, begin.test, training=known)
    made = ["model.safetensors", "README.md"]
    if arguments.report is not False:
        from .._report import report

        bar.stage("making the report")
        report(folder.path)
        made.append("report.html")
    bar.close()
    _summary(arguments, folder, made)
    print(folder.path)
    return 0


def _keep(arguments: SimpleNamespace, model: Model, data: Dataset, folder: Run | None) -> PathLike:
    """Saves what a run that does not end well has learned, and returns the file's path."""
    if folder:
        folder.finish(model, data, assess=False)
        return folder.model
    where: str = arguments.output
    model.save(where)
    return where


def _stopped(
    arguments: SimpleNamespace,
    reason: BaseException,
    model: Model,
    data: Dataset,
    training: Training,
    folder: Run | None,
    options: dict[str, Any],
) -> None:
    where, again = _keep(arguments, model, data, folder), options.get("checkpoint_folder")
    go_on = ""
    if again and training.history:
        go_on = f"; go on from the checkpoint in {again} with --resume"
        go_on += f" -o {folder.path}" if folder else ""
    print(
        f"supcon: {'stopped' if isinstance(reason, KeyboardInterrupt) else 'the run ended'} "
        f"in epoch {len(training.history) + 1}; the model learned so far is in {where}{go_on}",
        file=sys.stderr,
    )


def _summary(arguments: SimpleNamespace, folder: Run, made: list[str]) -> None:
    found = folder.assessment
    metrics = found.metrics if found else {}
    words = [
        f"{name} {metrics[key]:.2%}"
        for key, name in (("top1", "top-1"), ("knn_top1", "kNN"), ("map_at_r", "MAP@R"))
        if key in metrics
    ]
    if found and words:
        judged = f"{metrics['images']:,} {found.judged}"
        note(arguments, f"{', '.join(words)} of {judged}")
    note(arguments, f"in {folder.path}: {', '.join(made)}")


def _sections(arguments: SimpleNamespace) -> dict[str, Any]:
    """Returns the sections of config.toml that the options of `supcon.train` and the model do not
    provide.
    """
    names = ("val", "targets", "long_tailed", "per_class", "label_noise", *DATASET)
    found = {"path": arguments.data} | only({it: getattr(arguments, it) for it in names})
    model = {"init": arguments.init} | given_of(arguments, HEAD) if arguments.init else {}
    return {
        "data": found,
        "model": model,
        "classifier": given_of(arguments, CLASSIFIER),
    }


def _name(data: str) -> str:
    """Returns a name for a run on this DATA."""
    kind, colon, rest = data.partition(":")
    path = rest.split(",")[0] if colon and not os.path.exists(data) else data
    name = os.path.basename(os.path.abspath(path or kind)).split(".")[0]
    return kind if not rest and colon else name or "run"


def _begin(arguments: SimpleNamespace) -> Model | None:
    """Loads the model of --init."""
    if arguments.init is None:
        return None
    for name in (*MODEL, "image_size", "mean", "std"):
        if name not in BESIDE_INIT and getattr(arguments, name) is not None:
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


def _variant(arguments: SimpleNamespace, data: Dataset) -> Dataset:
    """Applies --long-tailed, --per-class and --label-noise to the data set."""
    seed = MODEL_DATA["seed"].default if arguments.seed is None else arguments.seed
    for value, change in (
        (arguments.long_tailed, "long_tailed"),
        (arguments.per_class, "per_class"),
        (arguments.label_noise, "with_label_noise"),
    ):
        if value is not None:
            data = getattr(data, change)(value, seed)
    return data


COMMANDS = {
    "train": (run, flags(), "Trains an encoder on labeled or unlabeled images."),
}
