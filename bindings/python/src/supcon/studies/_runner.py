"""Trains the arms of a study over seeds, lets the validation images choose, and touches the test
images once, at the end.

What has been done is kept in NAME.json and NAME.models/ of the output folder: a study that was
stopped goes on where it was.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _files
from .._data import Dataset
from .._errors import ArgumentError, StateError
from .._evaluation import evaluate
from .._measures import calibration, retrieval
from .._model import Model, load
from .._options import LOSS, TRAIN
from .._presets import model_options
from .._suiting import trains_classifier
from .._training import train
from .._types import Array
from . import _data
from ._study import Arm, Settings, Study


@dataclass(frozen=True)
class Parts:
    """The images to train on, to choose by, and to test with. pretrain: images that `prepare` set
    apart, such as the classes that transfer begins with.
    """

    train: Dataset
    validation: Dataset
    test: Dataset
    pretrain: Dataset | None = None


@dataclass
class Outcome:
    """The result of an arm: the chosen candidate, and its measures by seed (NaN where a run
    failed).
    """

    arm: Arm
    chosen: dict[str, Any]
    validation: Array
    measures: dict[str, Array]
    failures: list[str]
    seconds: float
    tested: int


class Runner:
    def __init__(
        self, study: Study, settings: Settings, folder: str, say: Callable[[str], object] = print
    ) -> None:
        study.check()
        self.study, self.settings, self.folder, self.say = study, settings, folder, say
        self.whole = _data.load(settings.data, settings.test)
        os.makedirs(os.path.join(folder, f"{study.name}.models"), exist_ok=True)
        self.path = os.path.join(folder, f"{study.name}.json")
        plain = dataclasses.asdict(settings) | {"threads": None}
        self.done: dict[str, Any] = {"settings": plain, "runs": {}, "tests": {}}
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                self.done = json.load(file)
            if self.done["settings"] != plain:
                raise ArgumentError(
                    f"{self.path} is of a run with other settings, {self.done['settings']}; "
                    "expected another --output, or that file deleted"
                )

    def run(self) -> list[Outcome]:
        """Trains all arms, candidates and seeds, then tests the chosen candidates."""
        arms = self.study.arms(self.settings)
        jobs = [
            (arm, at, seed)
            for seed in range(self.settings.seeds)
            for arm in arms
            for at in range(len(arm.grid))
        ]
        for number, (arm, at, seed) in enumerate(jobs):
            key = self.key(arm, at, seed)
            if key not in self.done["runs"]:
                self.say(f"{self.study.name} {number + 1}/{len(jobs)}: {key}")
                self.done["runs"][key] = self.train(arm, at, seed)
                self.keep()
        outcomes = [self.test(arm) for arm in arms]
        if self.study.finish:
            self.study.finish(outcomes)
        return outcomes

    def key(self, arm: Arm, at: int, seed: int) -> str:
        words = ", ".join(f"{name}={value}" for name, value in arm.grid[at].items())
        return f"{arm.name}{f' [{words}]' if words else ''}, seed {seed}"

    def model_path(self, key: str) -> str:
        return os.path.join(
            self.folder,
            f"{self.study.name}.models",
            "".join(it if it.isalnum() else "-" for it in key) + ".safetensors",
        )

    def keep(self) -> None:
        _files.write(self.path, lambda file: file.write(json.dumps(self.done, indent=1).encode()))

    def parts(self, seed: int) -> Parts:
        """Returns the images of a seed, which every arm shares."""
        known, test = self.whole
        if self.study.prepare:
            return self.study.prepare(self.settings, known, test, seed)
        first, second = known.split(self.settings.validation, seed)
        return Parts(
            first.per_class(self.settings.per_class, seed) if self.settings.per_class else first,
            second,
            test,
        )

    def train(self, arm: Arm, at: int, seed: int) -> dict[str, Any]:
        parts, start = self.parts(seed), time.monotonic()
        try:
            model = (self.study.fit or fit)(
                self.settings, arm, arm.options | arm.grid[at], parts, seed
            )
        except StateError as error:  # collapsed or diverged, which is a result too
            return {"validation": 0.0, "failed": str(error), "seconds": time.monotonic() - start}
        model.save(self.model_path(self.key(arm, at, seed)))
        accuracy = float(
            (
                model.embed(parts.validation, "probabilities", False).argmax(1)
                == parts.validation.labels
            ).mean()
        )
        return {"validation": accuracy, "seconds": time.monotonic() - start}

    def test(self, arm: Arm) -> Outcome:
        runs, seeds = self.done["runs"], range(self.settings.seeds)
        table = np.array(
            [
                [runs[self.key(arm, at, seed)]["validation"] for seed in seeds]
                for at in range(len(arm.grid))
            ]
        )
        best = int(table.mean(1).argmax())
        keys = [self.key(arm, best, seed) for seed in seeds]
        for seed, key in zip(seeds, keys):
            if key not in self.done["tests"] and "failed" not in runs[key]:
                model = load(self.model_path(key), n_jobs=self.settings.threads)
                self.done["tests"][key] = measure(model, self.parts(seed), self.settings) | (
                    self.study.extra(model, self.parts(seed), self.settings)
                    if self.study.extra
                    else {}
                )
                self.keep()
        found = [self.done["tests"].get(key, {}) for key in keys]
        names = sorted(set().union(*found))
        measures = {name: np.array([it.get(name, np.nan) for it in found]) for name in names}
        failures = [
            f"{self.key(arm, at, seed)}: {runs[self.key(arm, at, seed)]['failed']}"
            for at in range(len(arm.grid))
            for seed in seeds
            if "failed" in runs[self.key(arm, at, seed)]
        ]
        seconds = sum(
            runs[self.key(arm, at, seed)]["seconds"]
            for at in range(len(arm.grid))
            for seed in seeds
        )
        return Outcome(
            arm, arm.grid[best], table[best], measures, failures, seconds, len(self.parts(0).test)
        )


def new_model(settings: Settings, options: dict[str, Any], data: Dataset, seed: int) -> Model:
    """Makes a model of the settings' architecture for the images of `data`. options: those of a
    run, which may include options of the model.
    """
    given = {name: options.get(name) for name in ("head", "head_hidden", "projection_dim")}
    given |= {"architecture": settings.architecture, "width": settings.width, "seed": seed}
    return Model(**model_options(None, data, given), n_jobs=settings.threads)


def stage(
    settings: Settings, model: Model, data: Dataset, options: dict[str, Any], seed: int
) -> None:
    """Runs the trainer once."""
    known = {
        name: value
        for name, value in options.items()
        if name in TRAIN or name in LOSS or name == "augmentation"
    }
    size = min(known.get("batch_size") or settings.batch_size, len(data))
    train(
        model,
        data,
        **known
        | {
            "batch_size": size,
            "validation_fraction": 0.0,
            "epochs": known.get("epochs") or settings.epochs,
        },
        seed=seed,
    )


_encoders: dict[str, Model] = {}  # the latest, shared by arms that differ in the linear stage only


def fit(settings: Settings, arm: Arm, options: dict[str, Any], parts: Parts, seed: int) -> Model:
    """Trains an encoder, then a classifier."""
    model = encoder(settings, options, parts.train, seed)
    classify(settings, arm, options, model, parts.train, seed)
    return model


def encoder(settings: Settings, options: dict[str, Any], data: Dataset, seed: int) -> Model:
    """Returns a model after its first stage, as a copy for the caller."""
    key = f"{settings} {sorted(options.items())} {seed}"
    if key not in _encoders:
        model = new_model(settings, options, data, seed)
        stage(settings, model, data, options, seed)
        while len(_encoders) >= 8:
            del _encoders[next(iter(_encoders))]
        _encoders[key] = model
    return _encoders[key].copy()


def classify(
    settings: Settings, arm: Arm, options: dict[str, Any], model: Model, data: Dataset, seed: int
) -> None:
    """Trains the linear stage, unless the run trained a classifier."""
    if trains_classifier(options.get("objective"), options.get("joint_classifier")):
        return
    if arm.second is None:
        model.fit_classifier(data)
    else:
        stage(settings, model, data, {"objective": "linear"} | arm.second, seed)


def measure(model: Model, parts: Parts, settings: Settings) -> dict[str, float]:
    """Measures the model on the test images."""
    probabilities, truth = model.embed(parts.test, "probabilities", False), _data.labels(parts.test)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    calibrated, rows = calibration(probabilities, truth), model.embed(parts.test)
    known = parts.train.per_class(1000)
    near = evaluate(
        model.embed(known),
        _data.labels(known),
        rows,
        truth,
        "knn",
        k=min(20, len(known)),
        n_jobs=settings.threads,
    )
    return {
        "top1": float((order[:, 0] == truth).mean()),
        "top5": float((order[:, :5] == truth[:, None]).any(1).mean()),
        "knn": near.top1,
        "map_at_r": retrieval(rows, truth, n_jobs=settings.threads).map_at_r,
        "ece": calibrated.expected_calibration_error,
        "nll": calibrated.negative_log_likelihood,
    }
