"""The folder of a run: what was asked for, how it went, what came out.

runs/NAME/
  config.toml         every option; `supcon train --config` reads it
  summary.csv         a row per epoch, in timm's form
  events.out.tfevents…  the same for TensorBoard, where that is installed
  checkpoints/        last.supcon to go on from, best.safetensors
  model.safetensors   what was learned
  evaluation.npz      what it makes of images that it has not seen
  README.md           the model card
  report.html         the report
"""

from __future__ import annotations

import csv
import math
import os
import shutil
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from . import _assessment, _card, _config, _files, _tensorboard
from ._convert import path as encoded_path
from ._data import Dataset
from ._errors import ArgumentError
from ._features import Features
from ._library import version
from ._model import Model
from ._shown import number_of
from ._training import Event
from ._types import EmbedProgress, PathLike

COLUMNS = (
    "epoch",
    "train_loss",
    "train_top1",
    "eval_knn_top1",
    "eval_alignment",
    "eval_uniformity",
    "lr",
    "images_per_second",
    "seconds",
)


class Run:
    """Writes the folder of a run. Call `begin`, then the object with each event, then `finish`.

    Parameters
    ----------
    path : path
        A folder that already holds a run is left alone: "first" becomes "first-2", and so on; see
        `path` of the object. With `resume` that run goes on.
    sections : dict, optional
        More of config.toml than the options of `supcon.train` say: {"data": {"path": "photos"}}.
    title : str, optional
        A line for the head of config.toml and the card, such as the command.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        resume: bool = False,
        sections: dict[str, dict[str, Any]] | None = None,
        title: str = "",
    ) -> None:
        encoded_path("run", path)  # raises an error for a bad path
        self._names(Path(path) if resume else free(Path(path)))
        self.resume, self.sections, self.title = resume, dict(sections or {}), title
        self.started = time.monotonic()
        self.events: Any = None
        self.options: dict[str, Any] = {}
        self.assessment: _assessment.Assessment | None = None
        self.path.mkdir(parents=True, exist_ok=True)

    @classmethod
    def at(cls, path: PathLike) -> Run:
        """Opens the folder of an existing run to read it."""
        encoded_path("run", path)
        found = cls.__new__(cls)
        found._names(Path(path))
        if not found.config.is_file():
            raise ArgumentError(f"{found.path} is no folder of a run: there is no {found.config}")
        return found

    def _names(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.summary = path / "summary.csv"
        self.model = path / "model.safetensors"
        self.checkpoints = path / "checkpoints"
        self.evaluation = path / "evaluation.npz"
        self.card = path / "README.md"
        self.report = path / "report.html"

    def begin(self, model: Model, data: Dataset, options: dict[str, Any]) -> dict[str, Any]:
        """Writes config.toml and returns the options to train with, whose checkpoints go into the
        folder.
        """
        found = _config.of_run(model, options)
        for name, values in self.sections.items():
            found[name] = found.get(name, {}) | values
        self.sections, self.options = found, options
        head = f"supcon {version()}, {date.today().isoformat()}"
        head += f": {self.title}" if self.title else ""
        content = _config.text(found, f"{head}\n{_describe(data)}")
        _files.write(str(self.config), lambda file: file.write(content.encode()))
        self.checkpoints.mkdir(exist_ok=True)
        self.events = _tensorboard.writer(self.path)
        if not (self.resume and self.summary.exists()):
            self._rows([])
        return options | {
            "checkpoint_folder": options.get("checkpoint_folder") or str(self.checkpoints)
        }

    def __call__(self, event: Event) -> None:
        """Records an epoch; other events are ignored."""
        if event.kind != "epoch":
            return
        values = (
            event.epoch,
            event.loss,
            100 * event.train_accuracy,
            100 * event.knn_accuracy,
            event.alignment,
            event.uniformity,
            event.learning_rate,
            event.images_per_second,
            time.monotonic() - self.started,
        )
        # a resumed run repeats the epochs after its last checkpoint
        rows = [it for it in read_summary(self.summary) if it["epoch"] < event.epoch]
        self._rows([*rows, dict(zip(COLUMNS, values))])
        if self.events:
            _tensorboard.add(self.events, event)
            self.events.flush()

    def _rows(self, rows: list[dict[str, Any]]) -> None:
        lines = [",".join(COLUMNS)]
        for row in rows:
            cells = [str(row["epoch"])]
            for name in COLUMNS[1:]:
                cells.append("" if math.isnan(row[name]) else f"{row[name]:.6g}")
            lines.append(",".join(cells))
        content = "\n".join(lines) + "\n"
        _files.write(str(self.summary), lambda file: file.write(content.encode()))

    def discard(self) -> None:
        """Removes the folder of a run that never began."""
        if self.events:
            self.events.close()
        if not self.resume:
            shutil.rmtree(self.path, ignore_errors=True)

    def finish(
        self,
        model: Model,
        data: Dataset,
        test: Dataset | None = None,
        *,
        progress: Callable[[str], EmbedProgress | None] | None = None,
        training: Features | None = None,
        assess: bool = True,
    ) -> None:
        """Writes the model, its evaluation, and the card. `training`: the features of the training
        images, if they have been kept. Without `assess` (for an interrupted run) it writes the
        model and a card without figures.
        """
        if self.events:
            self.events.close()
        model.save(self.model)
        if assess:
            self.assessment = _assessment.assess(
                model, data, self.options, test, progress, training
            )
            self.assessment.save(self.evaluation)
        content = _card.text(self, model, data)
        _files.write(str(self.card), lambda file: file.write(content.encode()))


def free(path: Path) -> Path:
    """Returns `path`, or the first of path-2, path-3, … that holds no run yet."""
    number, found = 1, path
    while found.exists() and (not found.is_dir() or any(found.iterdir())):
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found


def read_summary(path: PathLike) -> list[dict[str, Any]]:
    """Returns the rows of a summary.csv, with NaN where nothing was measured."""
    if not os.path.exists(path):
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [
            {name: float(row.get(name) or "nan") for name in COLUMNS} | {"epoch": int(row["epoch"])}
            for row in csv.DictReader(file)
        ]


def _describe(data: Dataset) -> str:
    return ", ".join(
        [
            number_of(len(data), "image")
            + (f" of {data.height}x{data.width} pixels" if data.height else " of different sizes"),
            number_of(data.channels, "channel"),
            "no labels"
            if data.labels is None
            else number_of(len(data.class_names), "class", "classes"),
        ]
    )
