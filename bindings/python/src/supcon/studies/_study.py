"""Defines a study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import _options
from .._errors import UnsupportedError

if TYPE_CHECKING:
    from .._data import Dataset
    from .._model import Model
    from ._runner import Outcome, Parts

# measure → (its name in tables, factor, digits); smaller is better for those in LOWER
MEASURES = {
    "top1": ("top-1 %", 100, 2),
    "top5": ("top-5 %", 100, 2),
    "knn": ("kNN@20 %", 100, 2),
    "map_at_r": ("MAP@R %", 100, 2),
    "ece": ("ECE", 1, 4),
    "nll": ("NLL", 1, 3),
    "mce": ("mCE %", 100, 1),
    "relative_mce": ("relative mCE %", 100, 1),
    "corrupted": ("top-1 corrupted %", 100, 2),
}
LOWER = {"ece", "nll", "mce", "relative_mce"}


@dataclass(frozen=True)
class Settings:
    """The data and the size of a run. per_class None: all images of each class."""

    data: str = "digits"
    test: str | None = None
    epochs: int = 30
    seeds: int = 3
    width: int = 8
    architecture: str = "resnet18"
    batch_size: int = 64
    per_class: int | None = None
    validation: float = 0.1
    threads: int | None = None


@dataclass(frozen=True)
class Arm:
    """A row of the table.

    options : of `supcon.train`; `second`: of a linear stage by the trainer; None: the classifier is
    fitted by L-BFGS, unless the run trains it.
    grid : what else is tried; the validation images choose among these, once for all seeds.
    paper : measure → the paper's figure, in the table's unit; x : the place on the plot's axis.
    """

    name: str
    options: dict[str, Any]
    second: dict[str, Any] | None = None
    grid: tuple[dict[str, Any], ...] = ({},)
    paper: dict[str, Any] = field(default_factory=dict)
    x: float | None = None


@dataclass(frozen=True)
class Claim:
    """The claim that `first` is better than `second` in `measure`, by `paper` in the paper (None:
    it does not say by how much). With `margin`, the claim that they differ by less than it, in the
    table's units.
    """

    text: str
    first: str
    second: str
    paper: float | None = None
    measure: str = "top1"
    margin: float | None = None


@dataclass(frozen=True)
class Study:
    """A comparison of arms.

    arms, claims : of the settings. measures : columns, the first is drawn. axis : what the arms' x
    is.
    notes : what differs from the paper; full : the commands for its size. needs : options that the
    library must have, such as "optimizer=lars". prepare(settings, train, test, seed) : `Parts` of
    its own. fit(settings, arm, options, parts, seed) : a model with a classifier.
    group(arm) : the name of the box that the arm is a dot of, for plots of many arms.
    extra(model, parts, settings) : more measures on the test images. finish(outcomes) : measures
    that need all arms. summary(outcomes) : lines of the report.
    """

    name: str
    title: str
    paper: str
    arms: Callable[[Settings], list[Arm]]
    claims: Callable[[Settings], list[Claim]] = lambda settings: []
    measures: tuple[str, ...] = ("top1", "map_at_r")
    axis: str | None = None
    logarithmic: bool = False
    notes: str = ""
    full: str = ""
    needs: tuple[str, ...] = ()
    group: Callable[[Arm], str] | None = None
    fit: Callable[[Settings, Arm, dict[str, Any], Parts, int], Model] | None = None
    extra: Callable[[Model, Parts, Settings], dict[str, float]] | None = None
    prepare: Callable[[Settings, Dataset, Dataset, int], Parts] | None = None
    finish: Callable[[list[Outcome]], None] | None = None
    summary: Callable[[list[Outcome]], list[str]] | None = None

    def check(self) -> None:
        """Raises UnsupportedError if this build of the library lacks an option that the study
        needs.
        """
        known = _options.TRAIN | _options.LOSS | _options.AUGMENTATION
        for need in self.needs:
            name, _, word = need.partition("=")
            if name not in known or (word and word not in known[name].choices):
                raise UnsupportedError(
                    f"the study {self.name} needs the option {need}, which this library "
                    "does not have"
                )


def sgd(settings: Settings, rate: float = 0.2, **more: Any) -> dict[str, Any]:
    """Returns the recipe that arms begin with: SGD, cosine, warm-up over a tenth of the run, crops
    of half the area or more, flips where the data may be mirrored.
    """
    return {"learning_rate": rate, "reference_batch": 0, "augmentation": crops(settings)} | more


def crops(settings: Settings) -> dict[str, Any]:
    """Returns the augmentation of all arms; digits are not mirrored."""
    return {
        "kind": "crop_flip",
        "crop_scale_min": 0.5,
        "flip_probability": 0 if settings.data == "digits" else 0.5,
    }
